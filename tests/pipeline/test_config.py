"""Configurations: their identity changes with any setting, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from pipeline.config import PipelineConfig, PoseConfig, config_digest


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if value == "openvino":
        return "mediapipe"
    return value + "x" if isinstance(value, str) else value + 1


PARTS = [
    (part.name, setting.name)
    for part in fields(PipelineConfig)
    for setting in fields(getattr(PipelineConfig(), part.name))
]


@pytest.mark.parametrize(("part", "setting"), PARTS)
def test_every_setting_changes_the_identity(part: str, setting: str) -> None:
    config = PipelineConfig()
    inner = getattr(config, part)
    other = replace(config, **{part: replace(inner, **{setting: changed(getattr(inner, setting))})})
    assert other.digest() != config.digest()


def test_equal_settings_have_one_identity() -> None:
    assert PipelineConfig(pose=PoseConfig(poses_per_second=10.0)).digest() == PipelineConfig().digest()


def test_the_identity_of_landmarks_of_mediapipe_is_that_of_earlier_releases() -> None:
    """They had no other engine: what they stored stays in use where it is chosen."""
    assert config_digest(PoseConfig(engine="mediapipe")) == "ba01b4a6a812"
    assert config_digest(PoseConfig(poses_per_second=0.0, engine="mediapipe")) == "a9c509a7e59b"
    assert config_digest(PoseConfig()) == "e3c07cb67d22"


def test_a_task_file_is_run_by_mediapipe() -> None:
    assert PoseConfig(model="heavy.task").engine == "mediapipe"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected one of openvino, mediapipe, got abacus"):
        PoseConfig(engine="abacus")  # type: ignore[arg-type]


def test_the_identity_is_twelve_hex_digits() -> None:
    assert len(PipelineConfig().digest()) == 12
    int(PipelineConfig().digest(), 16)


def test_the_identity_is_the_same_in_another_process() -> None:
    code = "from pipeline.config import PoseConfig, config_digest; print(config_digest(PoseConfig()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == config_digest(PoseConfig())
