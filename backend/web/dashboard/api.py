"""The same as the pages show, for programs: JSON at the pages' addresses below /api."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter

from backend.errors import NotInLabelStudio
from backend.web.dashboard import arguments
from backend.web.dashboard.labels import corrections_view, labels_view
from backend.web.dashboard.models import model_view, models_view
from backend.web.dashboard.openapi import document
from backend.web.dashboard.pages import correction_filter, page_links
from backend.web.dashboard.projects import projects_view
from backend.web.dashboard.quality import quality_view
from backend.web.dashboard.video import analyzed, landmarks, pose_of, video_view
from backend.web.dashboard.videos import videos_view
from backend.web.services import services

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("")
@api.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    return jsonify(document())


@api.get("/projects")
def projects() -> ResponseReturnValue:
    return _json(projects_view(services(), page_links()))


@api.get("/videos")
def videos() -> ResponseReturnValue:
    wanted, order, page = arguments.video_filter(), arguments.order(), arguments.page_number()
    return _json(videos_view(services().context, page_links(), wanted, order, page))


@api.get("/videos/<int:task>")
def video(task: int) -> ResponseReturnValue:
    return _json(video_view(services().context, page_links(), task, arguments.whole("project")))


@api.get("/videos/<int:task>/landmarks")
def video_landmarks(task: int) -> ResponseReturnValue:
    found = analyzed(services().context, task, arguments.whole("project"))
    pose = pose_of(services().context, found.analysis) if found is not None else None
    if pose is None:
        raise NotInLabelStudio(f"No landmarks of task {task} are kept.")
    return _json(landmarks(pose))


@api.get("/models/<int:project>")
def models(project: int) -> ResponseReturnValue:
    return _json(models_view(services(), page_links(), project, arguments.page_number()))


@api.get("/models/<int:project>/<name>")
def model(project: int, name: str) -> ResponseReturnValue:
    return _json(model_view(services(), page_links(), project, name))


@api.get("/labels/<int:project>")
def labels(project: int) -> ResponseReturnValue:
    return _json(labels_view(services().context, page_links(), project))


@api.get("/labels/<int:project>/repetitions")
def repetitions(project: int) -> ResponseReturnValue:
    page = arguments.page_number()
    return _json(corrections_view(services().store, page_links(), project, page, *correction_filter()))


@api.get("/quality")
def quality() -> ResponseReturnValue:
    return _json(quality_view(services().context, page_links(), arguments.whole("project")))


def _json(value: Any) -> ResponseReturnValue:
    return jsonify(TypeAdapter(type(value)).dump_python(value, mode="json"))
