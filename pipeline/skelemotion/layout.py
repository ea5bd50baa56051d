"""What the rows, channels and columns of a SkeleMotion image are: the walk over the body, its motion, the phases.

After Caetano et al., AVSS 2019 (section 3.1); phases as columns are our own.
"""

from __future__ import annotations

from pipeline.records import Phase

WALK = (
    0, 12, 14, 16, 22, 16, 20, 18, 20, 16, 14, 12, 24, 26, 28, 32, 28, 30, 28, 26, 24, 12, 0,
    11, 13, 15, 21, 15, 19, 17, 19, 15, 13, 11, 23, 25, 27, 29, 27, 31, 27, 25, 23, 11, 0,
)  # fmt: skip
"""The depth-first walk over the body: landmark of each of the J = 45 rows. Neighbours in the image are neighbours in
the body, which is what lets a convolution see limbs (Caetano et al., section 3.1)."""

CHANNELS = (
    "yx_cos", "yx_sin", "yx_motion", "yz_cos", "yz_sin", "yz_motion", "zx_cos", "zx_sin", "zx_motion",
    "magnitude", "x", "y",
)  # fmt: skip
"""What the C channels of an image are."""
_LOCKOUT_SHARE = 1 / 6


def phase_of_column(length: int) -> tuple[Phase, ...]:
    """The phase that each of the L columns shows."""
    pull, lockout = phase_lengths(length)
    named: list[tuple[Phase, int]] = [("pull", pull), ("lockout", lockout), ("lowering", length - pull - lockout)]
    return tuple(phase for phase, columns in named for _ in range(columns))


def phase_lengths(length: int) -> tuple[int, int]:
    """Columns of the pull and of the lockout among L; the rest shows the lowering."""
    lockout = max(1, round(length * _LOCKOUT_SHARE))
    return (length - lockout) // 2, lockout
