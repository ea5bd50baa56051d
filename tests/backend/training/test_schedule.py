"""When a training starts: enough new labels, and never twice for the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from training_lab import PER_VIDEO, Lab

from backend.labelstudio.records import Access
from backend.storage.jobs import Store
from backend.storage.overview import label_counts


def test_enough_new_labels_start_a_run(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=2 * (PER_VIDEO - 1))
    lab.label(1)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert lab.trainer.runs.runs() == []
    lab.label(2)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert [run.state for run in lab.trainer.runs.runs()] == ["queued"]


def test_what_could_not_be_counted_is_counted_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=PER_VIDEO - 1)
    lab.label(1)
    lab.trainer.labels_changed([1])
    with monkeypatch.context() as broken:
        broken.setattr(store.labels, "normals_since", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        with pytest.raises(OSError, match="busy"):
            lab.trainer.count_labels()
    lab.trainer.count_labels()
    assert len(lab.trainer.runs.runs()) == 1


def test_labels_that_were_learnt_from_do_not_count_again(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=PER_VIDEO - 1)
    lab.label(1)
    lab.train()
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert len(lab.trainer.runs.runs()) == 1


def test_no_number_of_labels_starts_a_run_when_it_is_off(lab: Lab) -> None:
    lab.label(1)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert lab.trainer.runs.runs() == []


def test_labels_that_were_too_few_count_with_later_ones(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=2 * (PER_VIDEO - 1))
    lab.label(1)
    assert lab.train().state == "skipped"
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert [run.state for run in lab.trainer.runs.runs()] == ["skipped"]  # nothing new since
    lab.label(2)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert [run.state for run in lab.trainer.runs.runs()] == ["queued", "skipped"]


def test_labels_of_a_training_that_was_cancelled_count_with_later_ones(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=2 * (PER_VIDEO - 1))
    lab.label(1)
    runs = lab.trainer.runs
    runs.cancel(lab.trainer.request(1, "the dashboard").id)
    new = {one: new for one, (_, new) in label_counts(store.engine)[1].items()}
    assert new["normal"] == PER_VIDEO - 1
    lab.label(2)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert [run.state for run in runs.runs()] == ["queued", "cancelled"]


def test_a_training_that_failed_does_not_start_again_with_every_label(store: Store, tmp_path: Path) -> None:
    lab = Lab(store, tmp_path, Access("", SecretStr("")), after=2 * (PER_VIDEO - 1))
    lab.label(1)
    lab.label(2)
    runs = lab.trainer.runs
    runs.finish(lab.trainer.request(1, "the dashboard").id, "failed", "The disk is full.")
    lab.label(3)
    lab.trainer.labels_changed([1])
    lab.trainer.count_labels()
    assert [run.state for run in runs.runs()] == ["failed"]
