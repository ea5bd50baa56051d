"""The OpenAPI document of /api: paths written here, schemas made of the very types that answers are made of."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

from pydantic import TypeAdapter

from backend.labels.corrections import KINDS
from backend.storage.overview import Order
from backend.storage.video_filter import Issue, Labelled, State
from backend.web.dashboard.labels import CorrectionsView, LabelsView
from backend.web.dashboard.models import ModelsView, ModelView
from backend.web.dashboard.projects import ProjectsView
from backend.web.dashboard.quality import QualityView
from backend.web.dashboard.video import Landmarks, VideoView
from backend.web.dashboard.videos import VideosView
from pipeline import __version__

Json = dict[str, Any]

_TYPES = (
    ProjectsView, VideosView, VideoView, Landmarks, ModelsView, ModelView, LabelsView, CorrectionsView, QualityView,
)  # fmt: skip
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


@lru_cache(maxsize=1)
def document() -> Json:
    """The description of every GET below /api, by OpenAPI 3.1."""
    project = _query("project", {"type": "integer"}, "Number of a project in Label Studio; all of them by default.")
    page = _query("page", {"type": "integer", "minimum": 1}, "Page of the list; the first by default.")
    annotator = _query("annotator", {"type": "integer"}, "Labelled by this user of Label Studio.")
    bounds = {"type": "string", "pattern": r"^[0-9.]+-[0-9.]+$"}
    listed = [
        project,
        page,
        _query("state", _one_of(get_args(State)), "State of the newest analysis."),
        _query("text", {"type": "string"}, "Part of the address, or the number of the task."),
        _query("issue", _one_of(get_args(Issue)), "What is doubtful about it."),
        _query("labelled", _one_of(get_args(Labelled)), "Whether, or how, people labelled it."),
        annotator,
        _query("anomalous", _one_of(("yes", "no")), "Whether a repetition was called anomalous."),
        _query("score", bounds, "A repetition has a score in this range, such as 0.90-0.95."),
        _query("confidence", bounds, "The video's confidence is in this range."),
        _query("model", {"type": "string"}, "Analyzed by this model version."),
        _query("copy_of_labelled", _one_of(("yes", "no")), "Whether a labelled task has an equal file."),
        _query("order", _one_of(get_args(Order)), "The first one by default."),
    ]
    repetitions = [
        page,
        _query("kind", _one_of(KINDS), "What the person did."),
        annotator,
        _query("version", {"type": "string"}, "Predicted by this model version; empty: without a prediction."),
    ]
    of_project, of_task = _place("project", "integer"), _place("task", "integer")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Deadlift ML backend",
            "version": __version__,
            "description": "What the pages show. Times are UTC, lengths seconds, shares 0..1.",
        },
        "paths": {
            "/api/projects": _get("Projects, their models, and what goes on", ProjectsView),
            "/api/videos": _get("Videos by the analysis of the model in use, or else the newest", VideosView, *listed),
            "/api/videos/{task}": _get("One video with its repetitions", VideoView, of_task, project),
            "/api/videos/{task}/landmarks": _get("Its skeleton through time", Landmarks, of_task, project),
            "/api/models/{project}": _get("Models and trainings of a project", ModelsView, of_project, page),
            "/api/models/{project}/{name}": _get("One model", ModelView, of_project, _place("name", "string")),
            "/api/labels/{project}": _get("How a project was labelled", LabelsView, of_project),
            "/api/labels/{project}/repetitions": _get(
                "Labelled repetitions beside predicted ones", CorrectionsView, of_project, *repetitions
            ),
            "/api/quality": _get("Scores, confidences, doubtful files", QualityView, project),
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> Json:
    found: Json = {"Error": _ERROR}
    for kind in _TYPES:
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    return found


def _get(summary: str, answer: type, *parameters: Json) -> Json:
    good = {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}
    error = {"description": "What is wrong, and the remedy", "content": {"application/json": {"schema": {
        "$ref": "#/components/schemas/Error"}}}}  # fmt: skip
    responses = {"200": {"description": summary, "content": {"application/json": good}}, "default": error}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": responses}}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _place(name: str, kind: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


def _one_of(words: tuple[str, ...]) -> Json:
    return {"type": "string", "enum": list(words)}
