"""Labels that somebody should look at again: too short or long for a repetition, twice, or where nobody was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.errors import ResultUnreadable
from backend.labels.events import store_received_events
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
from backend.storage.labels import LabelledRegion
from pipeline.records import Analysis, tiou

_SHORTEST_S = 0.5
_LONGEST_S = 30.0
"""Of all labelled clips that we have, repetitions last 1.2 to 6 s."""
_SAME_REP = 0.5
_LATE_S = 0.2


@dataclass(frozen=True)
class OddLabel:
    """A label, and what is odd about it in words. number: of the repetition in its annotation, from 1."""

    task: int
    annotation: int
    number: int
    start_s: float
    end_s: float
    why: str


def odd_labels(store: Store, project: int) -> list[OddLabel]:
    """The odd labels of a project's annotations, by task and time; those that were deleted or skipped have none."""
    store_received_events(store)
    annotations = sorted(store.labels.valid_annotations(project), key=lambda one: (one.task, one.id))
    results = store.latest_results([(one.task, one.media) for one in annotations])
    found = []
    for annotation in annotations:
        regions = store.labels.labelled_regions(annotation.id)
        analysis = _readable(results.get((annotation.task, annotation.media), ""))
        for number, region in enumerate(regions, start=1):
            words = "; ".join(_oddities(region, regions[: number - 1], analysis))
            if words:
                found.append(OddLabel(annotation.task, annotation.id, number, region.start_s, region.end_s, words))
    return found


def _oddities(region: LabelledRegion, earlier: Sequence[LabelledRegion], analysis: Analysis | None) -> Iterator[str]:
    lasts_s = region.end_s - region.start_s
    if lasts_s < _SHORTEST_S:
        yield f"lasts {max(lasts_s, 0.0):.1f} s only"
    if lasts_s > _LONGEST_S:
        yield f"lasts {lasts_s:.0f} s"
    for number, other in enumerate(earlier, start=1):
        if tiou(other, region) >= _SAME_REP:
            yield f"is where repetition {number} is"
            break
    if analysis is None:
        return
    if region.end_s > analysis.video.duration_s + _LATE_S:
        yield f"ends after the video, which has {analysis.video.duration_s:.1f} s"
    if not analysis.reps and analysis.nothing == "nobody is seen":
        yield "nobody is seen in the video"


def _readable(result: str) -> Analysis | None:
    try:
        return load_analysis(result) if result else None
    except ResultUnreadable:
        return None
