"""The methods by which repetitions of a known setting are compared, by name: a new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.autoencoder import NETWORKS, Networks, OnEpoch, fit_networks
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.reference import Scale, half_way, in_units, scales_of
from pipeline.config import Method

Arrays = Mapping[str, NDArray[Any]]
OWN_UNIT, _RESIDUAL_UNIT = "own.unit.", "residual.unit."


class Representation(Protocol):
    """What a method has learnt, if anything: it makes of statistics what repetitions of a setting are compared by."""

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        """Of statistics in units of the base (`reference.in_units`), what is compared: one view or several, whose
        logarithmic distances are averaged."""

    def without(self, quarter: int) -> Representation:
        """What was learnt from the videos of the other quarters alone."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it has learnt, by names for a model's file."""


@dataclass(frozen=True)
class Learnt:
    """What a method has learnt of N normal repetitions.

    own: the blocks of these repetitions as if it had not learnt from their videos. quarters: [N] the quarter 0..3 of
    the videos that each belongs to. by_video: whether `representation.without` a quarter has not been trained on its
    videos.
    """

    representation: Representation
    own: Blocks
    quarters: tuple[int, ...]
    by_video: bool

    def without(self, held: Sequence[int], rest: Sequence[int]) -> Learnt | None:
        """What was learnt without the rows `held`, of one quarter; None where that is not known, as of two quarters.

        Not quite as if learnt of `rest` alone: a row of another quarter keeps its residual by a network that has seen
        the held rows, and units and means of residuals are those of all.
        """
        quarters = {self.quarters[row] for row in held}
        if quarters and (len(quarters) > 1 or not self.by_video):
            return None
        representation = self.representation
        for quarter in quarters:
            representation = representation.without(quarter)
        own = tuple(block.rows(list(rest)) for block in self.own)
        return Learnt(representation, own, tuple(self.quarters[row] for row in rest), self.by_video)


def quarters_of(groups: Sequence[str], known: Mapping[str, int] | None = None) -> dict[str, int]:
    """The quarter 0..3 of each video: that which it has already, or the next in turn."""
    known = known or {}
    more = (group for group in dict.fromkeys(groups) if group not in known)
    return {**known, **{group: (len(known) + number) % NETWORKS for number, group in enumerate(more)}}


@dataclass(frozen=True)
class Statistics:
    """Compares by the statistics, in units of its own; without any, as in models of earlier releases, in the base's."""

    units: tuple[Scale, ...] = ()

    @staticmethod
    def fit(blocks: Blocks, scales: Sequence[Scale], groups: Sequence[str], quarters: Sequence[int]) -> Learnt:
        """Units half way from those of the base, scales, to those of these repetitions."""
        learnt = Statistics(half_way(scales, scales_of(blocks, groups)))
        return Learnt(learnt, learnt.in_own_units(in_units(blocks, scales)), tuple(quarters), by_video=True)

    @staticmethod
    def load(arrays: Arrays) -> Statistics:
        """What `arrays` gave."""
        return Statistics(_stored_units(arrays, OWN_UNIT))

    def in_own_units(self, statistics: Blocks) -> Blocks:
        return in_units(statistics, self.units) if self.units else statistics

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        return (self.in_own_units(statistics),)

    def without(self, quarter: int) -> Statistics:
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        return _units(self.units, OWN_UNIT)


@dataclass(frozen=True)
class Unexplained:
    """Compares by what autoencoders cannot explain in statistics (their residuals, scales being their units), and by
    the statistics as well, or without them.

    A normal repetition counts as the network says that has not seen its video, and a new one as each of them says, on
    average: cross-conformal prediction (Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
    Intelligence 74, 2015). A network of all normal ones explains new repetitions better than those explain theirs, and
    then fewer are flagged than the nominal rate allows.
    """

    statistics: Representation
    networks: Networks
    scales: tuple[Scale, ...]
    with_statistics: bool

    @staticmethod
    def fit(
        statistics: Learnt, groups: Sequence[str], seed: int, on_epoch: OnEpoch | None, with_statistics: bool
    ) -> Learnt:
        """Networks of what `Statistics.fit` gave: each without the repetitions of a quarter of the videos, or where
        videos do not fill four quarters, without a quarter of the repetitions."""
        by_video = len(set(statistics.quarters)) == NETWORKS
        fold = np.array(statistics.quarters if by_video else [row % NETWORKS for row in range(len(groups))], np.intp)
        networks, unseen = fit_networks(statistics.own, fold, seed, on_epoch)
        learnt = Unexplained(statistics.representation, networks, scales_of(unseen, groups), with_statistics)
        return Learnt(learnt, learnt._beside(statistics.own, unseen), statistics.quarters, by_video)

    @staticmethod
    def load(arrays: Arrays, with_statistics: bool) -> Unexplained:
        """What `arrays` gave. Raises KeyError where something is missing."""
        scales = _stored_units(arrays, _RESIDUAL_UNIT)
        return Unexplained(Statistics.load(arrays), Networks.load(arrays), scales, with_statistics)

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        (own,) = self.statistics.views(statistics)
        return tuple(self._beside(own, residuals) for residuals in self.networks.residuals(own))

    def without(self, quarter: int) -> Unexplained:
        return replace(self, networks=self.networks.only(quarter))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.statistics.arrays() | self.networks.arrays() | _units(self.scales, _RESIDUAL_UNIT)

    def _beside(self, statistics: Blocks, residuals: Blocks) -> Blocks:
        added = in_units(residuals, self.scales)
        return statistics + added if self.with_statistics else added


def _units(scales: Sequence[Scale], prefix: str) -> dict[str, NDArray[Any]]:
    return {f"{prefix}{number}.{scale.name}": scale.unit for number, scale in enumerate(scales)}


def _stored_units(arrays: Arrays, prefix: str) -> tuple[Scale, ...]:
    """What `_units` gave, in its order."""
    stored = ([*name.removeprefix(prefix).split(".", 1), name] for name in arrays if name.startswith(prefix))
    return tuple(Scale(block, arrays[name]) for _, block, name in sorted(stored, key=lambda one: int(one[0])))


@dataclass(frozen=True)
class AnomalyMethod:
    """How a method learns, and comes back from arrays.

    beyond: what it learns beyond the statistics: from what `Statistics.fit` gave, the video of each repetition, a seed,
    and what is called after every epoch.
    """

    beyond: Callable[[Learnt, Sequence[str], int, OnEpoch | None], Learnt]
    load: Callable[[Arrays], Representation]

    def fit(
        self,
        blocks: Blocks,
        scales: Sequence[Scale],
        groups: Sequence[str],
        quarters: Sequence[int],
        seed: int,
        on_epoch: OnEpoch | None,
    ) -> Learnt:
        """What it learns of normal repetitions: their statistics, the units of the base, the video of each, the quarter
        0..3 of each of these, a seed, and what is called after every epoch."""
        return self.beyond(Statistics.fit(blocks, scales, groups, quarters), groups, seed, on_epoch)


def _nothing(statistics: Learnt, groups: Sequence[str], seed: int, on_epoch: OnEpoch | None) -> Learnt:
    return statistics


METHODS: dict[Method, AnomalyMethod] = {
    "both": AnomalyMethod(
        partial(Unexplained.fit, with_statistics=True), partial(Unexplained.load, with_statistics=True)
    ),
    "autoencoder": AnomalyMethod(
        partial(Unexplained.fit, with_statistics=False), partial(Unexplained.load, with_statistics=False)
    ),
    "statistics": AnomalyMethod(_nothing, Statistics.load),
}
"""`DetectorConfig.method` chooses; distances, calibration and reasons are the same for all."""
