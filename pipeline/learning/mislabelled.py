"""Repetitions labelled normal that look like faults beside the lifter's other normal ones.

A fault that people call normal is learnt, and then looks normal. The most unusual repetitions are therefore set aside,
all are compared with the rest, and the most unusual by that are set aside in turn. These are the concentration steps of
Rousseeuw and Van Driessen ("A fast algorithm for the minimum covariance determinant estimator", Technometrics 41, 1999,
section 3), with the distances that repetitions are judged by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.autoencoder import NETWORKS
from pipeline.anomaly.distances import distances, fit_normal_model
from pipeline.anomaly.methods import Statistics, quarters_of
from pipeline.anomaly.reference import in_units, joined
from pipeline.anomaly.within_video import compare_within_video
from pipeline.learning.normals import Normals, settings_of
from pipeline.learning.training import Fit
from pipeline.records import Floats

# The share of the normal repetitions that is set aside: so many may be faults and still hide none of each other.
_SET_ASIDE = 0.25
_MOST_STEPS = 4
# With fewer repetitions of a lifter and camera their spread says too little.
_FEWEST = 10
# To compare with: others of the video, and those that are not set aside.
_FEWEST_IN_VIDEO = 3
_FEWEST_LEFT = 5
# A repetition is odd from so many standard deviations above the median of logarithmic distances. Of drawn sound ones
# with noise 2 % are, more where videos are few: whole videos, and few of them, are therefore counted below.
_ODD_FROM = 3.0
_LEAST_DEVIATION = 0.03
_ODD_OF_SOUND = 0.02
# There are more of them than chance explains where so many of sound repetitions have less than this probability.
_UNLIKELY = 0.01


class Mislabelled(NamedTuple):
    """rows: the repetitions that look like faults, as numbers in what was learnt from. videos: the video of each.
    searched, searched_videos: how many repetitions, of how many videos, were looked at."""

    rows: tuple[int, ...]
    videos: tuple[str, ...]
    searched: int
    searched_videos: int

    @property
    def is_more_than_chance(self) -> bool:
        """Whether as many sound repetitions hardly ever have so many that look odd, or have some in so many videos.

        A camera that moved makes every repetition of its video odd: so many of them count as one.
        """
        if not self.rows:
            return False
        in_video = self.searched / self.searched_videos
        whole = _is_unlikely(int(len(self.rows) / in_video), self.searched_videos, _ODD_OF_SOUND)
        return whole or _is_unlikely(len(set(self.videos)), self.searched_videos, 1 - (1 - _ODD_OF_SOUND) ** in_video)


def search(fit: Fit) -> Mislabelled:
    """Search what was learnt from for repetitions that look like faults.

    A lifter and camera with fewer than ten normal repetitions is passed over. It is the statistics that are compared:
    networks learn to explain the faults among what they see.
    """
    groups = fit.known.groups
    searched = [rows for rows in settings_of(fit.known, fit.config)[1].values() if len(rows) >= _FEWEST]
    odd = [int(row) for rows in searched for row in rows[_deviations(fit, fit.known.rows(rows.tolist())) >= _ODD_FROM]]
    videos = {groups[row] for rows in searched for row in rows}
    return Mislabelled(tuple(odd), tuple(groups[row] for row in odd), sum(map(len, searched)), len(videos))


def _is_unlikely(found: int, of: int, rate: float) -> bool:
    """Whether chance hardly makes `found` or more of so many, each with probability `rate`."""
    from scipy import stats

    return found > 0 and float(stats.binom.sf(found - 1, of, rate)) < _UNLIKELY


def _deviations(fit: Fit, known: Normals) -> Floats:
    """[N] how far each repetition of one setting is from those that are not set aside, in standard deviations.

    The steps end where nothing changes, which need not be the best end. They begin twice, and that counts which finds
    more: with what stands out in its video set aside, as faults in a set do, and with nothing, which faults of a whole
    video need.
    """
    within = _within_videos(fit, known)
    starts = _furthest(within) & (within > 0), np.zeros(len(within), bool)
    return max((_concentrated(fit, known, aside) for aside in starts), key=lambda far: int((far >= _ODD_FROM).sum()))


def _concentrated(fit: Fit, known: Normals, aside: NDArray[np.bool_]) -> Floats:
    """[N] the deviations after the steps from one beginning."""
    for _ in range(_MOST_STEPS):
        far = _beside_the_rest(fit, known, aside)
        before, aside = aside, _furthest(far)
        if (aside == before).all():
            break
    middle = float(np.median(far))
    # The lower half alone: the upper one holds the faults, if there are any.
    deviation = max(middle - float(np.quantile(far, 0.16)), _LEAST_DEVIATION)
    deviations: Floats = ((far - middle) / deviation).astype(np.float32)
    return deviations


def _furthest(far: Floats) -> NDArray[np.bool_]:
    """[N] which are set aside."""
    found = np.zeros(len(far), bool)
    found[np.argsort(-far, kind="stable")[: int(_SET_ASIDE * len(far))]] = True
    return found


def _within_videos(fit: Fit, known: Normals) -> Floats:
    """[N] how far each repetition is from the others of its video; 0 in a video of one or two."""
    blocks, names = in_units(known.features.blocks, fit.base.scales), np.array(known.groups)
    far = np.zeros(len(names), np.float32)
    for name in dict.fromkeys(known.groups):
        mine = np.flatnonzero(names == name)
        if len(mine) >= _FEWEST_IN_VIDEO:
            far[mine] = compare_within_video(tuple(block.rows(mine) for block in blocks))
    return far


def _beside_the_rest(fit: Fit, known: Normals, aside: NDArray[np.bool_]) -> Floats:
    """[N] the logarithm of how far each repetition is from those that are not set aside, none of them of its quarter of
    the videos, or where videos do not fill four quarters or leave too few, of the repetitions."""
    scales, groups, kept = fit.base.scales, known.groups, np.flatnonzero(~aside)
    quarters = quarters_of(groups)
    fold = np.array([quarters[group] for group in groups])
    left = [int((fold[kept] != quarter).sum()) for quarter in range(NETWORKS)]
    if len(quarters) < NETWORKS or min(left) < _FEWEST_LEFT:
        fold = np.arange(len(groups)) % NETWORKS
    rest = known.rows(kept.tolist())
    learnt = Statistics.fit(rest.features.blocks, scales, rest.groups, [quarters[group] for group in rest.groups])
    (blocks,) = learnt.representation.views(in_units(known.features.blocks, scales))
    raw = np.empty((len(blocks), len(groups)))
    for quarter in range(NETWORKS):
        held, others = np.flatnonzero(fold == quarter), kept[fold[kept] != quarter]
        for row, block in enumerate(blocks):
            raw[row, held] = distances(block.rows(held).values, fit_normal_model(block.rows(others).values))
    far: Floats = np.log(joined((raw / np.median(raw, axis=1, keepdims=True))[None]))
    return far
