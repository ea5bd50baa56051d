"""From the outputs of MediaPipe's person detector to the two points that say where the person is.

The network answers for boxes around fixed places of the picture, the anchors. It sees the whole picture in a square of
SIZE pixels. The steps and their numbers are those of MediaPipe's published graph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Floats

_Doubles = NDArray[np.float64]

SIZE = 224
# Side of the anchors' grids in pixels, and how many anchors are at each place.
_GRIDS = ((8, 2), (16, 2), (32, 6))
_LEAST_OVERLAP = 0.3
_MOST_LOGIT = 100.0


def anchors() -> _Doubles:
    """The middles [2254, 2] of the anchors, x and y in shares (0..1) of the square, in the order of the network."""
    parts = []
    for step, count in _GRIDS:
        middles = (np.arange(SIZE // step) + 0.5) * step / SIZE
        y, x = np.meshgrid(middles, middles, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(parts)


def best_person(raw: Floats, logits: Floats, places: _Doubles, least: float) -> _Doubles | None:
    """The surest detection, averaged with those that overlap it by their scores.

    Args:
        raw: [A, 12], for each anchor x, y, width and height of a box around the face, and x and y of four points, in
            pixels from the anchor.
        logits: [A], how sure it is.
        places: [A, 2], the anchors.
        least: 0..1, the score that a detection needs.

    Returns:
        [2, 2], x and y in shares (0..1) of the square: the middle of the hips, and a point on the circle around the
        body; None where nobody is found.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MOST_LOGIT, _MOST_LOGIT)))
    kept = np.flatnonzero((scores >= least) & (raw[:, 2] >= 0) & (raw[:, 3] >= 0))
    if not len(kept):
        return None
    scores, values = scores[kept], raw[kept].astype(np.float64) / SIZE
    middle, size = values[:, :2] + places[kept], values[:, 2:4]
    points = values[:, 4:8].reshape(-1, 2, 2) + places[kept][:, None]
    best = int(scores.argmax())
    alike = _overlaps(middle - size / 2, middle + size / 2, best) > _LEAST_OVERLAP
    if not alike.any():  # a box without an area
        alike[best] = True
    weights = scores[alike]
    mean: _Doubles = np.einsum("n,nij->ij", weights, points[alike]) / weights.sum()
    return mean


def _overlaps(low: _Doubles, high: _Doubles, one: int) -> _Doubles:
    """Intersection over union (0..1) of each of N boxes, from corner [N, 2] to corner [N, 2], with one of them."""
    common = np.clip(np.minimum(high, high[one]) - np.maximum(low, low[one]), 0, None).prod(axis=1)
    areas = (high - low).prod(axis=1)
    union = areas + areas[one] - common
    shares: _Doubles = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares
