"""Deadlift video in, repetitions with anomaly scores out: pure functions and values, no server, no environment.

What is named here is the public API, for Python programs and notebooks. Each name is loaded when it is first used, so
that torch, mediapipe and matplotlib are there only where they are needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline import synthetic
    from pipeline.analyze import analyze_pose, analyze_video, landmarks_of
    from pipeline.anomaly.detector import Detector, load_detector
    from pipeline.config import PipelineConfig
    from pipeline.errors import PipelineError
    from pipeline.evaluation.anomaly import judge_videos
    from pipeline.evaluation.reps import evaluate_reps
    from pipeline.learning.samples import labelled_samples
    from pipeline.learning.training import train
    from pipeline.pose.cache import PoseCache
    from pipeline.records import Analysis, LabelledRep, Pose, Reason, Rep, RepScore, VideoInfo
    from pipeline.reps import find_reps
    from pipeline.skelemotion import encode
    from pipeline.visuals.annotated_video import render

__version__ = "0.2.0"

__all__ = [
    "Analysis",
    "Detector",
    "LabelledRep",
    "PipelineConfig",
    "PipelineError",
    "Pose",
    "PoseCache",
    "Reason",
    "Rep",
    "RepScore",
    "VideoInfo",
    "__version__",
    "analyze_pose",
    "analyze_video",
    "encode",
    "evaluate_reps",
    "find_reps",
    "judge_videos",
    "labelled_samples",
    "landmarks_of",
    "load_detector",
    "render",
    "synthetic",
    "train",
]

_HOMES = {
    "analyze": ("analyze_pose", "analyze_video", "landmarks_of"),
    "anomaly.detector": ("Detector", "load_detector"),
    "config": ("PipelineConfig",),
    "errors": ("PipelineError",),
    "evaluation.anomaly": ("judge_videos",),
    "evaluation.reps": ("evaluate_reps",),
    "learning.samples": ("labelled_samples",),
    "learning.training": ("train",),
    "pose.cache": ("PoseCache",),
    "records": ("Analysis", "LabelledRep", "Pose", "Reason", "Rep", "RepScore", "VideoInfo"),
    "reps": ("find_reps",),
    "skelemotion": ("encode",),
    "visuals.annotated_video": ("render",),
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"pipeline.{module}"), name)
    if name == "synthetic":
        return import_module("pipeline.synthetic")
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
