"""Exports from a project's labels: what is chosen and said of it, and that versions are whole."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import CONFIG, WITH_THIRD_LABEL
from labelled_project import VERSION, LabelledProject, rows

from backend.datasets import export as export_module
from backend.datasets.export import unused_lines
from backend.datasets.rows import choose, controls_of, labelled_tasks
from backend.errors import BackendError, LabelConfigError, NothingToExport
from backend.labels.labelled import labelled_videos
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from backend.training.training_run import label_digest
from pipeline.datasets.filters import Filters
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.reader import training_set
from pipeline.datasets.verify import problems_of
from pipeline.datasets.versions import new_version
from pipeline.errors import DatasetError, VideoDamaged

pytestmark = pytest.mark.usefixtures("no_plots")


# What is chosen


def test_ground_truth_counts_before_newer_annotations(project: LabelledProject) -> None:
    project.label(1, number=20, ground_truth=True, updated_at="2025-01-01T00:00:00Z")
    assert {row.annotation for row in rows(project)} == {20, 2}


def test_of_one_video_in_two_tasks_the_newer_labels_count(project: LabelledProject) -> None:
    project.add_video(3)
    job = project.store.job_for(project.task(3), project.media(3), VERSION, "c")
    project.store.finish_job(job.id, project.store.latest_result(1, project.media(1)))
    project.label(3)
    done = project.export()
    assert {row.task for row in rows_of(done.stored.folder)} == {2, 3}
    assert done.repeated == 1


def test_of_one_video_in_two_tasks_ground_truth_counts_before_newer_labels(project: LabelledProject) -> None:
    project.label(1, number=1, ground_truth=True)
    project.add_video(3)
    job = project.store.job_for(project.task(3), project.media(3), VERSION, "c")
    project.store.finish_job(job.id, project.store.latest_result(1, project.media(1)))
    project.label(3)
    assert {row.task for row in rows(project)} == {1, 2}
    assert [one.task for one in labelled_videos(project.store, 1)] == [1, 3, 2]


def test_videos_of_one_name_are_told_apart(project: LabelledProject) -> None:
    media = "/data/upload/2/9876abcd-squad 1.mp4"
    project.add_video(3, is_predicted=False)
    project.label(3, number=3, data={"video": media})
    names = {row.name for row in rows(project)}
    assert len(names) == 3
    assert all(name.startswith("squad-") for name in names)


def test_skipped_annotations_are_not_exported(project: LabelledProject) -> None:
    project.label(1, number=1, was_cancelled=True, updated_at="2026-02-01T00:00:00Z")
    assert {row.task for row in rows(project)} == {2}


def test_labels_that_were_deleted_meanwhile_are_left_out(project: LabelledProject) -> None:
    project.label(1, number=9, completed_by=8, updated_at="2025-01-01T00:00:00Z")
    choice = choose(project.store, 1)
    project.store.labels.delete_annotations([1])
    found = labelled_tasks(project.store, 1, choice, controls_of(project.store, 1), "lifter")
    assert [task.task for task in found] == [2]


@pytest.mark.parametrize("filters", [Filters(annotators=(7,)), Filters(until="2026-01-31")])
def test_what_a_filter_wants_counts_though_somebody_labelled_later(project: LabelledProject, filters: Filters) -> None:
    project.label(1, number=9, completed_by=8, updated_at="2026-02-01T00:00:00Z")
    assert {row.annotation for row in rows(project)} == {9, 2}
    assert {row.annotation for row in rows(project, filters)} == {1, 2}


def test_what_a_filter_wants_counts_though_another_task_of_the_video_was_labelled_later(
    project: LabelledProject,
) -> None:
    same = replace(project.analyses[2], media_digest=project.analyses[1].media_digest)
    job = next(job for job in project.store.jobs() if job.task == 2)
    project.store.finish_job(job.id, dump_analysis(same))
    project.label(2, number=9, completed_by=8, updated_at="2026-02-01T00:00:00Z")
    project.store.labels.delete_annotations([2])
    assert {row.annotation for row in rows(project)} == {9}
    assert {row.annotation for row in rows(project, Filters(annotators=(7,)))} == {1}


def test_a_filter_changes_no_names(project: LabelledProject) -> None:
    kept = rows(project, Filters(min_confidence=0.75))
    assert [row.rep for row in kept] == [f"squad-{task}_rep_{n}" for task in (1, 2) for n in (2, 3)]


def test_labels_are_those_that_training_would_learn_from(project: LabelledProject) -> None:
    learnt = [
        {"media_digest": one.media_digest, "start_s": rep.start_s, "end_s": rep.end_s, "label": rep.label}
        for one in labelled_videos(project.store, 1)
        for rep in one.reps
    ]
    assert project.export().digest == label_digest(learnt)


# What cannot be


def test_a_project_that_is_not_known_is_named(project: LabelledProject) -> None:
    with pytest.raises(LabelConfigError, match=r"Project 9 is not known here \(known: 1\)"):
        project.export(project=9)


def test_a_project_without_labels_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NothingToExport, match="Project 1 has no labels"):
        LabelledProject(store, tmp_path).export()


def test_filters_that_leave_nothing_are_named_with_their_counts(project: LabelledProject) -> None:
    with pytest.raises(NothingToExport, match="--label anomalous removed 6 of 6"):
        project.export(Filters(labels=("anomalous",)))


def test_an_export_that_fails_leaves_nothing(project: LabelledProject) -> None:
    with pytest.raises(NothingToExport):
        project.export(Filters(labels=("anomalous",)))
    assert [path.name for path in project.out.iterdir()] == [".lock"]


def test_a_disk_that_takes_no_more_is_an_error_of_ours(
    project: LabelledProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export_module, "to_json", full)
    with pytest.raises(BackendError, match=r"out: cannot be written \(No space left on device\)"):
        project.export()


def test_two_exports_to_one_folder_are_refused(project: LabelledProject) -> None:
    with new_version(project.out), pytest.raises(DatasetError, match="another export is writing"):
        project.export()


def test_a_video_without_landmarks_is_listed(project: LabelledProject) -> None:
    project.add_video(3, has_poses=False)
    project.label(3)
    done = project.export()
    assert done.missing_count == 1
    assert done.missing[0][0] == f"task 3 ({project.media(3)})"
    assert "task 3" in (done.stored.folder / "missing.csv").read_text()
    assert [row.files for row in rows_of(done.stored.folder) if row.task == 3] == [{}] * 3


def test_a_video_that_was_never_looked_at_is_listed(project: LabelledProject) -> None:
    project.add_video(3, is_predicted=False)
    project.label(3)
    assert "was not looked at" in project.export().missing[0][1]


def test_a_repetition_without_a_body_is_listed(project: LabelledProject) -> None:
    far = replace(project.analyses[1].reps[0], start_s=900.0, top_s=901.0, end_s=902.0)
    project.label(1, project.region(far, "mine", origin="manual"), number=9)
    done = project.export()
    assert done.missing[0][0] == "squad-1_rep_1"
    assert list(problems_of(done.stored.folder)) == []


# The folder


def test_versions_are_numbered(project: LabelledProject) -> None:
    first = project.export().stored
    project.label(1, project.region(project.analyses[1].reps[0], "rep0", later=3), number=9)
    second = project.export().stored
    assert [(one.folder.name, one.is_new) for one in (first, second)] == [("v0001", True), ("v0002", True)]


def test_equal_content_is_no_new_version(project: LabelledProject) -> None:
    first, second = project.export().stored, project.export().stored
    assert (second.folder, second.is_new) == (first.folder, False)


def test_content_of_an_earlier_version_is_found_again(project: LabelledProject) -> None:
    first = project.export().stored
    project.export(Filters(min_confidence=0.75))
    assert project.export().stored == replace(first, is_new=False)


def test_a_version_can_not_be_written_to(project: LabelledProject) -> None:
    folder = project.export().stored.folder
    assert {
        path.stat().st_mode & 0o222 for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS"
    } == {0}


def test_every_file_of_a_row_is_there(project: LabelledProject) -> None:
    done = project.export()
    for row in rows_of(done.stored.folder):
        assert row.files.keys() == {"landmarks", "skeleton", "skelemotion", "picture", "movement"}
        assert all((done.stored.folder / name).is_file() for name in row.files.values())


def test_pictures_are_where_the_published_detector_looks(project: LabelledProject) -> None:
    project.label(1, project.region(project.analyses[1].reps[0], "rep0", "Anomalous rep"), number=9)
    folder = project.export().stored.folder / "skelemotion"
    assert [p.name for p in (folder / "anomaly").iterdir()] == ["squad-1_rep_1_1_CaetanoOrientation.png"]
    assert len(list((folder / "normal").iterdir())) == 3


def test_labels_alone_need_no_landmarks(project: LabelledProject) -> None:
    folder = project.export(labels_only=True).stored.folder
    assert not (folder / "landmarks").exists()
    assert not list(problems_of(folder))


def test_a_fresh_dataset_is_whole(project: LabelledProject) -> None:
    assert list(problems_of(project.export().stored.folder)) == []


def test_the_datasheet_counts(project: LabelledProject) -> None:
    text = (project.export(Filters(min_confidence=0.75)).stored.folder / "DATASHEET.md").read_text()
    assert "4 deadlift repetitions (4 normal, 0 anomalous" in text
    assert "--min-confidence 0.75 removed 2 of 6" in text
    assert "Annotators have their numbers in Label Studio alone" in text


def test_training_gets_every_repetition_with_its_landmarks(project: LabelledProject) -> None:
    done = project.export()
    found = training_set(done.stored.folder)
    assert (len(found.samples), found.left_out, found.digest) == (6, 0, done.digest)
    assert {sample.group for sample in found.samples} == {f"{task:064x}" for task in (1, 2)}


def test_training_takes_one_split_alone(project: LabelledProject) -> None:
    folder = project.export().stored.folder
    counts = [len(training_set(folder, split).samples) for split in ("train", "val", "test")]
    assert sum(counts) == 6
    assert 6 in counts or sorted(counts) == [0, 3, 3]


# Clips


def test_clips_are_cut_of_fetched_videos(project: LabelledProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: object, media: str, task: int, folder: Path) -> Path:
        return folder / "video.mp4"

    def cut(source: Path, target: Path, start_s: float, end_s: float) -> str:
        target.write_bytes(b"a clip")
        return "copied" if start_s < 3 else "encoded"

    monkeypatch.setattr(export_module.MediaFetcher, "fetch", fetch)
    monkeypatch.setattr(export_module, "cut", cut)
    done = project.export(clips=True)
    assert done.clips == 6
    assert next(row.files["clip"] for row in rows_of(done.stored.folder)) == "clips/squad-1_rep_1.mp4"


def test_a_video_that_cannot_be_cut_is_listed(project: LabelledProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(source: Path, target: Path, start_s: float, end_s: float) -> str:
        raise VideoDamaged("it is damaged")

    monkeypatch.setattr(export_module.MediaFetcher, "fetch", lambda *_: Path("video.mp4"))
    monkeypatch.setattr(export_module, "cut", cut)
    assert project.export(clips=True).missing[0][1] == "no clips: it is damaged"


def test_the_labeling_config_goes_with_it(project: LabelledProject) -> None:
    assert (project.export().stored.folder / "labeling_config.xml").read_text() == CONFIG


def test_arrays_are_those_the_detector_sees(project: LabelledProject) -> None:
    folder = project.export().stored.folder
    assert np.load(folder / rows(project)[0].files["skelemotion"]).shape == (12, 45, 48)


def test_regions_with_labels_that_are_not_used_are_counted(project: LabelledProject) -> None:
    reps = project.analyses[1].reps
    drawn = [project.region(rep, f"rep{n}", "Unsure" if n else "Normal rep") for n, rep in enumerate(reps)]
    project.store.remember_project(1, WITH_THIRD_LABEL)
    project.label(1, *drawn, updated_at="2026-02-01T00:00:00Z")
    done = project.export()
    assert done.unused == {"Unsure": 2}
    assert unused_lines(done.unused)[0].startswith("2 regions labelled Unsure are not used")
    assert "2 regions labelled Unsure are not used" in (done.stored.folder / "DATASHEET.md").read_text()
