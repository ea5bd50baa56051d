"""A small Label Studio for tests: the API calls, media and predicting habits that the backend meets, over real HTTP.

It behaves as 1.23 was observed to: pages end with 404, opening a task without predictions asks the ML backend, equal
predictions are stored twice, drafts are shown to their owner alone, s3:// addresses are rewritten unless told not to.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
from flask import Flask, Response, jsonify, redirect, request
from places import PAYLOADS
from werkzeug.serving import make_server

Json = dict[str, Any]
SECRET = "the-signing-secret-of-the-fake-label-studio"
# As GET /api/projects/N/ answers; events lack some of its fields.
PROJECT: Json = json.loads((PAYLOADS / "10_webhook_START_TRAINING.json").read_text())["body"]["project"] | {
    "created_by": {"id": 1, "first_name": "", "last_name": "", "email": "me@example.com", "avatar": None},
    "queue_done": 0,
    "queue_total": 0,
    "start_training_on_annotation_update": False,
    "config_has_control_tags": True,
    "config_suitable_for_bulk_annotation": False,
    "description": "",
}
CREATED = "2026-01-01T00:00:00.000000Z"


def token(kind: str, seconds: float = 300.0) -> str:
    return jwt.encode({"token_type": kind, "exp": time.time() + seconds}, SECRET, algorithm="HS256")


class FakeLabelStudio:
    """State, and a server in a thread. `calls` counts requests by "METHOD /path" with numbers as N."""

    def __init__(self) -> None:
        self.refresh_token = token("refresh", 1e6)
        self.tasks: dict[int, Json] = {}
        self.predictions: dict[int, Json] = {}
        self.projects = {1, 2, 3}
        self.project_version = ""
        self.users: list[dict[str, Any]] = []
        self.label_config: str = PROJECT["label_config"]
        self.sampling = "Sequential sampling"
        self.backend_version = ""
        self.webhooks: dict[int, Json] = {}
        self.local_folders: list[str] = []
        self.views: dict[int, list[int]] = {}  # view -> the tasks that it shows
        self.storage: dict[str, str] = {}  # s3 address -> where it redirects to
        self.files: dict[str, bytes] = {}
        self.uploads: dict[int, str] = {}
        self.tabs: list[Json] = []
        self.calls: Counter[str] = Counter()
        self.seen_authorization: list[tuple[str, str]] = []
        self.failures: list[int] = []  # statuses that the next stores of a prediction answer with, without storing
        self.failures_after_storing: list[int] = []
        self.before_storing: Callable[[], None] = lambda: None
        self.moved: dict[str, str] = {}  # path -> where it redirects to, once
        self.rejects_token = False
        self.refuses_uploads = False
        self.backend_url = "http://127.0.0.1:9090"  # the ML backend that its projects list
        self.finds_backend = True  # where somebody connects one
        self.connections: list[Json] = []  # what was sent to connect ML backends
        self.connected = {1}  # the projects that list one
        self.ml_backend = ""  # address that is asked for predictions
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # What people do

    def add_task(self, video: str = "/data/upload/1/a.mp4", task_id: int | None = None, **data: Any) -> int:
        number = next(self._numbers) if task_id is None else task_id
        self.tasks[number] = {
            "id": number,
            "project": 1,
            "data": {"video": video, **data},
            "total_annotations": 0,
            "draft_owners": [],
        }
        return number

    def next_number(self, number: int) -> None:
        """Count from there, as one does that was set up anew."""
        self._numbers = itertools.count(number)

    def add_prediction(self, task: int, model_version: str, result: list[Json]) -> int:
        number = next(self._numbers)
        self.predictions[number] = {
            "id": number, "task": task, "model_version": model_version, "result": result, "score": 0.5,
            "created_at": CREATED, "updated_at": CREATED,
        }  # fmt: skip
        return number

    def of_task(self, task: int) -> list[Json]:
        return [p for p in list(self.predictions.values()) if p["task"] == task]

    def request_body(self, *tasks: int, label_config: str) -> Json:
        """What Label Studio sends to /predict."""
        return {
            "tasks": [self._simple(self.tasks[task]) for task in tasks],
            "project": "1.1795325641",
            "label_config": label_config,
            "params": {"login": None, "password": None, "context": None},
        }

    def retrieve_predictions(self, ask: Callable[[Json], Json], label_config: str, version: str) -> None:
        """The Data Manager's action: picks the tasks that lack a prediction, asks, stores what it is answered."""
        lacking = [t for t in self.tasks if not any(p["model_version"] == version for p in self.of_task(t))]
        if not lacking:
            return
        results = ask(self.request_body(*lacking, label_config=label_config))["results"]
        for task, result in zip(lacking, results, strict=True):
            for prediction in result if isinstance(result, list) else [result]:
                self.add_prediction(task, prediction["model_version"], prediction["result"])

    # What it answers

    def _simple(self, task: Json) -> Json:
        return {key: task[key] for key in ("id", "data", "project", "total_annotations")} | {
            "predictions": [], "annotations": [], "total_predictions": len(self.of_task(task["id"])),
        }  # fmt: skip

    def _full(self, task: Json, resolve: bool) -> Json:
        data = dict(task["data"])
        if resolve and str(data["video"]).startswith("s3://"):
            data["video"] = f"/tasks/{task['id']}/resolve/?fileuri=xyz"
        return {
            "id": task["id"], "project": task["project"], "data": data, "annotations": task.get("annotations", []),
            "total_annotations": task["total_annotations"], "cancelled_annotations": 0,
            "predictions": self.of_task(task["id"]),
            "drafts": [{"id": 1}] if "me" in task["draft_owners"] else [], "draft_exists": bool(task["draft_owners"]),
            "created_at": CREATED, "updated_at": CREATED, "updated_by": [],
        }  # fmt: skip

    def _app(self) -> Flask:
        app = Flask("fake-label-studio")

        @app.before_request
        def count() -> tuple[Response, int] | None:
            path = "/".join("N" if part.isdigit() else part for part in request.path.split("/"))
            authorization = request.headers.get("Authorization", "")
            with self._lock:
                self.calls[f"{request.method} {path}"] += 1
                self.seen_authorization.append((path, authorization))
            if request.path in self.moved:
                return redirect(self.moved.pop(request.path), 307)  # type: ignore[return-value]
            if path.startswith("/api/token/") or path == "/api/version":
                return None
            try:
                if self.rejects_token:
                    raise jwt.InvalidTokenError
                claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
                if claims["token_type"] != "access":
                    raise jwt.InvalidTokenError
            except jwt.InvalidTokenError:
                return jsonify(detail="Authentication credentials were not provided."), 401
            return None

        @app.post("/api/token/refresh/")
        def refresh() -> Any:
            if request.json["refresh"] != self.refresh_token:
                return jsonify(detail="Token is invalid"), 401
            return jsonify(access=token("access"))

        @app.get("/api/version")
        def version() -> Any:
            return jsonify(release="1.23.2")

        @app.get("/api/current-user/whoami")
        def whoami() -> Any:
            return jsonify(id=1, email="coach@example.com")

        @app.get("/api/users/")
        def users() -> Any:
            return jsonify(self.users)

        @app.get("/api/tasks/")
        def tasks() -> Any:
            if request.args["project"] != "1":
                return jsonify(detail="Not found."), 404
            found = list(self.tasks.values())
            if "query" in request.args:
                included = json.loads(request.args["query"])["selectedItems"]["included"]
                found = [task for task in found if task["id"] in included]
            if "view" in request.args:
                found = [task for task in found if task["id"] in self.views[int(request.args["view"])]]
            size, page = int(request.args.get("page_size", 100)), int(request.args.get("page", 1))
            part = found[(page - 1) * size : page * size]
            if page > 1 and not part:
                return jsonify(detail="Invalid page."), 404
            resolve = request.args.get("resolve_uri", "true").lower() != "false"
            shown = [self._full(task, resolve) for task in part]
            return jsonify(tasks=shown, total=len(found), total_annotations=0, total_predictions=0)

        @app.get("/api/tasks/<int:number>/")
        def task(number: int) -> Any:
            if self.ml_backend and not self.of_task(number):
                httpx.post(f"{self.ml_backend}/predict", json=self.request_body(number, label_config=""), timeout=100)
            return jsonify(self._full(self.tasks[number], True))

        @app.patch("/api/tasks/<int:number>/")
        def patch_task(number: int) -> Any:
            self.tasks[number] |= request.json
            return jsonify(self._full(self.tasks[number], True))

        @app.post("/api/tasks/")
        def create_task() -> Any:
            number = self.add_task(**request.json["data"])
            return jsonify(self._full(self.tasks[number], False)), 201

        @app.post("/api/projects/<int:number>/import")
        def import_file(number: int) -> Any:
            file = request.files["file"]
            if self.refuses_uploads:
                return jsonify(detail="File size exceeds"), 400
            suffix = Path(file.filename or "").suffix
            if suffix not in (".mp4", ".webm"):  # as Label Studio 1.23.2 says it
                errors = {"non_field_errors": [f"{suffix} extension is not supported"]}
                return jsonify(status_code=400, detail="Validation error", validation_errors=errors), 400
            with self._lock:
                upload = next(self._numbers)
                name = f"{upload:08x}-{file.filename}"
                self.files[f"{number}/{name}"] = file.read()
                if request.args.get("commit_to_project") == "false":
                    self.uploads[upload] = f"upload/{number}/{quote(name)}"
                    return jsonify(task_count=0, file_upload_ids=[upload]), 201
                task = self.add_task(f"/data/upload/{number}/{quote(name)}")
            return jsonify(task_count=1, task_ids=[task]), 201

        @app.get("/api/import/file-upload/<int:number>")
        def uploaded(number: int) -> Any:
            return jsonify(id=number, file=self.uploads[number], size=1)

        @app.get("/api/storages/localfiles/")
        def storages() -> Any:
            return jsonify([{"id": n, "path": path, "project": 1} for n, path in enumerate(self.local_folders, 1)])

        @app.post("/api/storages/localfiles/")
        def add_storage() -> Any:
            if not Path(request.json["path"]).is_dir():
                return jsonify(detail="does not exist"), 400
            self.local_folders.append(request.json["path"])
            return jsonify(id=len(self.local_folders), **request.json), 201

        @app.get("/api/predictions/")
        def predictions() -> Any:
            return jsonify(self.of_task(int(request.args["task"])))

        @app.delete("/api/predictions/<int:number>/")
        def delete_prediction(number: int) -> Any:
            return ("", 204) if self.predictions.pop(number, None) else (jsonify(detail="Not found."), 404)

        @app.patch("/api/predictions/<int:number>/")
        def patch_prediction(number: int) -> Any:
            self.predictions[number] |= request.json
            return jsonify(self.predictions[number])

        @app.post("/api/predictions/")
        def create() -> Any:
            self.before_storing()
            if self.failures:
                return jsonify(detail="no"), self.failures.pop(0)
            body = request.json
            if body["task"] not in self.tasks:
                return jsonify(task=["Invalid pk"]), 400
            with self._lock:
                number = self.add_prediction(body["task"], body["model_version"], body["result"])
                self.predictions[number] |= {"score": body["score"], "cluster": body.get("cluster")}
            if self.failures_after_storing:
                return jsonify(detail="no"), self.failures_after_storing.pop(0)
            return jsonify(self.predictions[number]), 201

        @app.post("/api/tasks/<int:number>/annotations/")
        def annotate(number: int) -> Any:
            task = self.tasks[number]
            task["total_annotations"] += 1
            annotation = {"id": next(self._numbers), "task": number, **request.json}
            task.setdefault("annotations", []).append(annotation)
            return jsonify(annotation), 201

        @app.get("/api/projects/")
        def projects() -> Any:
            if request.args.get("page", "1") != "1":
                return jsonify(detail="Invalid page."), 404  # how Label Studio ends a list
            found = [PROJECT | {"id": number, "title": f"Project {number}"} for number in sorted(self.projects)]
            return jsonify(count=len(found), next=None, previous=None, results=found)

        @app.get("/api/projects/<int:number>/")
        def project(number: int) -> Any:
            if number not in self.projects:
                return jsonify(detail="Not found."), 404
            known = {"id": number, "model_version": self.project_version, "label_config": self.label_config}
            return jsonify(PROJECT | known)

        @app.patch("/api/projects/<int:number>/")
        def patch_project(number: int) -> Any:
            self.project_version = request.json.get("model_version", self.project_version)
            self.label_config = request.json.get("label_config", self.label_config)
            self.sampling = request.json.get("sampling", self.sampling)
            return jsonify(id=number, model_version=self.project_version, sampling=self.sampling)

        @app.get("/api/dm/views/")
        def tabs() -> Any:
            return jsonify([{"id": n, "data": data, "project": 1} for n, data in enumerate(self.tabs, 1)])

        @app.post("/api/dm/views/")
        def add_tab() -> Any:
            self.tabs.append(request.json["data"])
            return jsonify(id=len(self.tabs), **request.json), 201

        @app.patch("/api/ml/<int:number>")
        def patch_backend(number: int) -> Any:
            if not self.finds_backend:
                return jsonify(detail="Can't connect to ML backend"), 400
            return jsonify({"id": number, "title": "Deadlift", "project": 1, "url": request.json["url"]})

        @app.get("/api/ml/")
        def backends() -> Any:
            project = int(request.args["project"])
            backend = {"id": 1, "title": "Deadlift", "url": self.backend_url, "project": project}
            return jsonify([backend | {"model_version": self.backend_version}] if project in self.connected else [])

        @app.post("/api/ml/")
        def connect() -> Any:
            if not self.finds_backend:
                return jsonify(detail="Can't connect to ML backend"), 400
            self.connections.append(request.json)
            return jsonify({"id": 2, **request.json}), 201

        @app.get("/api/webhooks/")
        def webhooks() -> Any:
            return jsonify(list(self.webhooks.values()))

        @app.patch("/api/webhooks/<int:number>/")
        def patch_webhook(number: int) -> Any:
            self.webhooks[number] |= request.json
            return jsonify(self.webhooks[number])

        @app.get("/data/upload/<path:name>")
        def upload(name: str) -> Any:
            content = self.files.get(name)
            if content is None:
                return jsonify(detail="no"), 404
            wanted = request.range.range_for_length(len(content)) if request.range is not None else None
            if wanted is None:  # without a length, as Label Studio streams it
                return Response(iter([content]), mimetype="video/mp4")
            answer = Response(content[slice(*wanted)], 206, mimetype="video/mp4")
            answer.headers["Content-Range"] = f"bytes {wanted[0]}-{wanted[1] - 1}/{len(content)}"
            return answer

        @app.get("/tasks/<int:number>/resolve/")
        def resolve(number: int) -> Any:
            address = base64.urlsafe_b64decode(request.args["fileuri"]).decode()
            target = self.storage.get(address)
            return redirect(target, 303) if target else (jsonify(detail="no storage"), 404)

        return app
