"""A real Label Studio that browsers open under another name than the backend, also below a path behind a proxy.

HumanSignal/label-studio-ml-backend#904: its storages write LABEL_STUDIO_HOST into the addresses of tasks. Our server
asks for a user and password, which Label Studio has in the form of the connected model. For each arrangement one run is
made and what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from learning_project import REPS, Film, Project, drawn_film, until
from path_proxy import PathProxy
from pydantic import SecretStr
from real_label_studio import PASSWORD, USER, label_studio_script
from server_process import ServerProcess

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import default_config
from backend.labelstudio.records import WEBHOOK_HEADER, Access
from backend.local_labelstudio.demo import BACKEND_TITLE
from backend.local_labelstudio.server import LabelStudioServer
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep

pytestmark = pytest.mark.e2e

FILMS = 3
PREFIX = "/ls"
AUTH = ("coach", "correct horse")
ROUTES = ["GET /", "POST /setup", "GET /versions", "POST /predict", "POST /webhook", "GET /jobs", "DELETE /jobs/runs/1"]


@dataclass
class Observed:
    """What happened. addresses: of the tasks' videos. with_token: what the proxy was asked for with a token."""

    public: str = ""
    addresses: list[str] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    tasks_after_archive: int = 0
    new_address: str = ""
    said: dict[str, str] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    rows: list[ExportedRep] = field(default_factory=list)
    clips: int = 0
    with_token: list[str] = field(default_factory=list)
    page_finds: list[int] = field(default_factory=list)
    closed: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    headers: list[str] = field(default_factory=list)
    log: str = ""


@pytest.fixture(
    scope="module",
    params=[
        "another name",
        pytest.param("below a path", marks=pytest.mark.long),  # minutes for what the third one shows as well
        "below a path, reached through the proxy",
    ],
)
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("name")
    clips = folder / "root" / "clips"
    clips.mkdir(parents=True)
    films = [drawn_film(clips, number) for number in range(FILMS)]
    script = label_studio_script()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inside = f"http://127.0.0.1:{port}"
    with PathProxy(PREFIX) as proxy:
        proxy.target = inside
        is_below = request.param != "another name"
        seen = Observed(f"http://localhost:{proxy.port}{PREFIX}" if is_below else f"http://localhost:{port}")
        env = {
            "LABEL_STUDIO_HOST": seen.public,
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(folder / "root"),
        }
        url = f"http://127.0.0.1:{proxy.port}{PREFIX}" if "through" in request.param else inside
        with LabelStudioServer(
            script, folder / "label-studio", port, username=USER, password=PASSWORD, env=env
        ) as label_studio:
            token = label_studio.personal_token()
            server = ServerProcess(folder / "backend", url, token, AUTH)
            server.start(RETRAIN_AFTER="0", WORKERS="2")
            try:
                _live_through(server, LabelStudioClient(Access(url, SecretStr(token))), url, films, seen)
            finally:
                server.stop()
        seen.with_token = proxy.with_token if url == inside else []
    return seen


