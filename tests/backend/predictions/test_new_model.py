"""A model is promoted or rolled back while the server runs: tasks are predicted again, old predictions go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_lifts import video as drawn_video
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio
from video_files import write_video

from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.active import OPENED
from backend.predictions.costs import Cost
from backend.predictions.preannotator import Preannotator
from backend.predictions.worker import Measured, VideoJob, analyze_task
from backend.storage.jobs import Store
from pipeline.analyze import analyze_pose
from pipeline.anomaly.detector import load_detector
from pipeline.config import PipelineConfig
from pipeline.pose.cache import PoseCache


def task(number: int) -> Task:
    return Task(number, 1, {"video": "/data/upload/1/a.mp4"})


def delivered(store: Store, number: int = 1, version: str = VERSION) -> bool:
    jobs = [job for job in store.jobs() if job.task == number and job.model_version == version]
    return any(job.delivery == "pushed" for job in jobs)


def finish(service: Preannotator, executor: FakeExecutor, store: Store, number: int) -> None:
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: delivered(store, number))


def promote(tmp_path: Path, project: int = 1) -> str:
    """Another process puts a model into use; returns its version."""
    registry = Registry(tmp_path / "models", Model(VERSION, None))
    published = registry.publish(project, load_detector(), "", {"gate": {"passed": True}}, [])
    return registry.promote(project, published.name).version


def test_a_promoted_model_is_announced(service: Preannotator, tmp_path: Path) -> None:
    version = promote(tmp_path)
    assert service.connect(1, CONFIG) == version
    assert service.connect(2, CONFIG) == VERSION


def test_tasks_are_predicted_again_by_a_promoted_model(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    version = promote(tmp_path)
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [version])
    until(lambda: label_studio.project_version == version)


def test_what_is_known_of_a_video_goes_along_when_it_is_predicted_again(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    service.predict([task(1)], CONFIG)
    executor.finish(1, analysis(media_digest="d"))
    until(lambda: delivered(store))
    promote(tmp_path)
    service.resume()
    assert [work.known and work.known.media_digest for work in executor.works] == [None, "d"]


@pytest.mark.parametrize("is_named", [True, False])
def test_labelled_tasks_are_predicted_again_and_keep_all_predictions(
    service: Preannotator,
    executor: FakeExecutor,
    store: Store,
    label_studio: FakeLabelStudio,
    tmp_path: Path,
    is_named: bool,
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    (proposed,) = label_studio.of_task(1)
    # What was kept as a draft before it was submitted names none.
    annotation = {"id": 5, "parent_prediction": proposed["id"] if is_named else None}
    label_studio.tasks[1] |= {"total_annotations": 1, "annotations": [annotation]}
    versions = [promote(tmp_path)]
    service.resume()
    executor.finish(1, analysis(version=versions[0]))
    until(lambda: delivered(store, 1, versions[0]))
    versions.append(promote(tmp_path))
    service.resume()
    executor.finish(1, analysis(version=versions[1]))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [VERSION, *versions])


def test_labelled_tasks_that_were_never_predicted_are_left_alone(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio
) -> None:
    label_studio.add_task(task_id=1)
    label_studio.tasks[1] |= {"total_annotations": 1, "annotations": [{"id": 5, "parent_prediction": None}]}
    service.resume()
    assert executor.tasks() == []


def test_a_draft_keeps_all_predictions(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    label_studio.tasks[1]["draft_owners"] = ["somebody"]
    version = promote(tmp_path)
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [VERSION, version])


def test_predictions_of_others_are_kept(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    label_studio.add_prediction(1, "somebody-else", [])
    version = promote(tmp_path)
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: {p["model_version"] for p in label_studio.of_task(1)} == {"somebody-else", version})


def test_a_prediction_that_a_promotion_overtook_is_not_delivered(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    service.predict([task(1)], CONFIG)
    promote(tmp_path)
    executor.finish(1)
    until(lambda: store.jobs()[0].state == "done")
    service.close()
    assert label_studio.of_task(1) == []


def test_what_waits_for_a_worker_is_judged_once_by_the_promoted_model(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    service.predict([task(1)], CONFIG)
    version = promote(tmp_path)
    service.resume()
    first, second = executor.submitted
    assert first[1].cancelled()
    assert executor.priorities[1] == OPENED
    second[1].set_result(Measured(analysis(version=version), Cost()))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [version])
    assert [job.model_version for job in store.jobs()] == [version]


def test_what_a_worker_has_begun_is_not_interrupted_by_a_promotion(
    service: Preannotator, executor: FakeExecutor, store: Store, tmp_path: Path
) -> None:
    service.predict([task(1)], CONFIG)
    executor.begin(1)
    promote(tmp_path)
    service.resume()
    executor.finish(1)
    until(lambda: store.jobs()[-1].state == "done")
    assert executor.tasks() == [1]


def test_a_promotion_in_one_project_leaves_what_waits_in_others(
    service: Preannotator, executor: FakeExecutor, tmp_path: Path
) -> None:
    service.connect(2, CONFIG)
    service.predict([Task(2, 2, {"video": "/data/upload/2/a.mp4"})], CONFIG)
    promote(tmp_path)
    service.resume()
    assert executor.tasks() == [2]


def test_a_video_that_is_asked_for_after_a_promotion_is_not_judged_by_the_old_model_too(
    service: Preannotator, executor: FakeExecutor, store: Store, tmp_path: Path
) -> None:
    service.predict([task(1)], CONFIG)
    version = promote(tmp_path)
    service.predict([task(1)], CONFIG)
    service.resume()
    assert [future.cancelled() for _, future, _ in executor.submitted] == [True, False]
    assert {job.model_version: job.state for job in store.jobs()} == {VERSION: "failed", version: "running"}


def test_rolling_back_changes_nothing_of_labelled_tasks(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    label_studio.tasks[1] |= {"total_annotations": 1, "annotations": [{"id": 5, "parent_prediction": None}]}
    version = promote(tmp_path)
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: delivered(store, 1, version))
    assert label_studio.tasks[1]["data"]["deadlift_model"] == version
    Registry(tmp_path / "models", Model(VERSION, None)).rollback(1)
    service.resume()
    label_studio.add_task(task_id=2)  # once this one is delivered, the other would have been
    finish(service, executor, store, 2)
    assert [p["model_version"] for p in label_studio.of_task(1)] == [VERSION, version]
    assert label_studio.tasks[1]["data"]["deadlift_model"] == version


def test_rolling_back_brings_the_earlier_predictions_back(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    version = promote(tmp_path)
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [version])
    Registry(tmp_path / "models", Model(VERSION, None)).rollback(1)
    service.resume()
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [VERSION])
    assert executor.tasks() == [1, 1]


def test_a_video_whose_landmarks_are_kept_is_not_fetched_again(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/a.mp4"] = write_video(tmp_path / "room.mp4", count=6, fps=25).read_bytes()
    work = VideoJob(task(1), "/data/upload/1/a.mp4", parse_controls(CONFIG), access, None, tmp_path, PipelineConfig())
    first = analyze_task(work)
    label_studio.files.clear()
    again = VideoJob(
        task(1), "/data/upload/1/a.mp4", parse_controls(CONFIG), access, None, tmp_path, PipelineConfig(), first
    )
    assert analyze_task(again) == first


def test_a_video_whose_landmarks_are_gone_is_fetched_again(
    access: Access, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/a.mp4"] = write_video(tmp_path / "room.mp4", count=6, fps=25).read_bytes()
    known = analysis(media_digest="gone")
    work = VideoJob(
        task(1), "/data/upload/1/a.mp4", parse_controls(CONFIG), access, None, tmp_path, PipelineConfig(), known
    )
    assert analyze_task(work).media_digest != "gone"


def test_another_model_judges_the_same_repetitions(access: Access, tmp_path: Path) -> None:
    pose, _ = drawn_video(1, 6)
    PoseCache(tmp_path).put("d", PipelineConfig().pose, pose)
    first = analyze_pose(pose, analysis().video, load_detector(), PipelineConfig(), "d")
    published = Registry(tmp_path / "models", Model(VERSION, None)).publish(1, load_detector(), "", {}, [])
    work = VideoJob(
        task(1), "a.mp4", parse_controls(CONFIG), access, published.model.folder, tmp_path, PipelineConfig(), first
    )
    assert analyze_task(work) == replace(first, model_version=published.model.version)


def test_a_video_that_was_cut_with_other_settings_is_cut_again(access: Access, tmp_path: Path) -> None:
    pose, _ = drawn_video(1, 6)
    PoseCache(tmp_path).put("d", PipelineConfig().pose, pose)
    earlier = analysis(media_digest="d")
    work = VideoJob(task(1), "a.mp4", parse_controls(CONFIG), access, None, tmp_path, PipelineConfig(), earlier)
    assert len(analyze_task(work).reps) == 6


def test_tasks_are_predicted_again_once_at_another_rate_of_false_alarms(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.add_task(task_id=1)
    finish(service, executor, store, 1)
    version = Registry(tmp_path / "models", Model(VERSION, None)).choose_rate(1, 0.1).version
    assert version == service.connect(1, CONFIG) == f"{VERSION}-at-10%"
    service.resume()
    executor.finish(1, analysis(version=version))
    until(lambda: [p["model_version"] for p in label_studio.of_task(1)] == [version])
    until(lambda: label_studio.project_version == version)
    service.resume()
    assert [work.rate for work in executor.works] == [None, 0.1]


def test_another_rate_judges_the_same_repetitions(access: Access, tmp_path: Path) -> None:
    pose, _ = drawn_video(1, 6)
    PoseCache(tmp_path).put("d", PipelineConfig().pose, pose)
    first = analyze_pose(pose, analysis().video, load_detector(), PipelineConfig(), "d")
    work = VideoJob(task(1), "a.mp4", parse_controls(CONFIG), access, None, tmp_path, PipelineConfig(), first)
    again = analyze_task(replace(work, rate=0.2))
    assert (again.reps, again.model_version) == (first.reps, f"{first.model_version}-at-20%")
    assert sum(one.score for one in again.scores) > sum(one.score for one in first.scores)


class Switch:
    """A task that has a prediction of the first model, and a second one, whose prediction is about to be stored."""

    def __init__(
        self, service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, folder: Path
    ) -> None:
        self.service, self.executor, self.store, self.label_studio = service, executor, store, label_studio
        self.registry = Registry(folder / "models", Model(VERSION, None))
        label_studio.add_task(task_id=1)
        finish(service, executor, store, 1)
        self.second = promote(folder)
        service.resume()

    def store_second(self) -> None:
        """The second model's prediction is stored in Label Studio."""
        self.executor.finish(1, analysis(version=self.second))
        until(lambda: delivered(self.store, 1, self.second))

    def back(self) -> None:
        """The first model is in use again, and whoever looks which one it is has noticed."""
        self.registry.rollback(1)
        self.service.resume()

    def versions(self) -> list[str]:
        return [prediction["model_version"] for prediction in self.label_studio.of_task(1)]


