"""When a training starts: somebody asks for it, or enough was labelled since the last one."""

from __future__ import annotations

from backend.storage.jobs import Store
from backend.storage.runs import Run, Runs

START_TRAINING = "Start Training"
"""The reason of runs that the button of that name in Label Studio asks for."""


def reason_to_train(store: Store, runs: Runs, project: int, retrain_after: int) -> str:
    """Why a project's labels are worth a run now, or "".

    They are where people left at least `retrain_after` normal repetitions since the labels that were learnt from, some
    of them since a run was last asked for. With 0 for `retrain_after` they never are.
    """
    if not retrain_after or not store.labels.normals_since(project, runs.asked_until(project)):
        return ""
    count = store.labels.normals_since(project, runs.learnt_until(project))
    return f"{count} newly labelled normal repetitions" if count >= retrain_after else ""


def request_if_due(store: Store, runs: Runs, project: int, retrain_after: int) -> Run | None:
    """Ask for a run where there is a reason to train; returns it."""
    reason = reason_to_train(store, runs, project, retrain_after)
    return runs.request(project, reason) if reason else None
