"""Judging repetitions: how far each is from normal ones, as a calibrated score with reasons; saved and loaded whole.

A detector is a frozen value. Its folder holds `model.json` (configuration, calibration, digest) and
`weights.safetensors` (arrays). Its version names its contents: equal contents, equal version.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pipeline import features
from pipeline.calibration import Calibration
from pipeline.config import DetectorConfig, EncodeConfig
from pipeline.errors import ModelError
from pipeline.reasons import reasons
from pipeline.records import Floats, Pose, Rep, RepScore
from pipeline.skelemotion import Encoded, encode

_FORMAT = 1
_MODEL, _WEIGHTS = "model.json", "weights.safetensors"


@dataclass(frozen=True)
class Detector:
    """A trained anomaly detector.

    reference [R, P, B, F]: pooled features of normal repetitions. scale [P, B, F]: how much good repetitions of one
    video differ. calibration: distances of normal repetitions of videos that the reference does not contain.
    """

    config: DetectorConfig
    reference: Floats
    scale: Floats
    calibration: Calibration
    name: str = "base"

    @property
    def version(self) -> str:
        """The name and eight hex digits of the contents, e.g. "base-0a1b2c3d"."""
        return f"{self.name}-{_digest(self._weights(), self._description())[:8]}"

    def score(self, pose: Pose, reps: Sequence[Rep]) -> tuple[RepScore, ...]:
        """One score for each of a video's repetitions."""
        encoded = [encode(pose, rep, self.config.encode) for rep in reps]
        if not encoded:
            return ()
        pooled = features.pooled(np.stack([one.image for one in encoded]))
        return tuple(self._score(one, values, rep) for one, values, rep in zip(encoded, pooled, reps, strict=True))

    def _score(self, encoded: Encoded, values: Floats, rep: Rep) -> RepScore:
        reliable = encoded.coverage >= self.config.min_coverage and rep.duration_s >= self.config.min_duration_s
        if encoded.coverage == 0.0:
            return RepScore(0.5, 1.0, float("nan"), reliable=False)
        raw, cells = distance(values, self.reference, self.scale, self.config.neighbours)
        length = self.config.encode.length
        why = reasons(cells, features.part_of_row(), features.phase_of_bin(length))
        return RepScore(self.calibration.score(raw), self.calibration.p_value(raw), raw, why, reliable)

    def save(self, folder: str | Path) -> None:
        """Write the detector into a new folder, or in place of an older one, all or nothing."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            description = self._description()
            weights = save(dict(self._weights()))
            (aside / _WEIGHTS).write_bytes(weights)
            description["weights_sha256"] = hashlib.sha256(weights).hexdigest()
            description["version"] = self.version
            (aside / _MODEL).write_text(json.dumps(description, indent=1) + "\n")
            aside.chmod(0o755)
            if target.exists():
                for file in sorted(aside.iterdir()):
                    os.replace(file, target / file.name)
                aside.rmdir()
            else:
                os.replace(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    @staticmethod
    def load(folder: str | Path) -> Detector:
        """A saved detector, with its own configuration. Raises ModelError where it is missing or damaged."""
        path = Path(folder)
        try:
            description = json.loads((path / _MODEL).read_text())
            if hashlib.sha256((path / _WEIGHTS).read_bytes()).hexdigest() != description["weights_sha256"]:
                raise ModelError(f"{path}: the weights do not belong to model.json. Train or copy the model again.")
            weights = load_file(path / _WEIGHTS)
            return _from_parts(description, weights)
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no model here ({Path(error.filename).name} is missing).") from error
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ModelError(f"{path}: the model is damaged ({error}). Train or copy it again.") from error

    def _weights(self) -> Mapping[str, NDArray[Any]]:
        return {
            "reference": self.reference.astype(np.float16),
            "scale": self.scale,
            "calibration_distances": self.calibration.distances,
            "calibration_weights": self.calibration.weights,
        }

    def _description(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "name": self.name,
            "config": asdict(self.config),
            "threshold": self.calibration.threshold,
            "spread": self.calibration.spread,
        }


def distance(values: Floats, reference: Floats, scale: Floats, neighbours: int) -> tuple[float, NDArray[np.float32]]:
    """How far features [P, B, F] are from the nearest of `reference` [R, P, B, F], and what each cell [P, B] adds.

    The root mean square difference in units of `scale`, averaged over the nearest `neighbours`.
    """
    squares = ((values - reference) / scale) ** 2
    far = squares.mean(axis=(1, 2, 3))
    nearest = np.argsort(far)[:neighbours]
    cells = squares[nearest].mean(axis=(0, 3)) / (squares.shape[1] * squares.shape[2])
    return float(np.sqrt(far[nearest]).mean()), cells


def load_base() -> Detector:
    """The detector that is shipped with the package."""
    return Detector.load(Path(__file__).parent / "base_model")


def _from_parts(description: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> Detector:
    if description["format"] != _FORMAT:
        raise ModelError(f"Model format {description['format']} is not {_FORMAT}: train the model again.")
    stored = dict(description["config"])
    config = DetectorConfig(**{**stored, "encode": EncodeConfig(**stored["encode"])})
    calibration = Calibration(
        weights["calibration_distances"],
        weights["calibration_weights"],
        float(description["threshold"]),
        float(description["spread"]),
    )
    return Detector(config, weights["reference"].astype(np.float32), weights["scale"], calibration, description["name"])


def _digest(weights: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()