def _live_through(
    server: ServerProcess, client: LabelStudioClient, url: str, films: list[Film], seen: Observed
) -> None:
    config = default_config()
    number = client.create_project("Another name", config)
    try:
        client.connect_backend(number, server.url, BACKEND_TITLE, AUTH[0], "a wrong password")
    except LabelStudioError as error:
        seen.refused = str(error)
    client.connect_backend(number, server.url, BACKEND_TITLE, *AUTH)
    project = Project(number, url, client, server, config)
    clips = films[0].path.parent
    client.add_local_files(number, str(clips))
    (storage,) = project.api("GET", f"storages/localfiles?project={number}")
    project.api("POST", f"storages/localfiles/{storage['id']}/sync")
    client.upload(number, films[0].path, "an upload.mp4")
    until(lambda: len(project.versions()) == len(films) + 1 and all(project.versions().values()))
    tasks = {str(task.data["video"]): task.id for task, _, _ in client.tasks(number)}
    seen.addresses = list(tasks)
    seen.predicted = [len(project.flagged(task)) for task in tasks.values()]
    # From now on events carry the secret that our server made: before that they are refused, and labels are pulled.
    until(lambda: [hook for hook in project.api("GET", f"webhooks?project={number}") if hook["headers"]])
    seen.headers = [name for hook in project.api("GET", f"webhooks?project={number}") for name in hook["headers"]]
    for film in films:
        (task,) = (task for address, task in tasks.items() if address.endswith(film.path.name))
        project.label(task, film)
    until(lambda: len(project.known_labels()) == len(films))
    (backend,) = project.api("GET", f"ml?project={number}")
    train = f"{url}/api/ml/{backend['id']}/train"  # answered without a body
    httpx.post(train, headers=client.authorization(), timeout=60.0, trust_env=False).raise_for_status()
    seen.run, _ = project.follow_run()

    late = drawn_film(clips, FILMS)
    archive = ["prelabel", str(clips), "--project", str(number), "--local-files-root", str(clips.parent)]
    seen.said["prelabel"] = server.deadlift(*archive)
    after = {task.id: str(task.data["video"]) for task, _, _ in client.tasks(number)}
    seen.tasks_after_archive = len(after)
    (seen.new_address,) = (address for address in after.values() if late.path.name in address)
    out = server.folder / "out"
    seen.said["export"] = server.deadlift("export", "--project", str(number), "--out", str(out), "--clips")
    seen.rows = list(rows_of(out / "v0001"))
    seen.clips = len(list((out / "v0001" / "clips").glob("*.mp4")))
    seen.said["doctor"] = server.deadlift("doctor")
    for route in [*ROUTES, "GET /health"]:
        method, path = route.split()
        seen.closed[route] = httpx.request(method, server.url + path, json={}, trust_env=False).status_code
    seen.log = server.log()
    project.close()
    for (
        address
    ) in after.values():  # as a page at the public name loads it; the cookie of a person stands in for a token
        there = httpx.URL(f"{seen.public}/projects/").join(address)
        answer = httpx.get(there, headers=client.authorization(), timeout=60.0, trust_env=False)
        seen.page_finds.append(answer.status_code)


def test_a_wrong_password_connects_nothing(observed: Observed) -> None:
    assert observed.refused


def test_without_a_password_every_route_but_health_is_closed(observed: Observed) -> None:
    assert observed.closed == dict.fromkeys(ROUTES, 401) | {"GET /health": 200}


def test_events_carry_a_secret_of_the_backend(observed: Observed) -> None:
    assert observed.headers == [WEBHOOK_HEADER]


def test_no_password_is_in_the_log(observed: Observed) -> None:
    assert not [word for word in (*AUTH[1:], "a wrong password") if word in observed.log]


def test_storages_write_the_public_name(observed: Observed) -> None:
    of_storage = [address for address in observed.addresses if "local-files" in address]
    assert len(of_storage) == FILMS
    assert all(address.startswith(f"{observed.public}/data/local-files/") for address in of_storage)


def test_every_task_is_predicted(observed: Observed) -> None:
    assert observed.predicted == [REPS] * (FILMS + 1)


def test_a_model_is_trained(observed: Observed) -> None:
    assert observed.run["state"] == "done", observed.run


def test_an_archive_run_finds_the_tasks_of_its_files(observed: Observed) -> None:
    assert observed.tasks_after_archive == FILMS + 2  # one was new


def test_a_page_at_the_public_name_finds_every_video(observed: Observed) -> None:
    assert set(observed.page_finds) <= {200, 206}, (observed.new_address, observed.page_finds)


def test_all_that_was_labelled_is_exported_with_clips(observed: Observed) -> None:
    assert len(observed.rows) == observed.clips == FILMS * REPS


def test_doctor_fetches_a_video(observed: Observed) -> None:
    assert "can be fetched" in " ".join(observed.said["doctor"].split())


def test_the_token_stays_with_the_address_that_label_studio_is_reached_at(observed: Observed) -> None:
    pages = len(observed.page_finds)  # which the test itself asked for with it, at the end
    assert [path for path in observed.with_token[:-pages] if pages] == []
