"""What of the labelled repetitions goes into a dataset, and how many each filter kept out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.datasets.rows import ExportedRep, Origin
from pipeline.records import RepLabel

_OfAnnotation = Callable[[int | None, str, bool], bool]
"""Whether an annotation passes, by its annotator, the time of its last change, and whether it is ground truth."""


@dataclass(frozen=True)
class Filters:
    """Empty and None let everything pass. since, until: days (ISO 8601, UTC) of the last change, inclusive.

    agreement: the least share of other annotators who drew the same; what nobody else annotated does not pass.
    min_confidence: of the proposal that the label came from; what was drawn by hand has none and does not pass.
    """

    ground_truth: bool = False
    since: str = ""
    until: str = ""
    annotators: tuple[int, ...] = ()
    labels: tuple[RepLabel, ...] = ()
    origins: tuple[Origin, ...] = ()
    agreement: float | None = None
    min_confidence: float | None = None

    def of_annotation(self, annotator: int | None, changed_at: str, ground_truth: bool) -> bool:
        """Whether an annotation passes the filters that are of all its repetitions alike."""
        return all(passes(annotator, changed_at, ground_truth) for _, passes in self._of_annotations())

    def steps(self) -> list[tuple[str, Callable[[ExportedRep], bool]]]:
        """The filters that were asked for, as on the command line, each with what passes it; in this order."""
        agreement, confidence = self.agreement, self.min_confidence
        steps = [(name, _of_rows(passes)) for name, passes in self._of_annotations()]
        if self.labels:
            steps.append((_named("--label", self.labels), lambda row: row.label in self.labels))
        if self.origins:
            steps.append((_named("--origin", self.origins), lambda row: row.origin in self.origins))
        if agreement is not None:
            steps.append(
                (f"--agreement {agreement:g}", lambda row: row.agreement is not None and row.agreement >= agreement)
            )
        if confidence is not None:
            steps.append(
                (
                    f"--min-confidence {confidence:g}",
                    lambda row: row.confidence is not None and row.confidence >= confidence,
                )
            )
        return steps

    def _of_annotations(self) -> list[tuple[str, _OfAnnotation]]:
        """Those that are of all repetitions of an annotation alike."""
        found: list[tuple[str, _OfAnnotation]] = []
        if self.ground_truth:
            found.append(("--ground-truth", lambda annotator, changed_at, ground_truth: ground_truth))
        if self.since or self.until:
            name = f"--date {self.since}..{self.until}"
            found.append((name, lambda annotator, changed_at, ground_truth: self._is_in_time(changed_at)))
        if self.annotators:
            name = _named("--annotator", self.annotators)
            found.append((name, lambda annotator, changed_at, ground_truth: annotator in self.annotators))
        return found

    def _is_in_time(self, moment: str) -> bool:
        day = moment[: len("2026-01-31")]  # ISO 8601 sorts as text
        return self.since <= day and (not self.until or day <= self.until)


class Funnel:
    """Applies filters one after the other and counts."""

    def __init__(self, filters: Filters) -> None:
        self._steps = filters.steps()
        self.seen = 0
        self.removed = {name: 0 for name, _ in self._steps}

    def passes(self, row: ExportedRep) -> bool:
        self.seen += 1
        for name, test in self._steps:
            if not test(row):
                self.removed[name] += 1
                return False
        return True

    def lines(self) -> list[str]:
        """In words, one per filter: how many it removed of how many."""
        lines, left = [], self.seen
        for name, count in self.removed.items():
            lines.append(f"{name} removed {count} of {left}")
            left -= count
        return lines


def _of_rows(passes: _OfAnnotation) -> Callable[[ExportedRep], bool]:
    return lambda row: passes(row.annotator, row.labeled_at, row.ground_truth)


def _named(option: str, values: Sequence[object]) -> str:
    return " ".join(f"{option} {value}" for value in values)
