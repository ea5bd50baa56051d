"""The methods by which repetitions of a known setting are compared, by name: a new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.autoencoder import NETWORKS, Networks, OnEpoch, fit_networks
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.reference import Scale, in_units, scales_of
from pipeline.config import Method

Arrays = Mapping[str, NDArray[Any]]
_UNIT = "residual.unit."
# The fewest videos of which `both` makes networks: three for each quarter.
_FEWEST_VIDEOS = 12


class Representation(Protocol):
    """What a method has learnt, if anything: it makes of statistics what repetitions of a setting are compared by."""

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        """Of statistics in units (`reference.in_units`), what is compared: one view or several, whose logarithmic
        distances are averaged."""

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
    """Compares by the statistics as they are; there is nothing to learn."""

    @staticmethod
    def fit(
        statistics: Blocks, groups: Sequence[str], quarters: Sequence[int], seed: int, on_epoch: OnEpoch | None
    ) -> Learnt:
        return Learnt(Statistics(), statistics, tuple(quarters), by_video=True)

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        return (statistics,)

    def without(self, quarter: int) -> Statistics:
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}


@dataclass(frozen=True)
class Unexplained:
    """Compares by what autoencoders cannot explain (their residuals, scales being their units), and by the statistics
    as well, or without them.

    A normal repetition counts as the network says that has not seen its video, and a new one as each of them says, on
    average: cross-conformal prediction (Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
    Intelligence 74, 2015). A network of all normal ones explains new repetitions better than those explain theirs, and
    then fewer are flagged than the nominal rate allows.
    """

    networks: Networks
    scales: tuple[Scale, ...]
    with_statistics: bool

    @staticmethod
    def fit(
        statistics: Blocks,
        groups: Sequence[str],
        quarters: Sequence[int],
        seed: int,
        on_epoch: OnEpoch | None,
        with_statistics: bool,
    ) -> Learnt:
        """Networks of normal repetitions: each without those of a quarter, or where videos do not fill four quarters,
        without a quarter of the repetitions."""
        by_video = len(set(quarters)) == NETWORKS
        fold = np.array(quarters if by_video else [row % NETWORKS for row in range(len(groups))], np.intp)
        networks, unseen = fit_networks(statistics, fold, seed, on_epoch)
        learnt = Unexplained(networks, scales_of(unseen, groups), with_statistics)
        return Learnt(learnt, learnt._beside(statistics, unseen), tuple(quarters), by_video)

    @staticmethod
    def load(arrays: Arrays, with_statistics: bool) -> Unexplained:
        """What `arrays` gave. Raises KeyError where something is missing."""
        stored = ([*name.removeprefix(_UNIT).split(".", 1), name] for name in arrays if name.startswith(_UNIT))
        scales = (Scale(block, arrays[name]) for _, block, name in sorted(stored, key=lambda one: int(one[0])))
        return Unexplained(Networks.load(arrays), tuple(scales), with_statistics)

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        return tuple(self._beside(statistics, residuals) for residuals in self.networks.residuals(statistics))

    def without(self, quarter: int) -> Unexplained:
        return replace(self, networks=self.networks.only(quarter))

    def arrays(self) -> dict[str, NDArray[Any]]:
        units = {f"{_UNIT}{number}.{scale.name}": scale.unit for number, scale in enumerate(self.scales)}
        return self.networks.arrays() | units

    def _beside(self, statistics: Blocks, residuals: Blocks) -> Blocks:
        added = in_units(residuals, self.scales)
        return statistics + added if self.with_statistics else added


@dataclass(frozen=True)
class AnomalyMethod:
    """How a method learns, and comes back from arrays.

    fit: from the statistics in units of normal repetitions, the video of each, the quarter 0..3 of each of these, a
    seed, and what is called after every epoch.
    """

    fit: Callable[[Blocks, Sequence[str], Sequence[int], int, OnEpoch | None], Learnt]
    load: Callable[[Arrays], Representation]


def _fit_both(
    statistics: Blocks, groups: Sequence[str], quarters: Sequence[int], seed: int, on_epoch: OnEpoch | None
) -> Learnt:
    """By both, or of few videos by the statistics alone: networks of so few find no more, and flag more normal ones."""
    if len(set(groups)) < _FEWEST_VIDEOS:
        return Statistics.fit(statistics, groups, quarters, seed, on_epoch)
    return Unexplained.fit(statistics, groups, quarters, seed, on_epoch, True)


def _load_both(arrays: Arrays) -> Representation:
    return Unexplained.load(arrays, True) if Networks.stored_in(arrays) else Statistics()


METHODS: dict[Method, AnomalyMethod] = {
    "both": AnomalyMethod(_fit_both, _load_both),
    "autoencoder": AnomalyMethod(
        lambda statistics, groups, quarters, seed, on_epoch: Unexplained.fit(
            statistics, groups, quarters, seed, on_epoch, False
        ),
        lambda arrays: Unexplained.load(arrays, False),
    ),
    "statistics": AnomalyMethod(Statistics.fit, lambda arrays: Statistics()),
}
"""`DetectorConfig.method` chooses; distances, calibration and reasons are the same for all."""
