"""The methods by which repetitions of a known setting are compared, by name: a new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from pipeline.anomaly.autoencoder import Networks, OnEpoch, fit_networks
from pipeline.anomaly.features import Blocks
from pipeline.anomaly.reference import Scale, in_units, scales_of
from pipeline.config import Method

Arrays = Mapping[str, NDArray[Any]]
_UNIT = "residual.unit."


class Representation(Protocol):
    """What a method has learnt, if anything: it makes of statistics what repetitions of a setting are compared by."""

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        """Of statistics in units (`reference.in_units`), what is compared: one view or several, whose logarithmic
        distances are averaged."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it has learnt, by names for a model's file."""


@dataclass(frozen=True)
class Statistics:
    """Compares by the statistics as they are; there is nothing to learn."""

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        return (statistics,)

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
        statistics: Blocks, groups: Sequence[str], seed: int, on_epoch: OnEpoch | None, with_statistics: bool
    ) -> tuple[Unexplained, Blocks]:
        """Networks of normal repetitions, and what they are compared by as if none had learnt from their videos."""
        networks, unseen = fit_networks(statistics, groups, seed, on_epoch)
        learnt = Unexplained(networks, scales_of(unseen, groups), with_statistics)
        return learnt, learnt._beside(statistics, unseen)

    @staticmethod
    def load(arrays: Arrays, with_statistics: bool) -> Unexplained:
        """What `arrays` gave. Raises KeyError where something is missing."""
        stored = ([*name.removeprefix(_UNIT).split(".", 1), name] for name in arrays if name.startswith(_UNIT))
        scales = (Scale(block, arrays[name]) for _, block, name in sorted(stored, key=lambda one: int(one[0])))
        return Unexplained(Networks.load(arrays), tuple(scales), with_statistics)

    def views(self, statistics: Blocks) -> tuple[Blocks, ...]:
        return tuple(self._beside(statistics, residuals) for residuals in self.networks.residuals(statistics))

    def arrays(self) -> dict[str, NDArray[Any]]:
        units = {f"{_UNIT}{number}.{scale.name}": scale.unit for number, scale in enumerate(self.scales)}
        return self.networks.arrays() | units

    def _beside(self, statistics: Blocks, residuals: Blocks) -> Blocks:
        added = in_units(residuals, self.scales)
        return statistics + added if self.with_statistics else added


@dataclass(frozen=True)
class AnomalyMethod:
    """How a method learns, and comes back from arrays.

    fit: from the statistics in units of normal repetitions, the video of each, a seed, and what is called after every
    epoch; gives what it has learnt, and the blocks of these repetitions as if it had not learnt from their videos.
    """

    fit: Callable[[Blocks, Sequence[str], int, OnEpoch | None], tuple[Representation, Blocks]]
    load: Callable[[Arrays], Representation]


METHODS: dict[Method, AnomalyMethod] = {
    "both": AnomalyMethod(
        lambda statistics, groups, seed, on_epoch: Unexplained.fit(statistics, groups, seed, on_epoch, True),
        lambda arrays: Unexplained.load(arrays, True),
    ),
    "autoencoder": AnomalyMethod(
        lambda statistics, groups, seed, on_epoch: Unexplained.fit(statistics, groups, seed, on_epoch, False),
        lambda arrays: Unexplained.load(arrays, False),
    ),
    "statistics": AnomalyMethod(
        lambda statistics, groups, seed, on_epoch: (Statistics(), statistics), lambda arrays: Statistics()
    ),
}
"""`DetectorConfig.method` chooses; distances, calibration and reasons are the same for all."""
