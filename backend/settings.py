"""The settings of the server, read once from environment variables or a .env file; secrets stay masked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.logs import LogFormat
from pipeline.config import PipelineConfig, PoseConfig, PoseEngine

APP_NAME = "deadlift-ml-backend"
PASSWORD_FILE = "basic-auth-pass"
"""In the data folder: the password, where a user is set without one. The container image writes it."""
LEAST_LABELING_RATE = 10.0
"""A boundary is kept to half a frame: 0.05 s, and up to 0.1 s where the video's own rate leaves a smaller part."""
LEAST_FALSE_ALARM_RATE, MOST_FALSE_ALARM_RATE = 0.01, 0.5
"""Nominal rates of false alarms that people may choose: 1 to 50 %."""


def networks_dir() -> Path:
    """Where compiled pose networks are kept: of each user and machine, whatever the data folder."""
    return Path(platformdirs.user_cache_dir(APP_NAME)) / "networks"


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Each field is the environment variable of the same name in capitals."""

    # Compose files pass on variables that are not set as empty ones.
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    label_studio_url: str = Field(default="", description="Address of Label Studio, as seen from the backend.")
    label_studio_api_key: SecretStr = Field(
        default=SecretStr(""), description="Personal access token (or a legacy token)."
    )
    label_studio_host: str = Field(
        default="",
        description="Address that browsers open Label Studio at, where it is another one: its own LABEL_STUDIO_HOST.",
    )
    backend_host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    backend_port: int = Field(default=9090, ge=0, le=65535, description="Port to listen on.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)] = Field(
        default=(), description="Host names that the backend is reached by, separated by commas."
    )
    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir(APP_NAME)),
        description="Where labels, jobs and landmarks are kept.",
    )
    basic_auth_user: str = Field(default="", description="User that every request but /health must name.")
    basic_auth_pass: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="That user's password; what the file basic-auth-pass in DATA_DIR holds, if there is one.",
    )
    max_request_mb: int = Field(default=16, ge=1, le=256, description="Larger requests are refused.")
    model_dir: Path | None = Field(
        default=None, description="Folder of a trained model; the shipped base model otherwise."
    )
    false_alarm_rate: float | None = Field(
        default=None,
        description="Share of normal repetitions that may be flagged, 0.01 to 0.5; that of the model otherwise.",
    )
    pose_model: str = Field(
        default="", description="A MediaPipe pose landmarker .task file; the wheel's own model otherwise."
    )
    pose_engine: PoseEngine = Field(
        default="openvino", description="What runs the wheel's pose model; a .task file is run by mediapipe."
    )
    poses_per_second: float = Field(
        default=10.0, ge=0, le=240, description="Pose samples per second of video; 0 = every frame."
    )
    predict_wait_s: float = Field(
        default=2.0, ge=0, le=60, description="Longest that /predict waits for unfinished tasks."
    )
    remove_superseded: bool = Field(
        default=True, description="Whether a new model's predictions replace the old ones on tasks nobody has begun."
    )
    make_playable: bool = Field(
        default=False, description="Whether videos that browsers do not play get an H.264 copy that they do."
    )
    labeling_rate: float = Field(
        default=0.0,
        ge=0,
        le=240,
        description="Most frames per second in the timeline of new tasks; 0 = those of the video.",
    )
    retrain_after: int = Field(
        default=20, ge=0, description="Newly labelled normal repetitions that start a training; 0 = only on request."
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Label Studio is told to send this with its events; others are refused.",
    )
    mlflow_tracking_uri: str = Field(
        default="", description="MLflow server or folder that training runs are also logged to."
    )
    workers: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) // 2),
        ge=1,
        description="Worker processes on this machine.",
    )
    dask_scheduler: str = Field(
        default="", description="Address of an existing Dask scheduler, instead of own workers."
    )
    log_format: LogFormat = Field(
        default="text", description="How the log is written: text, or json with the ids that each line is about."
    )
    max_video_mb: int = Field(default=2048, ge=1, description="Larger videos are refused.")
    media_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)] = Field(
        default=(), description="Hosts on private networks that videos may be fetched from, separated by commas."
    )

    @field_validator("label_studio_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        value = value.strip()
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected an address such as http://localhost:8080")
        return value.rstrip("/")

    @field_validator("labeling_rate")
    @classmethod
    def _fine_enough(cls, value: float) -> float:
        if 0 < value < LEAST_LABELING_RATE:
            raise ValueError(f"expected 0, or {LEAST_LABELING_RATE:g} to 240 frames per second")
        return value

    @field_validator("false_alarm_rate")
    @classmethod
    def _can_be_chosen(cls, value: float | None) -> float | None:
        if value is not None and not LEAST_FALSE_ALARM_RATE <= value <= MOST_FALSE_ALARM_RATE:
            raise ValueError(f"expected {LEAST_FALSE_ALARM_RATE:g} to {MOST_FALSE_ALARM_RATE:g} (1 to 50 %)")
        return value

    @field_validator("label_studio_api_key", "webhook_secret", "basic_auth_pass")
    @classmethod
    def _no_line_end(cls, value: SecretStr) -> SecretStr:
        return SecretStr(value.get_secret_value().strip())  # files of secrets end with one

    @field_validator("basic_auth_pass")
    @classmethod
    def _kept_password(cls, value: SecretStr, given: ValidationInfo) -> SecretStr:
        """A container makes a password at its first start, and its other commands have to know it, too."""
        data_dir = given.data.get("data_dir")
        if value.get_secret_value().strip() or not given.data.get("basic_auth_user") or data_dir is None:
            return value
        path: Path = data_dir / PASSWORD_FILE
        try:
            return SecretStr(path.read_text("utf-8").strip())
        except FileNotFoundError:
            return value
        except OSError as error:
            raise ValueError(f"expected a password, or one in {path} ({error.strerror})") from error

    @model_validator(mode="after")
    def _user_and_password(self) -> Self:
        user, password = self.basic_auth_user, self.basic_auth_pass.get_secret_value()
        if bool(user) != bool(password):
            raise ValueError("expected BASIC_AUTH_USER and BASIC_AUTH_PASS, or neither of them")
        # Label Studio encodes them as Latin-1, others as UTF-8.
        if not (user + password).isascii() or not (user + password).isprintable() or ":" in user:
            raise ValueError("expected ASCII in BASIC_AUTH_USER and BASIC_AUTH_PASS, and no colon in the user")
        return self

    def pipeline_config(self) -> PipelineConfig:
        """What of the settings changes results."""
        pose = PoseConfig(poses_per_second=self.poses_per_second, model=self.pose_model, engine=self.pose_engine)
        return PipelineConfig(pose=pose)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.data_dir / 'backend.sqlite3'}"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def scratch_dir(self) -> Path:
        """What workers keep only while they run."""
        return self.data_dir / "scratch"

    @property
    def pose_dir(self) -> Path:
        return self.data_dir / "poses"
