"""Every setting that changes results, in one frozen value whose digest keys caches and is stored with a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class PoseConfig:
    """How landmarks are taken from a video.

    poses_per_second: sampling by time; 0 takes every frame. max_side_px: pictures are shrunk to this before the
    network, which works on 256 x 256 crops. model: path of a MediaPipe `.task` bundle, or "" for the model that the
    mediapipe wheel carries.
    """

    poses_per_second: float = 10.0
    max_side_px: int = 640
    min_confidence: float = 0.5
    model: str = ""


@dataclass(frozen=True)
class SegmentConfig:
    """How repetitions are cut; see pipeline/segment.py. Heights are in metres of the person's own scale.

    smoothing_s: standard deviation of the Gaussian on the heights. min_travel: of shoulders and of wrists between
    floor and lockout. min_hang: of the wrists below the shoulders while lifting. floor_share: share of the travel at
    which the load counts as off the floor, or as locked out.
    """

    smoothing_s: float = 0.08
    min_travel: float = 0.2
    min_hang: float = 0.35
    floor_share: float = 0.08


@dataclass(frozen=True)
class EncodeConfig:
    """How a repetition becomes a SkeleMotion image; see pipeline/skelemotion.py.

    length: columns L. distance_s: temporal distance over which motion is measured. rest_speed: torsos per second below
    which a joint counts as resting. smooth_s: width of the Gaussian that the tracks are smoothed with.
    """

    length: int = 48
    distance_s: float = 0.33
    rest_speed: float = 0.25
    smooth_s: float = 0.06


@dataclass(frozen=True)
class DetectorConfig:
    """How a repetition is judged; see pipeline/detector.py. Stored with a model, and used by it when it is loaded.

    false_alarm_rate: the share of normal repetitions that may score 0.5 or
    more. neighbours: how many normal repetitions one is compared with. min_coverage, min_duration_s: below these a
    repetition cannot be judged.
    """

    encode: EncodeConfig = field(default_factory=EncodeConfig)
    false_alarm_rate: float = 0.1
    neighbours: int = 3
    min_coverage: float = 0.6
    min_duration_s: float = 0.6


@dataclass(frozen=True)
class TrainConfig:
    """How a detector is trained; see pipeline/training.py. most_references: normal repetitions kept to compare with."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    most_references: int = 250


@dataclass(frozen=True)
class PipelineConfig:
    """The whole configuration of an analysis."""

    pose: PoseConfig = field(default_factory=PoseConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)

    def digest(self) -> str:
        """Twelve hex digits that change with any setting."""
        return config_digest(self)


def config_digest(config: PipelineConfig | PoseConfig) -> str:
    """Twelve hex digits of the SHA-256 of a configuration's canonical JSON."""
    text = json.dumps(asdict(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
