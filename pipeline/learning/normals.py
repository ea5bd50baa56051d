"""Normal repetitions as they are learnt from: what was computed of them, their videos, lifters and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import Features, outline_block
from pipeline.config import TrainConfig
from pipeline.records import Floats, LabelledRep


@dataclass(frozen=True)
class Normals:
    """N normal repetitions that can be judged.

    groups: the video of each. settings: the lifter and camera of each, "" where not given. views: the video or, of one
    with cuts, the shot of each. apart: [N] True for those that are for calibration alone.
    """

    features: Features
    groups: tuple[str, ...]
    settings: tuple[str, ...]
    views: tuple[str, ...]
    apart: NDArray[np.bool_]

    @staticmethod
    def of(samples: Sequence[LabelledRep], features: Features) -> Normals:
        """Samples with their features."""
        return Normals(
            features,
            tuple(sample.group for sample in samples),
            tuple(sample.setting for sample in samples),
            tuple(f"{sample.group}#{shot}" for sample, shot in zip(samples, features.shots, strict=True)),
            np.array([sample.role == "calibration" for sample in samples], dtype=bool),
        )

    def rows(self, chosen: Sequence[int]) -> Normals:
        """The same with the chosen repetitions only."""
        picked = list(chosen)
        groups, settings, views = (
            tuple(names[i] for i in picked) for names in (self.groups, self.settings, self.views)
        )
        return Normals(self.features.rows(picked), groups, settings, views, self.apart[picked])


def backs_of(known: Normals, names: Sequence[str]) -> tuple[Floats, list[str]]:
    """Bows of the backs that are seen, as `outline_block` has them, and the name of each. names: of the repetitions."""
    seen = np.flatnonzero(np.isfinite(known.features.bows))
    bows: Floats = outline_block(known.features).values[seen, 0, 0, 0]
    return bows, [names[row] for row in seen]


def settings_of(known: Normals, config: TrainConfig) -> tuple[list[str], dict[str, NDArray[np.intp]]]:
    """The setting of each repetition, and the rows of those settings that have enough of them."""
    names = _setting_names(known, config.detector.setting_distance)
    of_row = np.array(names)
    rows_of = {name: np.flatnonzero(of_row == name) for name in sorted(set(names))}
    return names, {name: rows for name, rows in rows_of.items() if len(rows) >= config.least_references}


def _setting_names(data: Normals, distance: float) -> list[str]:
    """For each repetition the name of its lifter and camera: given with the sample, or found by its appearance.

    Views (a video, or one shot of it) whose appearances are within `distance` of each other form a setting.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    views = list(dict.fromkeys(data.views))
    of_view = np.array([views.index(view) for view in data.views])
    appearances = np.stack(
        [np.median(data.features.appearances[of_view == number], axis=0) for number in range(len(views))]
    )
    found = np.ones(len(views), dtype=int)
    if len(views) > 1:
        root = np.sqrt(appearances.shape[1])
        found = fcluster(linkage(appearances / root, method="complete"), distance, criterion="distance")
    return [given or f"setting-{found[number]}" for given, number in zip(data.settings, of_view, strict=True)]
