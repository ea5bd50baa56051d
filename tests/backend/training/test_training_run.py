"""A training run: what a model is made of, what the gate lets through, and when there is too little to learn from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from drawn_lifts import video
from fakes import CONFIG
from training_lab import PER_VIDEO, Lab

from backend.errors import VideosMissing
from backend.labels.events import save_annotations
from backend.labels.labelled import LabelledVideo, labelled_videos
from backend.labelstudio.format import AnnotationsSaved, Json
from backend.models.figures import verdict_in
from backend.models.rates import measured
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.training.training_run import LEAST_NORMALS, _check_enough, _contested, _fewer, label_digest, train_run
from pipeline.anomaly.detector import load_detector
from pipeline.config import PipelineConfig
from pipeline.learning import on_labels
from pipeline.learning.on_labels import Confirmed
from pipeline.pose.cache import PoseCache


def test_the_digest_of_labels_is_the_same_in_any_order() -> None:
    one: Json = {"media_digest": "a", "start_s": 1.0, "end_s": 2.0, "label": "normal", "annotator": 1}
    other = one | {"start_s": 3.0, "end_s": 4.0}
    assert label_digest([one, other]) == label_digest([other, one | {"annotator": 2}])
    assert label_digest([one]) != label_digest([one | {"label": "anomalous"}])


def test_too_few_labels_are_a_skipped_run_that_says_so(lab: Lab) -> None:
    lab.label(1)
    run = lab.train()
    assert run.state == "skipped"
    assert f"3 normal repetitions, {LEAST_NORMALS} are needed" in run.message


def test_too_few_because_videos_are_missing_is_a_failure(lab: Lab) -> None:
    """New labels do not bring videos back, so the next ones must start no run."""
    for task in range(1, 6):
        lab.label(task)
        PoseCache(lab.folder / "poses").path(f"digest-{task}", PipelineConfig().pose).unlink()
    run = lab.train()
    assert run.state == "failed"
    assert "5 videos could not be used" in run.message


def test_a_single_video_that_could_not_be_used_is_one() -> None:
    with pytest.raises(VideosMissing, match=r"1 video could not be used \(a[.]mp4: gone\)"):
        _check_enough([], ["a.mp4: gone"])


def test_a_model_knows_what_it_was_made_of(trained: Lab) -> None:
    (version,) = trained.registry.versions(1)
    counts = {"normal": 5 * (PER_VIDEO - 1), "anomalous": 5, "videos": 5, "anomalous_videos": 5}
    assert version.run["labels"] == counts | {"skipped": []}
    assert version.run["confirmed"]["anomalous"] == 5
    assert version.run["parent"] == load_detector().version
    assert version.model.folder is not None
    kept = json.loads((version.model.folder / "labels.json").read_text())
    assert label_digest(kept) == version.run["label_digest"]
    assert {one["annotator"] for one in kept} == {7}
    assert [one["task"] for one in kept] == sorted(one["task"] for one in kept)  # not by who labelled last


def test_a_model_is_judged_at_the_rate_of_its_project_and_shown_at_others(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    in_use = lab.registry.choose_rate(1, 0.15).version
    run = lab.train()
    (version,) = lab.registry.versions(1)
    assert (version.gate["rate"], version.run["parent"]) == (0.15, in_use)
    assert [one.rate for one in measured(version.gate)] == [0.01, 0.02, 0.05, 0.1, 0.15, 0.2]
    assert measured(version.gate)[0].normals == version.gate["figures"]["normals"]
    assert lab.registry.own_rate(version.model) == 0.05
    assert run.message.startswith(f"{version.model.version}-at-15% was put in use.")


def test_the_same_labels_are_not_learnt_twice(trained: Lab) -> None:
    trained.executor.fails = [AssertionError("a process was started")]
    run = trained.train()
    assert (run.state, run.version) == ("done", "v0001")
    assert run.message == trained.trainer.nothing_new(1)
    assert run.message.startswith("Nothing has changed since v0001: it was made of exactly these labels")
    assert len(trained.registry.versions(1)) == 1


@pytest.mark.parametrize("what", ["rate", "labels", "config", "training"])
def test_what_has_changed_is_learnt(trained: Lab, what: str) -> None:
    if what == "rate":
        trained.registry.choose_rate(1, 0.2)
    elif what == "labels":
        trained.label(1, called=0)
    else:
        (version,) = trained.registry.versions(1)
        assert version.model.folder is not None
        stored = version.model.folder / "run.json"
        described = json.loads(stored.read_text())
        del described[what]  # as an earlier release wrote it
        stored.write_text(json.dumps(described))
        trained.registry._runs.clear()
    assert trained.trainer.nothing_new(1) == ""
    assert trained.train().version == "v0002"


def test_labels_of_videos_that_are_known_once_they_are_read_are_not_learnt_twice(trained: Lab) -> None:
    for job in trained.store.jobs():
        found = load_analysis(job.result)
        trained.store.finish_job(job.id, dump_analysis(replace(found, media_digest="")))
    assert trained.trainer.nothing_new(1) == ""
    videos = [replace(one, media_digest=f"digest-{one.task}") for one in labelled_videos(trained.store, 1)]
    work = replace(trained.trainer._work(1), videos=tuple(videos))
    run = trained.trainer.request(1, "test")
    assert train_run(run.id, work).reason.startswith("Nothing has changed since v0001")


def test_what_a_damaged_model_was_made_of_is_learnt_again(trained: Lab) -> None:
    (version,) = trained.registry.versions(1)
    assert version.model.folder is not None
    (version.model.folder / "weights.safetensors").write_bytes(b"torn")
    assert trained.registry.damage(1)
    assert trained.trainer.nothing_new(1) == ""
    assert trained.train().version == "v0002"
    assert trained.registry.current(1).version == trained.registry.version(1, "v0002").model.version


def test_a_damaged_model_that_is_not_in_use_is_no_reason_to_learn_nothing(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    lab.train()
    (version,) = lab.registry.versions(1)
    lab.registry.promote(1, "base")
    assert "and is not in use" in lab.trainer.nothing_new(1)
    assert version.model.folder is not None
    (version.model.folder / "weights.safetensors").write_bytes(b"torn")
    assert lab.trainer.nothing_new(1) == ""


def test_faults_called_normal_are_not_promoted(trained: Lab) -> None:
    for task in range(1, 6):
        trained.label(task, called=0)
    run = trained.train()
    assert run.version == "v0002"
    assert "5 repetitions that earlier labels call anomalous are called normal" in run.message
    assert "Made of these labels, it flags 0 of the 5 (before: 5)." in run.message
    assert trained.registry.current_name(1) == "v0001"


def test_a_model_of_the_same_labels_that_is_not_in_use_is_named_in_a_sentence(trained: Lab) -> None:
    for task in range(1, 6):
        trained.label(task, called=0)
    trained.train()
    since = "Nothing has changed since v0002: it was made of exactly these labels, with the same settings"
    assert trained.train().message == f"{since}, and is not in use."


def test_a_refusal_names_the_tasks_to_look_at_again(trained: Lab) -> None:
    for task in (1, 3, 4, 5):
        trained.label(task, called=0)
    run = trained.train()
    gate = trained.registry.version(1, run.version).gate
    assert set(gate["doubtful_tasks"]) >= {1, 3, 4, 5}
    assert f"in tasks {', '.join(map(str, gate['doubtful_tasks']))}." in run.message


def test_what_people_do_not_agree_on_is_said_with_its_tasks(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    lab.label(4, id=40, called=2, completed_by=8)
    lab.label(2, id=20, called=0, completed_by=8)
    run = lab.train()
    assert "2 repetitions were labelled otherwise by somebody else (tasks 2, 4)" in run.message


def test_of_many_contested_tasks_some_are_named_and_the_others_counted() -> None:
    videos = [LabelledVideo(task, task, 7, "a.mp4", str(task), (), contested=1) for task in range(1, 13)]
    said = _contested(videos, [{"task": one.task} for one in videos])
    assert said.startswith(
        "12 repetitions were labelled otherwise by somebody else (tasks 1, 2, 3, 4, 5, 6, 7, 8 and 4 more)"
    )


def test_confirmed_anomalies_that_are_no_longer_shown_are_part_of_the_verdict(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in range(1, 5):
        lab.label(task)
    found = Confirmed(anomalous=19, flagged=5, flagged_before=10)
    monkeypatch.setattr(on_labels, "confirmed", lambda *_: found)
    lab.train()
    (version,) = lab.registry.versions(1)
    assert "it flags only 5 of the 19 repetitions that people called anomalous (before: 10)." in version.gate["remark"]
    assert [_fewer(replace(found, flagged=flagged)) for flagged in (9, 10, 15)] == ["", "", ""]


def test_a_video_that_cannot_be_had_is_left_out(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    PoseCache(lab.folder / "poses").path("digest-3", PipelineConfig().pose).unlink()
    lab.train()
    (version,) = lab.registry.versions(1)
    assert version.run["labels"]["videos"] == 4
    assert "task 3" in version.run["labels"]["skipped"][0]


def test_one_video_is_too_few_to_judge_by(lab: Lab) -> None:
    lab.add_video(1)
    pose, reps = video(1, LEAST_NORMALS)
    PoseCache(lab.folder / "poses").put("digest-1", PipelineConfig().pose, pose)
    save_annotations(lab.store, AnnotationsSaved(((lab.annotation(1, reps, 0), lab.task(1)),), CONFIG))
    assert "Label a second one" in lab.train().message
    assert lab.registry.current_name(1) == "base"


def test_a_training_says_what_the_pages_of_its_model_say(lab: Lab) -> None:
    for task in range(1, 6):
        lab.label(task)
    run = lab.train()
    version = lab.registry.version(1, run.version)
    assert verdict_in(lab.registry, 1, version).words in run.message
