"""What a bulk run brings into a project: once each, whatever fails on the way, and whichever model is used by then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archive_runs import Run, predictions
from fakes import VERSION, analysis
from label_studio_api import FakeLabelStudio

from backend.context import Context
from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.models.registry import Model, Registry
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.failed_files import failed_files
from backend.storage.jobs import Store


def test_label_studio_being_away_for_a_moment_costs_nothing(into_project: Run, label_studio: FakeLabelStudio) -> None:
    label_studio.failures = [503, 503]
    assert sum(into_project().values()) == 4
    assert predictions(label_studio) == [1, 1, 1, 1]


def test_a_delivery_that_failed_is_tried_again_without_another_analysis(
    into_project: Run, label_studio: FakeLabelStudio
) -> None:
    label_studio.failures = [503] * 12
    into_project(attempts=1)
    label_studio.failures = []
    into_project(attempts=2)
    assert predictions(label_studio) == [1, 1, 1, 1]
    assert set(into_project.executor.calls.values()) == {1}


def test_a_delivery_that_failed_is_told_among_the_files_that_failed(
    into_project: Run, label_studio: FakeLabelStudio, store: Store
) -> None:
    """No job waits for a server that would analyze the video again."""
    label_studio.failures = [502] * 12
    into_project(attempts=1)
    assert list(store.jobs(1)) == []
    count, failed = failed_files(store.engine)
    assert count == 4
    assert {"502" in one.error_message for one in failed} == {True}


def test_an_upload_that_is_refused_is_sent_once_in_each_attempt(
    into_project: Run, label_studio: FakeLabelStudio
) -> None:
    label_studio.refuses_uploads = True
    assert into_project() == {f"!{name}.mp4": 2 for name in "abcd"}
    assert label_studio.calls["POST /api/projects/N/import"] == 8
    assert label_studio.calls["GET /api/tasks/"] == 1


def test_a_server_finds_what_was_delivered_among_its_jobs(into_project: Run, store: Store) -> None:
    into_project()
    assert [(job.state, job.delivery) for job in store.jobs(1)] == [("done", "pushed")] * 4
    assert load_analysis(store.jobs(1)[0].result) == analysis()


def test_what_another_model_overtook_while_it_was_stored_is_given_to_that_model(
    into_project: Run, label_studio: FakeLabelStudio, context: Context, store: Store
) -> None:
    def overtaken() -> None:
        label_studio.before_storing = lambda: None
        context.registry.choose_rate(1, 0.1)

    label_studio.before_storing = overtaken
    into_project()
    in_use = context.registry.current(1).version
    assert in_use in [job.model_version for job in store.unfinished_jobs([1])]


def test_a_prediction_that_a_broken_delivery_removed_is_delivered_again(
    context: Context, archive: Path, access: Access, store: Store, label_studio: FakeLabelStudio
) -> None:
    config = context.config.digest()
    context.registry.choose_rate(1, 0.1)
    other = context.registry.current(1).version
    context.registry.choose_rate(1, None)
    store.job_for(Task(99, 1, {}), "b.mp4", other, config)  # the project knows it

    def overtaken() -> None:
        """A server puts the other model in use, stores its prediction, and notes that."""
        label_studio.before_storing = lambda: None
        context.registry.choose_rate(1, 0.1)
        (number,) = label_studio.tasks
        prediction = label_studio.add_prediction(number, other, [])
        task = Task(number, 1, label_studio.tasks[number]["data"])
        job = store.job_for(task, task.data["video"], other, config)
        store.finish_job(job.id, dump_analysis(analysis(version=other)))
        store.mark_pushed(job.id, prediction)

    class BrokenOff(LabelStudioClient):
        """Goes away after predictions were removed."""

        def delete_prediction(self, prediction_id: int) -> None:
            super().delete_prediction(prediction_id)
            raise LabelStudioError("Label Studio cannot be reached.")

    for path in list(archive.iterdir())[1:]:
        path.unlink()
    label_studio.before_storing = overtaken
    Run(replace(context, client=BrokenOff(access)), True, archive)()
    left = [(job.model_version, job.delivery) for job in store.jobs(1) if job.state == "done"]
    assert sorted(left) == sorted([(VERSION, "pushed"), (other, "")])


def test_no_model_is_given_way_to_on_a_task_that_is_gone(
    into_project: Run, label_studio: FakeLabelStudio, context: Context, store: Store
) -> None:
    label_studio.before_storing = lambda: context.registry.choose_rate(1, 0.1)
    label_studio.failures = [404] * 4
    into_project(attempts=1)
    failed = into_project.ledger.of_run(into_project.number, "failed")
    assert [one.error_type for one in failed] == ["NotInLabelStudio"] * 4
    assert list(store.jobs(1)) == []


def test_what_a_delivery_failed_with_is_not_hidden_by_what_fails_after_it(
    context: Context, archive: Path, label_studio: FakeLabelStudio
) -> None:
    class Unreadable(Registry):
        faults: list[OSError] = []  # noqa: RUF012

        def current(self, project: int | None = None) -> Model:
            if self.faults:
                raise self.faults.pop()
            return super().current(project)

    for path in list(archive.iterdir())[1:]:
        path.unlink()
    models = Unreadable(context.registry.root, context.registry.fallback)
    label_studio.before_storing = lambda: models.faults.append(OSError("the disk is away"))
    label_studio.failures = [502] * 3
    run = Run(replace(context, registry=models), True, archive)
    run(attempts=1)
    (failed,) = run.ledger.of_run(run.number, "failed")
    assert "502" in failed.error_message


def test_the_project_shows_the_scores_of_the_new_version(into_project: Run, label_studio: FakeLabelStudio) -> None:
    into_project()
    assert label_studio.project_version == VERSION


def test_a_task_that_was_deleted_meanwhile_is_made_again(into_project: Run, label_studio: FakeLabelStudio) -> None:
    label_studio.failures = [503] * 12
    into_project(attempts=1)
    label_studio.failures = []
    label_studio.tasks.clear()
    into_project(attempts=3)
    assert predictions(label_studio) == [1, 1, 1, 1]
