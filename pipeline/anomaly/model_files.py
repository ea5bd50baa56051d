"""A detector's parts as files: `model.json` (configuration, calibrations, digest) and `weights.safetensors` (arrays).

Parts are the fields of `Detector` by name, as `vars(detector)` gives them.

Its version names its contents: equal contents, equal version, wherever they were trained.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.calibration import Calibration
from pipeline.anomaly.distances import NormalModel
from pipeline.anomaly.methods import METHODS, OWN_UNIT, Representation, Statistics
from pipeline.anomaly.posture import PostureModel
from pipeline.anomaly.reference import Reference, Scale
from pipeline.config import DetectorConfig, EncodeConfig
from pipeline.errors import ModelError

# Of the statistics, as earlier releases wrote them, of methods with an autoencoder's residuals, of references that
# compare whitened features, by any method, and of such with units of their own.
_FORMAT, _WITH_RESIDUALS, _WHITENED, _OWN_UNITS = 3, 4, 5, 6
_FORMATS = _FORMAT, _WITH_RESIDUALS, _WHITENED, _OWN_UNITS
_MODEL, _WEIGHTS, _CARD = "model.json", "weights.safetensors", "CARD.md"
FILES = _MODEL, _WEIGHTS
"""What a detector is read from."""
Parts = Mapping[str, Any]
_Arrays = dict[str, NDArray[Any]]
_CALIBRATIONS = {
    "in_posture": "in_form",
    "within_video": "among_siblings",
    "in_back": "in_back",
    "in_setting": "in_setting",
}
"""The calibrations of a detector by the names that files have for them; those of earlier releases have no in_back."""


def version_of(parts: Parts) -> str:
    """The detector's name and eight hex digits of what it consists of."""
    description, weights = _described(parts), _arrays(parts)
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return f"{parts['name']}-{digest.hexdigest()[:8]}"


