"""Drawn lifters whose spine bends, in side view, for tests of what runners say of backs."""

from __future__ import annotations

from statistics import median

import numpy as np
from video_files import Picture

from pipeline.pose.estimator import PoseEstimator
from pipeline.synthetic import Camera, LiftPlan, RepPlan, reps_of
from pipeline.synthetic.drawing import draw


def bent_pictures(back_bow: float, count: int = 6) -> list[Picture]:
    """The first pictures of a repetition, a tenth of a second apart."""
    plan = LiftPlan((RepPlan(),), camera=Camera(azimuth_deg=85.0), back_bow=back_bow)
    return list(draw(plan, reps_of(plan)[0].start_s + np.arange(count) / 10))


def median_bow(estimator: PoseEstimator, back_bow: float) -> float:
    """What an estimator says of the back in those pictures that it says something of."""
    found = [estimator.landmarks(picture, n / 10) for n, picture in enumerate(bent_pictures(back_bow))]
    estimator.reset()
    told = [one.back_bow for one in found if one is not None and np.isfinite(one.back_bow)]
    assert len(told) >= 3
    return median(told)
