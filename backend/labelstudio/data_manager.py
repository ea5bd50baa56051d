"""The tabs of a project's Data Manager: which columns it shows, and which tasks people may want to see alone."""

from __future__ import annotations

from collections.abc import Sequence

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Json
from backend.labelstudio.task_columns import ANOMALIES, CONFIDENCE, MODEL, REPS, STATE
from backend.labelstudio.task_data import ORIGINAL

_HIDDEN = (
    "tasks:inner_id",
    "tasks:cancelled_annotations",
    "tasks:total_predictions",
    "tasks:annotators",
    "tasks:annotations_results",
    "tasks:annotations_ids",
    "tasks:predictions_score",
    "tasks:predictions_model_versions",
    "tasks:predictions_results",
    "tasks:file_upload",
    "tasks:storage_filename",
    "tasks:created_at",
    "tasks:updated_at",
    "tasks:updated_by",
    "tasks:avg_lead_time",
    "tasks:draft_exists",
    "tasks:data.fps",
    f"tasks:data.{ORIGINAL}",
)
"""What the Data Manager shows of a task otherwise. `predictions_score` is the confidence, which has a column."""
_WIDTHS = {
    "tasks:id": 70,
    "tasks:completed_at": 120,
    "tasks:data.video": 110,
    f"tasks:data.{STATE}": 320,
    f"tasks:data.{MODEL}": 150,
} | {f"tasks:data.{key}": 130 for key in (REPS, ANOMALIES, CONFIDENCE)}
_IN_THE_LIST_BESIDE_A_TASK = ("tasks:id", f"tasks:data.{STATE}")


def preset(client: LabelStudioClient, project: int) -> list[str]:
    """Add the tabs that the project lacks, by their titles; those that are there stay as people have them.

    Returns the titles of those that were added. Raises LabelStudioError.
    """
    thing = f"the tabs of project {project}"
    found = client.call(thing, "GET", "api/dm/views/", params={"project": project})
    known = {str((view.get("data") or {}).get("title")) for view in found}
    missing = [tab for tab in tabs() if tab["title"] not in known]
    for tab in missing:
        client.call(thing, "POST", "api/dm/views/", json={"project": project, "data": tab})
    return [tab["title"] for tab in missing]


def tabs() -> list[Json]:
    """The tabs in order, as Label Studio keeps them."""
    not_labelled = _task_filter("total_annotations", "equal", "Number", 0)
    return [
        _tab("All videos"),
        _tab(
            "Least certain",
            [_filter(REPS, "greater", "Number", 0), not_labelled],
            f"tasks:data.{CONFIDENCE}",
            hidden=("tasks:completed_at", "tasks:total_annotations", f"tasks:data.{MODEL}"),
        ),
        _tab("Anomalous", [_filter(ANOMALIES, "greater", "Number", 0)], f"-tasks:data.{ANOMALIES}"),
        _tab(
            "Failed or empty",
            [_filter(STATE, "contains", "String", word) for word in ("failed", "no repetition", "not playable")],
            conjunction="or",
        ),
        _tab("Not labelled", [not_labelled]),
    ]


def _tab(
    title: str,
    filters: Sequence[Json] = (),
    order: str = "",
    conjunction: str = "and",
    hidden: Sequence[str] = (),
) -> Json:
    numbers = {f"tasks:data.{key}": "Number" for key in (REPS, ANOMALIES, CONFIDENCE)}
    return {
        "title": title,
        "type": "list",
        "target": "tasks",
        "filters": {"conjunction": conjunction, "items": list(filters)},
        "ordering": [order] if order else [],
        "hiddenColumns": {"explore": [*_HIDDEN, *hidden], "labeling": _hidden_beside_a_task()},
        "columnsDisplayType": numbers,
        "columnsWidth": _WIDTHS,
        "gridWidth": 4,
    }


def _hidden_beside_a_task() -> list[str]:
    others = (f"tasks:data.{key}" for key in (REPS, ANOMALIES, CONFIDENCE, MODEL))
    shown = ("tasks:completed_at", "tasks:total_annotations", *_HIDDEN, *others)
    return [column for column in shown if column not in _IN_THE_LIST_BESIDE_A_TASK]


def _filter(key: str, operator: str, kind: str, value: object) -> Json:
    return _task_filter(f"data.{key}", operator, kind, value)


def _task_filter(column: str, operator: str, kind: str, value: object) -> Json:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
