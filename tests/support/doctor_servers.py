"""What doctor asks of Label Studio and of our backend, in a server of tests that may be broken in any way."""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import Flask, Response, jsonify, request
from places import LABELING_CONFIG
from werkzeug.serving import WSGIRequestHandler, make_server

from backend.doctor import label_studio
from backend.doctor.machine import Check
from backend.settings import Settings

CONFIG_TEXT = LABELING_CONFIG.read_text()
KEY = "0123456789abcdef0123456789abcdef01234567"


class Servers:
    """What doctor asks of Label Studio, and our backend's /health, at one address. Tests change the values."""

    def __init__(self) -> None:
        self.release = "1.23.2"
        self.key = KEY
        self.project = {"id": 3, "title": "Lifts", "label_config": CONFIG_TEXT, "model_version": ""}
        self.state = "CO"
        self.webhook: dict[str, Any] = {"is_active": True, "send_payload": True, "send_for_all_actions": True}
        self.webhook_path = "/webhook"
        self.video = b"a video"
        self.task_data: dict[str, Any] = {"video": "/data/upload/3/lift.mp4"}
        self.model_class = "DeadliftModel"
        self.others: list[dict[str, Any]] = []
        self.refuses: set[str] = set()  # methods of predictions
        self.fails: set[str] = set()  # paths that are answered by 500
        self.predictions: list[dict[str, Any]] = []
        self.date = ""
        self.health_s = 0.0
        self.name = "127.0.0.1"  # under which Label Studio lists the backend
        self.allowed_hosts = {"127.0.0.1"}
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True, request_handler=self._handler())
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def backend_url(self) -> str:
        return f"http://{self.name}:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[WSGIRequestHandler]:
        ours = self

        class Handler(WSGIRequestHandler):
            def date_time_string(self, timestamp: float | None = None) -> str:
                return ours.date or super().date_time_string(timestamp)

        return Handler

    def _app(self) -> Flask:
        app = Flask("servers")

        @app.before_request
        def refuse() -> tuple[Response, int] | None:
            if request.path == "/jobs" and request.host.partition(":")[0] not in self.allowed_hosts:
                return jsonify(error="UnknownHost"), 421
            if request.path in self.fails:
                return jsonify(detail="database is locked"), 500
            open_to_all = request.path in ("/api/version", "/health")
            if request.args.get("page", "1") != "1":
                return jsonify(detail="Invalid page."), 404  # how Label Studio ends a list
            if open_to_all or request.headers.get("Authorization") == f"Token {self.key}":
                return None
            return jsonify(detail="Invalid token."), 401

        @app.get("/api/version")
        def version() -> Response:
            return jsonify(release=self.release)

        @app.post("/api/predictions/")
        def store() -> Any:
            if "POST" in self.refuses:
                return jsonify(detail="no"), 403
            self.predictions.append(request.json)  # type: ignore[arg-type]
            return jsonify(id=len(self.predictions)), 201

        @app.delete("/api/predictions/<int:number>/")
        def remove(number: int) -> Any:
            if "DELETE" in self.refuses:
                return jsonify(detail="no"), 403
            self.predictions.pop()
            return "", 204

        @app.get("/health")
        def health() -> Response:
            time.sleep(self.health_s)
            return jsonify(status="UP", model_class=self.model_class, model_version="base-1", instance="i")

        @app.get("/api/current-user/whoami")
        def whoami() -> Response:
            return jsonify(id=1, email="lifter@example.com")

        @app.get("/api/projects/")
        def projects() -> Response:
            every = [self.project, *self.others]
            return jsonify(count=len(every), next=None, previous=None, results=every)

        @app.get("/api/ml/")
        def backends() -> Response:
            if request.args["project"] != "3":
                return jsonify([])
            backend = {"id": 1, "url": self.backend_url, "title": "Deadlift", "state": self.state, "project": 3}
            return jsonify([backend])

        @app.get("/api/webhooks/")
        def webhooks() -> Response:
            return jsonify([{"id": 1, "url": self.backend_url + self.webhook_path, "project": 3, **self.webhook}])

        @app.get("/api/tasks/")
        def tasks() -> Response:
            task = {"id": 8, "project": 3, "data": self.task_data, "total_annotations": 0, "predictions": []}
            return jsonify(tasks=[task], total=1, total_annotations=0, total_predictions=0)

        @app.get("/data/upload/3/lift.mp4")
        def media() -> Response:
            return Response(self.video, 200 if self.video else 404)

        return app


def remote(settings: Settings, version: str = "base-1") -> dict[str, Check]:
    """The checks of Label Studio, by the last words of their subjects."""
    return {check.subject.split(": ")[-1]: check for check in label_studio.label_studio(settings, version)}


def problems(checks: dict[str, Check]) -> list[str]:
    return [subject for subject, check in checks.items() if check.status == "problem"]
