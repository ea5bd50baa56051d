"""Every setting that changes results, in one frozen value whose digest keys caches and is stored with a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

Method = Literal["both", "autoencoder", "statistics"]
"""What repetitions of a known lifter are compared by: statistics on SkeleMotion images, what an autoencoder cannot
explain in them, or both."""

PoseEngine = Literal["openvino", "mediapipe"]
"""What runs MediaPipe's pose networks: OpenVINO in the steps of MediaPipe's graph, or that graph, which costs more."""


@dataclass(frozen=True)
class PoseConfig:
    """How landmarks are taken from a video.

    poses_per_second: sampling by time, at most; 0 takes every frame. From 6 on, samples go without a pose where little
        is lost; see pipeline/pose/attention.py.
    max_side_px: pictures are shrunk to this before the network, which works on 256 x 256 crops; 0 for never.
    min_confidence: 0..1, how sure the network must be that somebody is there.
    model: path of a MediaPipe `.task` bundle, or "" for the model that the mediapipe wheel carries.
    engine: what runs the networks. Only MediaPipe runs a `.task` bundle: with a model it is "mediapipe".
    """

    poses_per_second: float = 10.0
    max_side_px: int = 640
    min_confidence: float = 0.5
    model: str = ""
    engine: PoseEngine = "openvino"

    def __post_init__(self) -> None:
        if self.engine not in get_args(PoseEngine):
            raise ValueError(f"Expected one of {', '.join(get_args(PoseEngine))}, got {self.engine}.")
        if self.model:
            object.__setattr__(self, "engine", "mediapipe")
        # 10 and 10.0 are the same sampling, and must have the same digest.
        object.__setattr__(self, "poses_per_second", float(self.poses_per_second))


@dataclass(frozen=True)
class SegmentConfig:
    """How repetitions are cut; see pipeline/reps. Lengths are in metres of the person's own scale.

    smoothing_s: standard deviation of the Gaussian on the heights.
    max_gap_s: poses further apart than this belong to different lifts.
    min_travel_m: of the shoulders between floor and lockout.
    min_wrist_share: of that travel, made by the wrists as well.
    min_hang_m: of the wrists below the shoulders, median while lifting.
    min_reach_m: of the hands below the (standing) knees at the floor; negative is above.
    min_upright_m: of the shoulders above the hips at lockout.
    min_ahead_m: of the hands before the trunk at lockout; free arms hang beside it.
    max_ahead_drop_m: how much less that may be than in the other lifts of the person.
    max_elbow_drop_deg: how much less the elbows may be stretched than in those; a load stretches them.
    max_lockout_s: standing with the load.
    max_row_m: by which the hands come nearer to the shoulders at lockout; more is a row.
    max_step_m: sideways while upright.
    max_stretch_m: between hands and feet, sideways, at the floor.
    min_whole_share: of the travel that is seen where the recording begins or ends in it.
    floor_share: share of the travel at which the load counts as off the floor.
    top_share: share of the travel below the highest place at which the load counts as locked out.
    min_speed_share: of the fastest rise; slower than this near the floor is still the set-up.
    """

    smoothing_s: float = 0.08
    max_gap_s: float = 5.0
    min_travel_m: float = 0.25
    min_wrist_share: float = 0.3
    min_hang_m: float = 0.3
    min_reach_m: float = -0.12
    min_upright_m: float = 0.28
    min_ahead_m: float = 0.02
    max_ahead_drop_m: float = 0.045
    max_elbow_drop_deg: float = 6.5
    max_lockout_s: float = 8.0
    max_row_m: float = 0.2
    max_step_m: float = 0.4
    max_stretch_m: float = 0.75
    min_whole_share: float = 0.6
    floor_share: float = 0.06
    top_share: float = 0.08
    min_speed_share: float = 0.3


@dataclass(frozen=True)
class EncodeConfig:
    """How a repetition becomes a SkeleMotion image; see pipeline/skelemotion.py.

    length: columns L.
    distance_s: temporal distance over which motion is measured.
    rest_speed: torsos per second at which the motion mask (0..1) of a joint is 0.5.
    smooth_s: standard deviation of the Gaussian that the tracks are smoothed with.
    """

    length: int = 48
    distance_s: float = 0.33
    rest_speed: float = 0.25
    smooth_s: float = 0.06


@dataclass(frozen=True)
class DetectorConfig:
    """How a repetition is judged; see pipeline/anomaly/detector.py. Stored with a model, which uses it when loaded.

    false_alarm_rate: the share of normal repetitions that may score 0.5 or more.
    setting_distance: torsos by which the appearance of two videos of the same lifter and camera may differ.
    min_siblings: repetitions that a video needs for them to be compared with each other.
    min_coverage: share (0..1) of a repetition's poses that must be found; below it cannot be judged.
    min_duration_s: a shorter repetition cannot be judged.
    method: what repetitions are compared by.
    """

    encode: EncodeConfig = field(default_factory=EncodeConfig)
    false_alarm_rate: float = 0.05
    setting_distance: float = 0.035
    min_siblings: int = 5
    min_coverage: float = 0.6
    min_duration_s: float = 0.6
    method: Method = "both"


@dataclass(frozen=True)
class TrainConfig:
    """How a detector is trained; see pipeline/learning/training.py.

    most_references: normal repetitions that are kept to compare with, for each setting; so many take two megabytes.
    least_references: settings with fewer are judged as unknown ones.
    """

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    most_references: int = 180
    least_references: int = 8


_CUTTING = 2
"""Raised when what `reps.segment` finds with the same settings changes: videos are then cut again."""


@dataclass(frozen=True)
class PipelineConfig:
    """The whole configuration of an analysis."""

    pose: PoseConfig = field(default_factory=PoseConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)

    def digest(self) -> str:
        """Twelve hex digits that change with any setting, and with what is made of the same settings."""
        return hashlib.sha256(f"{config_digest(self)} {_CUTTING}".encode()).hexdigest()[:12]


def config_digest(config: PipelineConfig | PoseConfig) -> str:
    """Twelve hex digits of the SHA-256 of a configuration's canonical JSON."""
    settings = asdict(config)
    pose = settings["pose"] if isinstance(config, PipelineConfig) else settings
    if pose["engine"] == "mediapipe":
        del pose["engine"]  # the first releases had no other: what they stored is that engine's
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
