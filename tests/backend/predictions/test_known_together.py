"""Videos whose landmarks are kept are judged many in one call, and delivered with few requests to Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from drawn_lifts import video as drawn_video
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio

from backend.errors import BackendError, SchedulerLost, WorkerLost
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.predictions.costs import Cost
from backend.predictions.preannotator import Preannotator
from backend.predictions.worker import Measured, judge_known
from backend.storage.jobs import Store
from pipeline.anomaly.detector import load_detector
from pipeline.config import PipelineConfig
from pipeline.pose.cache import PoseCache

TASKS = range(1, 13)


class Worker(FakeExecutor):
    """Answers at once. together: how many each call had; alone: the tasks that had a call of their own."""

    judge = staticmethod(judge_known)

    def __init__(self) -> None:
        super().__init__()
        self.together: list[int] = []
        self.alone: list[int] = []
        self.error: BackendError | None = None
        self.is_stuck = False

    def submit(self, function: Callable[..., Any], *args: Any, key: str, priority: int = 0) -> Future[Any]:
        future: Future[Any] = Future()
        if function is judge_known:
            self.together.append(len(args[0]))
            if self.is_stuck:
                return future
            if self.error is not None:
                future.set_exception(self.error)
            else:
                future.set_result(self.judge(*args))
        else:
            task, folder = args[0].task.id, args[0].model_dir
            self.alone.append(task)
            version = load_detector(folder).version if folder else VERSION
            future.set_result(Measured(analysis(version=version, media_digest=f"d{task}"), Cost()))
        return future


@pytest.fixture
def executor() -> Worker:
    return Worker()


@pytest.fixture
def promoted(
    service: Preannotator, executor: Worker, label_studio: FakeLabelStudio, store: Store, tmp_path: Path
) -> Callable[..., None]:
    """Has every task predicted; what is returned puts another model into use and waits for its predictions."""
    pose, _ = drawn_video(1, 3)
    for number in TASKS:
        label_studio.add_task(task_id=number)
        PoseCache(tmp_path / "poses").put(f"d{number}", PipelineConfig().pose, pose)
    service.predict([Task(number, 1, {"video": "/data/upload/1/a.mp4"}) for number in TASKS], CONFIG)
    until(lambda: [job.delivery for job in store.jobs(1)] == ["pushed"] * len(TASKS))
    executor.alone.clear()
    registry = Registry(tmp_path / "models", Model(VERSION, None))

    def promote(waited: Sequence[int] = TASKS) -> None:
        published = registry.publish(1, load_detector(), "", {"gate": {"passed": True}}, [])
        version = registry.promote(1, published.name).version
        label_studio.calls.clear()
        service.resume()
        until(lambda: all([p["model_version"] for p in label_studio.of_task(n)] == [version] for n in waited))

    return promote


def test_tasks_that_are_known_share_calls(
    promoted: Callable[..., None], executor: Worker, label_studio: FakeLabelStudio
) -> None:
    promoted()
    assert (executor.together, executor.alone) == ([10, 2], [])
    # One list to find them; two batches, each asked for before and after; one prediction more and one less per task.
    until(lambda: label_studio.project_version)
    assert label_studio.calls["GET /api/tasks/"] == 5
    assert label_studio.calls["POST /api/predictions/"] == label_studio.calls["DELETE /api/predictions/N/"] == 12


def test_what_a_stop_left_undone_shares_calls_as_well(
    promoted: Callable[..., None],
    make_service: Callable[..., Preannotator],
    access: Access,
    executor: Worker,
    label_studio: FakeLabelStudio,
) -> None:
    executor.is_stuck = True
    promoted(waited=())
    executor.is_stuck = False
    executor.together.clear()
    make_service(access).resume()
    until(lambda: all([p["model_version"] != VERSION for p in label_studio.of_task(n)] == [True] for n in TASKS))
    assert (executor.together, executor.alone) == ([10, 2], [])


def test_one_whose_landmarks_are_gone_is_analyzed_in_a_call_of_its_own(
    promoted: Callable[..., None], executor: Worker, tmp_path: Path
) -> None:
    PoseCache(tmp_path / "poses").path("d7", PipelineConfig().pose).unlink()
    promoted()
    assert (executor.together, executor.alone) == ([10, 2], [7])


def test_those_whose_call_fails_are_analyzed_one_by_one(promoted: Callable[..., None], executor: Worker) -> None:
    executor.error = WorkerLost("The worker process died.")
    promoted()
    assert (executor.together, sorted(executor.alone)) == ([10, 2], list(TASKS))


def test_predictions_that_cannot_be_stored_at_once_are_stored_without_judging_again(
    promoted: Callable[..., None], label_studio: FakeLabelStudio, executor: Worker
) -> None:
    label_studio.failures = [503]
    label_studio.failures_after_storing = [502]
    promoted()
    assert (executor.together, executor.alone) == ([10, 2], [])


def test_a_task_that_is_deleted_meanwhile_keeps_no_other_from_being_predicted(
    promoted: Callable[..., None], label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(jobs: list[Any]) -> Any:
        label_studio.tasks.pop(3, None)
        return judge_known(jobs)

    monkeypatch.setattr(Worker, "judge", staticmethod(judged))
    promoted([number for number in TASKS if number != 3])
    assert label_studio.of_task(3)[0]["model_version"] == VERSION


def test_a_scheduler_that_is_lost_fails_a_whole_call_until_it_is_tried_again(
    service: Preannotator, promoted: Callable[..., None], executor: Worker, store: Store
) -> None:
    executor.error = SchedulerLost("The Dask scheduler is gone.")
    promoted([])
    newest = [job for job in store.jobs(1) if job.model_version != VERSION]
    assert {(job.task, job.state, job.error_type) for job in newest} == {(n, "failed", "SchedulerLost") for n in TASKS}
    assert executor.alone == []