def save_parts(parts: Parts, folder: Path, card: str) -> None:
    """Write a detector: into a new folder in one step, or over an older model file by file, weights first."""
    from safetensors.numpy import save

    weights = save(_arrays(parts))
    description = _described(parts) | {
        "version": version_of(parts),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        (aside / _WEIGHTS).write_bytes(weights)
        (aside / _MODEL).write_text(json.dumps(description, indent=1) + "\n")
        if card:
            (aside / _CARD).write_text(card)
        aside.chmod(0o755)
        if folder.exists():
            for name in (_WEIGHTS, _CARD, _MODEL):
                if (aside / name).exists():
                    os.replace(aside / name, folder / name)
            aside.rmdir()
        else:
            os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def load_parts(folder: Path) -> dict[str, Any]:
    """The fields of a saved detector. Raises ModelError where it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        description = json.loads((folder / _MODEL).read_text())
        raw = (folder / _WEIGHTS).read_bytes()
        version, method = description["format"], description["config"].get("method")
        # An earlier release's autoencoder compared by its latent.
        if version not in _FORMATS or (version == _FORMAT and method == "autoencoder"):
            raise ModelError(f"{folder}: a model of format {version} by {method}. Train the model again.")
        if hashlib.sha256(raw).hexdigest() != description["weights_sha256"]:
            raise ModelError(f"{folder}: the weights do not belong to model.json. Train or copy the model again.")
        return _parts(description, load(raw))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{folder}: no model here ({Path(str(error.filename)).name} is missing).") from error
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder}: the model is damaged ({error}). Train or copy it again.") from error


def _described(parts: Parts) -> dict[str, Any]:
    calibrations = {stored: parts[name] for name, stored in _CALIBRATIONS.items()}
    statistics = [scale.name for scale in parts["scales"]]
    compared = next((list(one.blocks) for one in parts["references"]), statistics)
    others = {"blocks": compared} if compared != statistics else {}
    return {
        "format": _format_of(parts),
        "name": parts["name"],
        "config": asdict(parts["config"]),
        "blocks": statistics,
        "references": [
            {"name": one.name} | others | {"usual": one.usual, "rest": [normal.rest for normal in one.normal_models]}
            for one in parts["references"]
        ],
        "form_videos": parts["posture"].videos,
        "calibrations": {
            name: {"threshold": one.threshold, "spread": one.spread, "positive": one.positive}
            for name, one in calibrations.items()
            if one is not None
        },
    }


def _format_of(parts: Parts) -> int:
    if any(name.startswith(OWN_UNIT) for name in parts["representation"].arrays()):
        return _OWN_UNITS
    if any(normal.whitening for one in parts["references"] for normal in one.normal_models):
        return _WHITENED
    return _FORMAT if parts["config"].method == "statistics" else _WITH_RESIDUALS


def _arrays(parts: Parts) -> _Arrays:
    arrays: _Arrays = {f"scale.{scale.name}": scale.unit for scale in parts["scales"]}
    posture: PostureModel = parts["posture"]
    arrays |= {"form.mean": posture.mean, "form.spread": posture.spread, "form.weight": posture.weight}
    for number, reference in enumerate(parts["references"]):
        arrays[f"{number}.stance"] = reference.appearance
        for block, normal in zip(reference.blocks, reference.normal_models, strict=True):
            prefix = f"{number}.{block}"
            arrays[f"{prefix}.mean"], arrays[f"{prefix}.variance"] = normal.mean, normal.variance
            # Half precision: its error is a thousandth of what two repetitions differ by.
            arrays[f"{prefix}.axes"], arrays[f"{prefix}.bank"] = (
                normal.axes.astype(np.float16),
                normal.memory_bank.astype(np.float16),
            )
            arrays |= {f"{prefix}.whitening.{axis}": matrix for axis, matrix in enumerate(normal.whitening)}
    for name, stored in _CALIBRATIONS.items():
        calibration: Calibration | None = parts[name]
        if calibration is not None:
            arrays[f"{stored}.distances"], arrays[f"{stored}.videos"] = calibration.distances, calibration.videos
    representation: Representation = parts["representation"]
    return arrays | representation.arrays()


def _parts(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    stored = dict(description["config"])
    blocks: list[str] = description["blocks"]
    axes = range(2 if description["format"] >= _WHITENED else 0)
    references = [
        Reference(
            one["name"],
            tuple(one.get("blocks", blocks)),
            tuple(
                NormalModel(
                    arrays[f"{number}.{block}.mean"],
                    arrays[f"{number}.{block}.axes"].astype(np.float32),
                    arrays[f"{number}.{block}.variance"],
                    float(rest),
                    arrays[f"{number}.{block}.bank"].astype(np.float32),
                    tuple(arrays[f"{number}.{block}.whitening.{axis}"] for axis in axes),
                )
                for block, rest in zip(one.get("blocks", blocks), one["rest"], strict=True)
            ),
            tuple(float(usual) for usual in one["usual"]),
            arrays[f"{number}.stance"],
        )
        for number, one in enumerate(description["references"])
    ]
    calibrations = {
        name: Calibration(
            arrays[f"{stored}.distances"], arrays[f"{stored}.videos"], one["threshold"], one["spread"], one["positive"]
        )
        for name, stored in _CALIBRATIONS.items()
        if (one := description["calibrations"].get(stored)) is not None
    }
    config = DetectorConfig(**{**stored, "encode": EncodeConfig(**stored["encode"])})
    return {
        "config": config,
        "scales": tuple(Scale(block, arrays[f"scale.{block}"]) for block in blocks),
        "posture": PostureModel(
            arrays["form.mean"], arrays["form.spread"], arrays["form.weight"], description["form_videos"]
        ),
        "references": tuple(references),
        "name": description["name"],
        "representation": METHODS[config.method].load(arrays) if references else Statistics(),
        **calibrations,
    }
