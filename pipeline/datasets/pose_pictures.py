"""The pictures that poses were found in, as JPEG files: readers that show or train on keypoints want to see them."""

from __future__ import annotations

from pathlib import Path

import cv2

from pipeline.datasets.coco import picture_name
from pipeline.datasets.rows import ExportedRep
from pipeline.media.reading import Picture, frames
from pipeline.records import Pose

_QUALITY = 95
_ROUNDING_S = 1e-3


def write_pictures(folder: Path, video: Path, row: ExportedRep, pose: Pose) -> int:
    """Write the picture of every pose of a repetition in which a person was found, and return how many.

    Each is as it is displayed, of the size that the pose's pixels are of, and named as its COCO image. Raises the
    errors of `frames`.
    """
    times = pose.time[(pose.time >= row.start_s) & (pose.time < row.end_s) & pose.detected]
    if not len(times):
        return 0
    done, shown = 0, None
    for time_s, picture in frames(video, between=(times[0] - _ROUNDING_S, times[-1] + _ROUNDING_S)):
        while shown is not None and times[done] < time_s - _ROUNDING_S:
            _write(folder / picture_name(row, times[done]), shown)
            done += 1
        shown = picture
    if shown is not None:
        for moment in times[done:]:
            _write(folder / picture_name(row, moment), shown)
    return len(times)


def _write(path: Path, picture: Picture) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
