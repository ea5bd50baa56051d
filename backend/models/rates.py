"""Nominal rates of false alarms: the one in use for a project, and what a model does at others, by its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from backend.models.figures import JUDGED
from backend.models.registry import Json, Model, Registry
from pipeline.anomaly.versions import percent
from pipeline.counts import counted
from pipeline.learning.rates import ENOUGH_ANOMALIES, ENOUGH_NORMALS, UnseenAtRate, are_enough

ChosenFor = Literal["project", "server", "model"]
"""Whether a rate was chosen for the project or by the server's setting, or is what the model was learnt for."""


@dataclass(frozen=True)
class RateInUse:
    """The nominal rate of false alarms of a project, 0..1 (None where the model does not say its own)."""

    rate: float | None
    chosen_for: ChosenFor

    @property
    def words(self) -> str:
        """Such as "10 %, chosen for this project"."""
        by = {
            "project": "chosen for this project",
            "server": "the server's setting FALSE_ALARM_RATE",
            "model": "what the model was made for",
        }[self.chosen_for]
        return f"{percent(self.rate)} %, {by}" if self.rate is not None else by


def rate_in_use(registry: Registry, project: int, model: Model | None = None) -> RateInUse:
    """What a model judges at in a project; by default the one in use there."""
    if (chosen := registry.chosen_rate(project)) is not None:
        return RateInUse(chosen, "project")
    if registry.default_rate is not None:
        return RateInUse(registry.default_rate, "server")
    return RateInUse(registry.own_rate(model or registry.current(project)), "model")


def measured(gate: Json) -> tuple[UnseenAtRate, ...]:
    """What a stored verdict says of several rates, ascending; () where an earlier release made it."""
    names = [one.name for one in fields(UnseenAtRate)]
    stored: Sequence[dict[str, Any]] = gate.get("rates") or ()
    return tuple(UnseenAtRate(**{name: one[name] for name in names}) for one in stored)


def in_words(found: Sequence[UnseenAtRate], in_use: float | None) -> str:
    """What figures at several rates are of, and how far they can be relied on."""
    if not found:
        return "Not measured on videos of this project: a training measures it for the model that it makes."
    first = found[0]
    said = [
        f"{JUDGED}: {counted(first.normals, 'normal repetition')} of {counted(first.videos, 'video')}, "
        f"{counted(first.anomalies, 'anomalous repetition')}."
    ]
    if not are_enough(first.normals, first.anomalies):
        said.append(
            f"Too few to tell rates apart: that takes {ENOUGH_NORMALS} normal and {ENOUGH_ANOMALIES} anomalous ones, "
            "and more for rates of a few per cent."
        )
    if in_use is not None and all(one.rate != in_use for one in found):
        said.append(f"The rate in use, {percent(in_use)} %, was not measured: the next training measures it.")
    return " ".join(said)
