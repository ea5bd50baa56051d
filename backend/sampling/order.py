"""In which order Label Studio gives a project's tasks to people: the uncertain ones first, in turns, or as imported.

Label Studio has one order that follows predictions ("Uncertainty sampling"). With clusters in the predictions it takes
turns among them, see backend/sampling/clusters.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from backend.context import Context
from backend.errors import LabelStudioError
from backend.labelstudio.format import Task, rank
from backend.labelstudio.labeling_config import Controls, parse_controls
from backend.labelstudio.records import StoredPrediction
from backend.sampling.clusters import Clusters
from backend.storage.analysis_json import is_readable, load_analysis
from pipeline.anomaly.appearance import appearance_of
from pipeline.config import DetectorConfig
from pipeline.pose.cache import PoseCache
from pipeline.records import Analysis

Order = Literal["uncertainty", "diverse", "off"]

_FOLLOWS_PREDICTIONS = "Uncertainty sampling"
_AS_IMPORTED = "Sequential sampling"


@dataclass(frozen=True)
class Chosen:
    """What a project was set to: the model version whose scores count, how many tasks have a prediction of it, of how
    many, and how many clusters those are (0 for an order without)."""

    version: str
    predicted: int
    tasks: int
    clusters: int


def choose(context: Context, project: int, order: Order, on_progress: Callable[[int, int], None]) -> Chosen:
    """Set the order of a project. on_progress gets how many tasks, of how many, have the clusters that belong to it.

    Raises LabelStudioError, also where Label Studio has no prediction of the model in use: it would take tasks at
    random without saying so. Raises LabelConfigError for a project that the backend cannot work with.
    """
    client, version = context.client, context.registry.current(project).version
    if order == "off":
        client.set_sampling(project, _AS_IMPORTED)
        return Chosen(version, 0, 0, 0)
    controls = parse_controls(client.label_config(project))
    ours = context.store.model_versions(project) | {version}
    tasks = list(client.clusters(project))
    predicted = sum(any(stored.model_version == version for stored in found) for _, found in tasks)
    if predicted == 0:
        raise LabelStudioError(
            f"Project {project} has no prediction of {version} yet, without which Label Studio takes tasks at random. "
            f"Make them with `deadlift prelabel --project {project} --tasks all`, or open some tasks."
        )
    clusters = Clusters(context.store)
    clusters.set_diverse(project, order == "diverse")  # first: the server may be bringing predictions now
    seen: set[int] = set()
    for done, (found, analysis) in enumerate(_nobody_last(context, controls, tasks), start=1):
        cluster = None
        if analysis is not None and order == "diverse":
            cluster = clusters.of(project, _with_appearance(context, analysis))
        seen |= {cluster} if cluster is not None else set()
        for stored in found:
            score = rank(analysis) if analysis is not None and analysis.shows_nobody else stored.score
            if stored.model_version in ours and (stored.score, stored.cluster) != (score, cluster):
                client.set_order(stored.id, score, cluster)
        on_progress(done, len(tasks))
    client.set_sampling(project, _FOLLOWS_PREDICTIONS, version)
    return Chosen(version, predicted, len(tasks), len(seen))


def _nobody_last(
    context: Context, controls: Controls, tasks: Sequence[tuple[Task, list[StoredPrediction]]]
) -> Iterator[tuple[list[StoredPrediction], Analysis | None]]:
    """The predictions of each task, and what is known of its video; those that show nobody after all others, whose
    clusters are known then."""
    waiting = []
    for task, found in tasks:
        analysis = _analysis(context, task.id, controls.media_of(task.data))
        if analysis is not None and analysis.shows_nobody:
            waiting.append((found, analysis))
        else:
            yield found, analysis
    yield from waiting


def _analysis(context: Context, task: int, media: str) -> Analysis | None:
    """What is known of a task's video."""
    result = context.store.latest_result(task, media)
    return load_analysis(result) if result and is_readable(result) else None


def _with_appearance(context: Context, analysis: Analysis) -> Analysis:
    """The analysis with the appearance of its video, also where an earlier release stored none."""
    if analysis.appearance or not analysis.reps:
        return analysis
    pose = PoseCache(context.pose_dir).get(analysis.media_digest, context.config.pose)
    appearance = appearance_of(pose, analysis.reps, DetectorConfig().encode) if pose is not None else None
    return replace(analysis, appearance=tuple(appearance.tolist()) if appearance is not None else ())
