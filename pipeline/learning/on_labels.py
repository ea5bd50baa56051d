"""What a detector, as it is, says of labelled repetitions, whether it has learnt from their videos or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.anomaly.detector import Detector
from pipeline.learning.auroc import auroc
from pipeline.records import DECISION, LabelledRep, RepScore, is_same_rep


@dataclass(frozen=True)
class Confirmed:
    """Of so many repetitions that people called anomalous, how many a detector flags, and how many another one did
    before, which had learnt some as normal."""

    anomalous: int
    flagged: int
    flagged_before: int
    learnt_as_normal: int = 0


def confirmed(
    samples: Sequence[LabelledRep],
    detector: Detector,
    before: Detector,
    rate: float,
    earlier: Sequence[LabelledRep] = (),
) -> Confirmed:
    """How many of the anomalous samples two detectors flag at a nominal rate of false alarms, 0..1.

    earlier: what `before` was trained on.


    What is held out tells of videos to come. This tells what becomes of faults that people have confirmed already: a
    detector that took them for normal would no longer show them.
    """
    by_each = ([one.is_anomaly for one in scores_of(samples, one, rate)] for one in (detector, before))
    odd = [sample.label == "anomalous" for sample in samples]
    taken = [sample for sample in samples if sample.label == "anomalous" and _is_normal_in(earlier, sample)]
    now, then = (sum(flag for flag, is_odd in zip(flags, odd, strict=True) if is_odd) for flags in by_each)
    return Confirmed(sum(odd), now, then, len(taken))


def _is_normal_in(earlier: Sequence[LabelledRep], sample: LabelledRep) -> bool:
    return any(
        one.label == "normal" and one.group == sample.group and is_same_rep(one.rep, sample.rep) for one in earlier
    )


def figures_on(samples: Sequence[LabelledRep], detector: Detector, rate: float) -> dict[str, float]:
    """False alarms, misses and AUROC on those that can be judged, as far as there are any, and how many those are."""
    judged = [
        (sample.label == "anomalous", one.score)
        for sample, one in zip(samples, scores_of(samples, detector, rate), strict=True)
        if one.reliable
    ]
    odd = np.array([score for is_odd, score in judged if is_odd], float)
    normal = np.array([score for is_odd, score in judged if not is_odd], float)
    figures = {"normals": float(len(normal)), "anomalies": float(len(odd))}
    if len(normal):
        figures["false_alarms"] = float((normal >= DECISION).mean())
    if len(odd):
        figures["misses"] = float((odd < DECISION).mean())
    if len(normal) and len(odd):
        figures["auroc"] = auroc(normal, odd)
    return figures


def scores_of(samples: Sequence[LabelledRep], detector: Detector, rate: float) -> list[RepScore]:
    """The score of each sample; the repetitions of a video are judged together, as they are when it is predicted."""
    at_rate = detector.at_rate(rate)
    of_video: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        of_video.setdefault(sample.group, []).append(index)
    found: dict[int, RepScore] = {}
    for mine in of_video.values():
        scores = at_rate.score(samples[mine[0]].pose, [samples[index].rep for index in mine])
        found |= dict(zip(mine, scores, strict=True))
    return [found[index] for index in range(len(samples))]
