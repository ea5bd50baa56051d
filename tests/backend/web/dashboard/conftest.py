"""A server with something on every page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_data import DRAWN, MARKED, MARKUP, add_model, fail_files, fill_videos, label
from fakes import FakeExecutor
from flask.testing import FlaskClient

from backend.context import context_of
from backend.labelstudio.records import Task
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.storage.setups import note_refused
from backend.web.app import create_app
from backend.web.services import services_of
from pipeline.learning.rates import UnseenAtRate


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A server with something on every page, for tests that only look."""
    folder = tmp_path_factory.mktemp("full")
    settings = Settings(data_dir=folder, label_studio_host="http://labels.example")
    store = Store(settings.database_url)
    service = Preannotator(context_of(settings, store), FakeExecutor(), 0.0)
    client = create_app(settings, service, store).test_client()
    reps = fill_videos(store, folder)
    registry = services_of(client.application).registry
    add_model(
        registry,
        1,
        10,
        2,
        rates=[UnseenAtRate(0.05, 0.03, None, 10, 3, 0), UnseenAtRate(0.1, 0.2, None, 10, 3, 0)],
        doubtful_tasks=[DRAWN],
    )
    earlier = {"earlier_normals": 20.0, "earlier_anomalies": 13.0}
    earlier |= {"earlier_candidate_misses": 1.0, "earlier_current_misses": 0.23}
    refused = "Not promoted: false alarms rise from 5% to 20%. " + MARKUP
    add_model(registry, 2, 200, 60, passed=False, reason=refused, **earlier)
    registry.promote(1, "v0001")
    regions = [(f"rep{n}", rep.start_s, rep.end_s, "normal") for n, rep in enumerate(reps, start=1)]
    label(store, 1, DRAWN, [*regions[:4], ("x", 0.0, 0.2, "anomalous")])
    faults = {"rep4": ["Rounded back", "Hitching"]}
    label(store, 2, DRAWN, [*regions[:3], (*regions[3][:3], "anomalous")], annotator=4, faults=faults)
    job = store.job_for(Task(MARKED, 1, {"video": MARKUP}), MARKUP, MARKUP, "c")
    store.fail_job(job.id, "NotAVideo", MARKUP)
    fail_files(store, [f"/archive/{MARKUP}.mp4"], f": not a readable media file {MARKUP}.")
    Runs(store).request(1, "Start Training")
    Runs(store).finish(Runs(store).request(2, MARKUP).id, "failed", MARKUP)
    note_refused(store.engine, 3, MARKUP)
    yield client
    service.close()
    store.close()
