"""What a pose estimator is, and which one a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PoseConfig
from pipeline.records import Landmarks


class PoseEstimator(Protocol):
    """Finds one person in pictures that follow each other."""

    def landmarks(self, picture: NDArray[np.uint8], time_s: float) -> Landmarks | None:
        """The landmarks of the person in an RGB picture [height, width, 3]; None where nobody is found.

        time_s: when it is shown, in seconds. Raises PoseModelError where the model cannot be loaded or run.
        """

    def reset(self) -> None:
        """Forget the previous picture: the next one is from another camera or another video."""


@contextmanager
def open_estimator(config: PoseConfig, networks_dir: Path | None = None) -> Iterator[PoseEstimator]:
    """An estimator for any number of videos, one after the other; `reset` it between them.

    Args:
        config: which engine and model it runs, and how sure it must be.
        networks_dir: a folder of this user and machine where compiled networks are kept for the next start, which
            then takes a second less; None for nowhere. Only OpenVINO compiles any.

    Returns:
        A context manager that gives the estimator and frees its model at the end.

    Raises:
        PoseModelError: the model cannot be loaded. That is noticed with the first picture.
    """
    # Their libraries take a second to load.
    if config.engine == "mediapipe":
        from pipeline.pose.mediapipe_pose import MediaPipePose

        with MediaPipePose(config) as graph:
            yield graph
    else:
        from pipeline.pose.openvino_pose import OpenVinoPose

        with OpenVinoPose(config, networks_dir) as networks:
            yield networks