@pytest.fixture
def switch(
    service: Preannotator, executor: FakeExecutor, store: Store, label_studio: FakeLabelStudio, tmp_path: Path
) -> Switch:
    return Switch(service, executor, store, label_studio, tmp_path)


def test_a_prediction_that_was_overtaken_while_it_was_stored_gives_way(switch: Switch) -> None:
    def overtaken() -> None:
        switch.label_studio.before_storing = lambda: None
        switch.back()  # finds the first model's prediction, which is still there

    switch.label_studio.before_storing = overtaken
    switch.store_second()
    until(lambda: switch.versions() == [VERSION])
    until(lambda: switch.label_studio.tasks[1]["data"]["deadlift_model"] == VERSION)


def test_a_prediction_that_was_removed_before_it_was_wanted_again_comes_back(switch: Switch) -> None:
    """The model of the second prediction is in use until all of the first one is gone."""

    class Predictions(dict[int, Any]):
        def pop(self, number: int, *default: Any) -> Any:
            if self[number]["model_version"] == VERSION:
                switch.registry.rollback(1)
            return super().pop(number, *default)

    switch.label_studio.predictions = Predictions(switch.label_studio.predictions)
    switch.store_second()
    until(lambda: switch.versions() == [VERSION])


def test_a_model_that_was_in_use_between_two_looks_leaves_no_prediction(switch: Switch) -> None:
    switch.executor.begin(1)
    switch.back()
    switch.registry.promote(1, "v0001")
    switch.store_second()
    until(lambda: switch.versions() == [switch.second])
    switch.back()  # looks for the first time since
    until(lambda: switch.versions() == [VERSION])


def test_a_roll_back_delivers_again_what_there_is_no_room_for_at_once(
    switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.store_second()
    until(lambda: switch.versions() == [switch.second])
    with monkeypatch.context() as patched:
        patched.setattr("backend.predictions.active.MOST_ACTIVE", 0)
        switch.back()
    assert switch.versions() == [switch.second]
    switch.service.resume()
    until(lambda: switch.versions() == [VERSION])
