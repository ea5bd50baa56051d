"""DeadliftModel under the runner of PyPI's label-studio-ml 1.0.9: captured requests in, predictions and labels out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import label_studio_ml_runner
import pytest
from label_studio_ml_runner import PATIENCE_S, NotInstallable, Runner
from places import PAYLOADS
from pydantic import SecretStr

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install
from backend.predictions.deliverer import GRACE_PERIOD
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from pipeline.synthetic import LiftPlan, RepPlan, reps_of
from pipeline.synthetic.drawing import render

PLAN = LiftPlan(reps=(RepPlan(), RepPlan()))


def payload(name: str) -> Any:
    (path,) = PAYLOADS.glob(f"{name}*.json")
    return json.loads(path.read_text())["body"]


def eventually(found: Callable[[], Any]) -> Any:
    """What `found` returns as soon as that is something; fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.3)
    raise AssertionError(f"Nothing came within {PATIENCE_S:.0f} s.")


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "two-reps.mp4"
    render(PLAN, path)
    return path


@pytest.fixture(scope="module")
def video_url(video: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(video.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{video.name}"
        server.shutdown()


@pytest.fixture(scope="module")
def binaries() -> Path:
    try:
        return label_studio_ml_runner.environment()
    except NotInstallable as error:
        pytest.skip(f"label-studio-ml cannot be installed here: {error}")


@pytest.fixture(scope="module")
def runner(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    variables = {"MEDIA_HOSTS": "127.0.0.1"}
    with label_studio_ml_runner.running(binaries, tmp_path_factory.mktemp("runner"), variables) as running:
        assert running.post("/setup", payload("02")).is_success  # the runner answers nothing before that
        yield running


@pytest.fixture(scope="module")
def answer(runner: Runner, video_url: str) -> list[Any]:
    """The results for a batch of two tasks, the second without a video, when the first is ready."""
    request = payload("03")
    request["tasks"][0]["data"] = {"video": video_url, "fps": 30}
    request["tasks"][1]["data"] = {"video": video_url + ".absent"}

    def results() -> Any:
        entries = runner.post("/predict", request).json()["results"]
        return entries if entries[0] else None

    found: list[Any] = eventually(results)
    return found


def test_health_is_answered(runner: Runner) -> None:
    assert httpx.get(runner.url + "/health").json()["status"] == "UP"


def test_setup_refuses_a_config_without_timeline_labels(runner: Runner) -> None:
    answered = runner.post("/setup", payload("02") | {"schema": '<View><Video name="video" value="$video"/></View>'})
    assert answered.status_code == 500
    assert "no TimelineLabels" in answered.json()["detail"]


def test_first_request_is_answered_without_waiting_for_the_video(runner: Runner, video_url: str) -> None:
    request = payload("03")
    request["tasks"] = [request["tasks"][0] | {"id": 77, "data": {"video": video_url + "?again"}}]
    assert runner.post("/predict", request).json()["results"] == [[]]


def test_prediction_has_the_repetitions_of_the_video(answer: list[Any]) -> None:
    regions = [result["value"]["ranges"][0] for result in answer[0]["result"] if result["type"] == "timelinelabels"]
    found = [(region["start"] / 30, region["end"] / 30) for region in regions]
    assert found == [pytest.approx((rep.start_s, rep.end_s), abs=0.3) for rep in reps_of(PLAN)]


def test_prediction_names_the_version_of_the_model(answer: list[Any]) -> None:
    assert answer[0]["model_version"].startswith("base-")


def test_task_without_its_video_gets_nothing(answer: list[Any]) -> None:
    assert answer[1] == []


def test_annotation_is_stored(runner: Runner) -> None:
    runner.post("/webhook", payload("20"))
    store = Store(f"sqlite:///{runner.data / 'backend.sqlite3'}")
    eventually(lambda: store.labels.annotations(task=5))
    assert [(region.label, region.origin) for region in store.labels.labelled_regions(6)] == [
        ("normal", "prediction"),
        ("anomalous", "prediction-changed"),
    ]


def test_deleted_annotation_is_marked(runner: Runner) -> None:
    event = payload("20")
    event["annotation"]["id"], event["annotation"]["task"], event["task"]["id"] = 60, 50, 50
    store = Store(f"sqlite:///{runner.data / 'backend.sqlite3'}")
    runner.post("/webhook", event)
    eventually(lambda: store.labels.annotations(task=50))
    runner.post("/webhook", payload("13") | {"annotations": [{"id": 60}]})
    assert eventually(lambda: [annotation.id for annotation in store.labels.annotations(task=50) if annotation.deleted])


def test_start_training_begins_a_run_in_the_server(runner: Runner) -> None:
    """It ends at once: the project has no labels. The event is handled by a process that does not train."""
    runner.post("/webhook", payload("10"))
    runs = Runs(Store(f"sqlite:///{runner.data / 'backend.sqlite3'}"))
    (run,) = eventually(lambda: [run for run in runs.runs() if run.state not in ("queued", "running")])
    assert (run.reason, run.state) == ("Start Training", "skipped")
    assert "Too few labels" in run.message


def test_nothing_of_an_event_stays_in_the_folder_of_the_runner(runner: Runner) -> None:
    event = payload("20")
    event["annotation"]["id"], event["annotation"]["task"], event["task"]["id"] = 70, 51, 51
    job = runner.project / runner.post("/webhook", event).json()["job_id"]
    store = Store(f"sqlite:///{runner.data / 'backend.sqlite3'}")
    eventually(lambda: store.labels.annotations(task=51))
    eventually(lambda: not (job / "event.json").exists())


@pytest.mark.e2e
def test_label_studio_stores_one_prediction_and_sends_the_labels(binaries: Path, video: Path, tmp_path: Path) -> None:
    """The version that the runner announces is wrong, so that Label Studio asks again: nothing may come twice."""
    with LabelStudioServer(
        install(), tmp_path / "label-studio", 0, username="runner@example.com", password="runner-of-label-studio-ml"
    ) as label_studio:
        token = label_studio.personal_token()
        client = LabelStudioClient(Access(label_studio.url, SecretStr(token)))
        variables = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": token}
        with label_studio_ml_runner.running(binaries, tmp_path, variables) as runner:
            label_config = (label_studio_ml_runner.ROOT / "labeling_config.xml").read_text()
            project = client.create_project("Under the runner", label_config)
            client.connect_backend(project, runner.url, "label-studio-ml")
            client.upload(project, video)
            (task, _, _), *_ = client.tasks(project)

            def ask() -> None:
                httpx.post(
                    f"{label_studio.url}/api/dm/actions?id=retrieve_tasks_predictions&project={project}",
                    json={
                        "selectedItems": {"all": True, "excluded": []},
                        "filters": {"conjunction": "or", "items": []},
                    },
                    headers=client.authorization(),
                    timeout=PATIENCE_S,
                ).raise_for_status()

            ask()
            (prediction,) = eventually(lambda: client.predictions(task.id))
            time.sleep(GRACE_PERIOD.total_seconds() + 2)  # before that the service is silent about what it delivered
            ask()
            assert len(client.predictions(task.id)) == 1
            httpx.post(
                f"{label_studio.url}/api/tasks/{task.id}/annotations",
                json={"result": prediction["result"]},
                headers=client.authorization(),
                timeout=PATIENCE_S,
            ).raise_for_status()
            store = Store(f"sqlite:///{runner.data / 'backend.sqlite3'}")
            (annotation,) = eventually(lambda: store.labels.annotations(task=task.id))
            assert len(store.labels.labelled_regions(annotation.id)) == len(PLAN.reps)
