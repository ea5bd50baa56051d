"""A prediction that was found under other settings (POSE_ENGINE): what comes in its place, and when it stays."""

from __future__ import annotations

import pytest
from fakes import CONFIG, VERSION, FakeExecutor, analysis, until
from label_studio_api import FakeLabelStudio
from service_tasks import Maker, backdate, finish, task

from backend.labelstudio.records import Access
from backend.predictions.preannotator import Preannotator
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig


def held(label_studio: FakeLabelStudio, store: Store, number: int, config: str) -> int:
    """A task has a prediction that a job of that configuration found; returns its number."""
    prediction = label_studio.add_prediction(number, VERSION, [{"id": "rep1"}])
    job = store.job_for(task(number), "/data/upload/1/a.mp4", VERSION, config)
    store.finish_job(job.id, dump_analysis(analysis()))
    store.mark_pushed(job.id, prediction)
    backdate(store, 3600)
    return prediction


def test_what_is_found_under_other_settings_replaces_the_prediction(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    before = held(label_studio, store, number, "of another POSE_ENGINE")
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: before not in label_studio.predictions)
    until(lambda: all(job.prediction_id for job in store.jobs()))
    (there,) = label_studio.of_task(number)
    assert {job.config: job.prediction_id for job in store.jobs()} == {
        "of another POSE_ENGINE": before,
        PipelineConfig().digest(): there["id"],
    }


def test_who_goes_back_to_the_settings_of_before_gets_what_was_found_by_them(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    ours = held(label_studio, store, number, PipelineConfig().digest())
    del label_studio.predictions[ours]
    others = held(label_studio, store, number, "of another POSE_ENGINE")
    service.predict([task(number)], CONFIG)
    until(lambda: others not in label_studio.predictions)
    assert len(label_studio.of_task(number)) == 1
    assert executor.tasks() == []


def test_what_somebody_may_have_labelled_from_stays_under_other_settings(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    before = held(label_studio, store, number, "of another POSE_ENGINE")
    label_studio.tasks[number]["total_annotations"] = 1
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: all(job.prediction_id for job in store.jobs()))
    first, second = label_studio.of_task(number)
    assert (first["id"], second["model_version"]) == (before, VERSION)


def test_a_label_studio_that_was_set_up_anew_keeps_what_gets_a_number_of_other_settings(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    before = held(label_studio, store, number, "of another POSE_ENGINE")
    del label_studio.predictions[before]
    label_studio.next_number(before)
    finish(service, executor, store, number)
    until(lambda: all(job.prediction_id for job in store.jobs()))
    assert [one["id"] for one in label_studio.of_task(number)] == [before]


def test_a_prediction_of_somebody_else_that_has_the_number_of_ours_stays(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    number = label_studio.add_task()
    before = held(label_studio, store, number, "of another POSE_ENGINE")
    label_studio.predictions[before]["model_version"] = "another team's model"
    finish(service, executor, store, number)
    until(lambda: all(job.prediction_id for job in store.jobs()))
    assert [one["model_version"] for one in label_studio.of_task(number)] == ["another team's model", VERSION]


def test_who_removes_nothing_that_is_superseded_keeps_what_other_settings_found(
    make_service: Maker, access: Access, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store
) -> None:
    service = make_service(access, remove_superseded=False)
    service.connect(1, CONFIG)
    number = label_studio.add_task()
    before = held(label_studio, store, number, "of another POSE_ENGINE")
    service.predict([task(number)], CONFIG)
    executor.finish(number)
    until(lambda: all(job.prediction_id for job in store.jobs()))
    first, _ = label_studio.of_task(number)
    assert first["id"] == before


@pytest.mark.parametrize("config", [PipelineConfig().digest(), "of another POSE_ENGINE"])
def test_a_delivered_result_that_cannot_be_read_is_found_anew(
    service: Preannotator, executor: FakeExecutor, label_studio: FakeLabelStudio, store: Store, config: str
) -> None:
    number = label_studio.add_task()
    before = held(label_studio, store, number, config)
    store.finish_job(store.jobs()[0].id, "{}")
    service.resume()
    executor.finish(number)
    until(lambda: {job.state for job in store.jobs() if job.config == PipelineConfig().digest()} == {"done"})
    until(lambda: all(job.delivery == "pushed" for job in store.jobs() if job.config == PipelineConfig().digest()))
    (there,) = label_studio.of_task(number)
    assert (there["id"] == before) == (config == PipelineConfig().digest())
    service.resume()
    assert executor.tasks() == [number]
