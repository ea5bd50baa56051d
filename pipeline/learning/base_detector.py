"""The detector that every project starts with: of lifters and cameras that nobody has labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.calibration import calibrate
from pipeline.anomaly.detector import Detector
from pipeline.anomaly.features import phase_of_bin
from pipeline.anomaly.posture import angles_of, fault_score, fit_posture_model
from pipeline.anomaly.reference import Scale, in_units, scales_of
from pipeline.anomaly.within_video import compare_within_video
from pipeline.config import TrainConfig
from pipeline.errors import DatasetError
from pipeline.learning.normals import Normals, backs_of
from pipeline.records import Floats, LabelledRep
from pipeline.skelemotion import encode
from pipeline.synthetic.fault_pairs import FaultPair, fault_pairs

_DRAWN_FAULTY_VIDEOS = 30
_FEWEST_BACKS = 3
"""Of fewer videos with backs that are seen, what bows sound backs have is not known."""


def fault_changes(config: TrainConfig, seed: int) -> Floats:
    """[F, P, B] what each fault of posture changes in the joint angles of drawn lifters, on average.

    Until the lockout: how a load is set down is no part of these faults, and people do it in many ways.
    """
    encoding = config.detector.encode

    def angles(samples: Sequence[LabelledRep]) -> Floats:
        return np.stack([angles_of(one.pose, encode(one.pose, one.rep, encoding), encoding) for one in samples])

    changes = mean_changes(fault_pairs(_DRAWN_FAULTY_VIDEOS, seed), angles)
    changes[..., [phase == "lowering" for phase in phase_of_bin(encoding.length)]] = 0.0
    return changes


def mean_changes(pairs: Sequence[FaultPair], angles: Callable[[Sequence[LabelledRep]], Floats]) -> Floats:
    """[F, P, B] what each fault changes in the angles [N, P, B] of drawn repetitions, on average; faults by name."""
    faulty = angles([LabelledRep(pair.faulty, pair.faulty_rep, "anomalous", "") for pair in pairs])
    clean = angles([LabelledRep(pair.clean, pair.clean_rep, "normal", "") for pair in pairs])
    kinds = np.array([pair.fault for pair in pairs])
    changes = [(faulty - clean)[kinds == kind].mean(axis=0) for kind in sorted(set(kinds.tolist()))]
    means: Floats = np.stack(changes).astype(np.float32)
    return means


def fit_base(known: Normals, faults: Floats, config: TrainConfig) -> Detector:
    """A detector that knows no setting: units and posture model of `known`, its calibrations on those of it that are
    for calibration, or else on all. faults [F, P, B]: what each fault of posture changes in the angles.

    Raises DatasetError without a video of enough repetitions.
    """
    drawn = known.rows(np.flatnonzero(~known.apart).tolist())
    sound = known.rows(np.flatnonzero(known.apart).tolist()) if known.apart.any() else drawn
    scales = scales_of(drawn.features.blocks, drawn.groups)
    everyone, own = drawn.features.angles, sound.features.angles
    posture = fit_posture_model(own, sound.groups, everyone, faults)
    names = np.array(sound.groups)
    unseen = np.zeros(len(names), np.float32)
    for group in dict.fromkeys(sound.groups):
        held = names == group
        others = posture if held.all() else fit_posture_model(own[~held], names[~held].tolist(), everyone, faults)
        unseen[held] = fault_score(own[held], others)
    bows, of_video = backs_of(sound, sound.groups)
    # Two findings share the false alarms of a setting that is not known.
    rate = config.detector.false_alarm_rate / 2
    within, videos = _compared_within_videos(known, scales, config.detector.min_siblings)
    in_posture = calibrate(unseen, sound.groups, rate, positive=False)
    in_back = calibrate(bows, of_video, rate, positive=False) if len(set(of_video)) >= _FEWEST_BACKS else None
    return Detector(config.detector, scales, posture, (), in_posture, calibrate(within, videos, rate), in_back)


def _compared_within_videos(data: Normals, scales: Sequence[Scale], least: int) -> tuple[Floats, list[str]]:
    """Distances within every video of `least` or more repetitions, and the video of each."""
    far, groups = [], []
    names = np.array(data.groups)
    for group in dict.fromkeys(data.groups):
        rows: NDArray[np.intp] = np.flatnonzero(names == group)
        if len(rows) >= least:
            far.append(compare_within_video(in_units(data.features.rows(rows.tolist()).blocks, scales)))
            groups += [group] * len(rows)
    if not far:
        raise DatasetError(f"Expected a video with {least} or more normal repetitions, got none.")
    return np.concatenate(far), groups
