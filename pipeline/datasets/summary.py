"""Counts of a dataset, taken row by row: what its datasheet says and draws, in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipeline.datasets.rows import LABELS, SPLITS, ExportedRep

DURATION_STEP_S, DURATION_BINS = 0.25, 48
"""The last bin holds everything longer."""
SCORE_BINS = 20


@dataclass
class Summary:
    """Repetitions by (label, split), durations and scores by (label, bin), and what else is counted.

    videos and lifters by split; reps_per_video: how many videos have so many.
    """

    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    durations: Counter[tuple[str, int]] = field(default_factory=Counter)
    scores: Counter[tuple[str, int]] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    videos: Counter[str] = field(default_factory=Counter)
    reps_per_video: Counter[int] = field(default_factory=Counter)
    lifters: dict[str, set[str]] = field(default_factory=lambda: {split: set() for split in SPLITS})
    without_lifter: int = 0
    ground_truth: int = 0
    seconds: float = 0.0
    first: str = ""
    last: str = ""

    def add_video(self, rows: tuple[ExportedRep, ...]) -> None:
        """All exported repetitions of one video."""
        head = rows[0]
        self.videos[head.split] += 1
        self.reps_per_video[len(rows)] += 1
        if head.lifter:
            self.lifters[head.split].add(head.lifter)
        else:
            self.without_lifter += 1
        self.first = min(self.first, head.labeled_at) if self.first else head.labeled_at
        self.last = max(self.last, head.labeled_at)
        for row in rows:
            self._add(row)

    def _add(self, row: ExportedRep) -> None:
        duration = row.end_s - row.start_s
        self.seconds += duration
        self.labels[row.label, row.split] += 1
        self.durations[row.label, min(int(duration / DURATION_STEP_S), DURATION_BINS - 1)] += 1
        if row.score is not None:
            self.scores[row.label, min(int(row.score * SCORE_BINS), SCORE_BINS - 1)] += 1
        self.origins[row.origin] += 1
        self.annotators[str(row.annotator) if row.annotator is not None else "unknown"] += 1
        self.versions[row.model_version or "none (by hand)"] += 1
        self.ground_truth += row.ground_truth
        self.faults.update(row.faults)

    @property
    def reps(self) -> int:
        return sum(self.labels.values())

    @property
    def video_count(self) -> int:
        return sum(self.videos.values())

    def of_label(self, label: str) -> int:
        return sum(self.labels[label, split] for split in SPLITS)

    def of_split(self, split: str) -> int:
        return sum(self.labels[label, split] for label in LABELS)
