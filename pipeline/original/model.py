"""The first published detector for deadlifts, as it was: its image, its network, its density and its rule.

For comparison only. It keeps what the default method leaves out: grey colour-mapped images whose "did not move" marker
wraps around, frames instead of seconds, picture fractions instead of body lengths, a density over 16,384 numbers, and
a reconstruction error of a reconstruction. Where the original computes something else than it says, both are here:
`literal` does what its code did, `exact` what was meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError, ModelError
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import WALK

if TYPE_CHECKING:
    from torch import nn

Picture = NDArray[np.uint8]
Density = Literal["literal", "exact"]
Resize = Literal["nearest", "bicubic"]

SIDE = 256
COLUMNS = 100
DENSITY_THRESHOLD = -240_000.0
ERROR_THRESHOLD = 0.032
BANDWIDTH = 0.2
_FRAMES_APART = 10
_REST = 0.004 * _FRAMES_APART
_MARKER = 1.1
_LAYERS = ((3, 64), (64, 32), (32, 16), (16, 16), (16, 32), (32, 64), (64, 3))
_ENCODER_LAYERS = 3


def orientation_image(pose: Pose, rep: Rep) -> Picture:
    """The original's orientation image of a repetition, [45, 100, 3] uint8 in the channel order of OpenCV.

    Motion over ten poses of x, y (shares of the picture's width and height) and z; angles scaled to 0..1; 1.1 where
    the joint moves less than 0.04 or the repetition ends; resized with that marker in it; times 255 and wrapped to a
    byte, by which the marker becomes 24; turned to grey and coloured. Raises ValueError where no pose was found.
    """
    import cv2

    inside = (pose.time >= rep.start_s) & (pose.time < rep.end_s) & pose.detected
    if not inside.any():
        raise ValueError("Expected poses within the repetition, got none.")
    scaled = pose.image[inside] / np.array([pose.width, pose.height], np.float32)
    joints = np.concatenate([scaled, pose.depth[inside][..., None] / pose.width], axis=-1).astype(np.float64)
    motion = np.zeros_like(joints)
    motion[:-_FRAMES_APART] = joints[:-_FRAMES_APART] - joints[_FRAMES_APART:]
    x, y, z = np.moveaxis(motion[:, list(WALK)], -1, 0)
    angles = np.stack([np.arctan2(y, x), np.arctan2(y, z), np.arctan2(z, x)], axis=-1) / (2 * np.pi) + 0.5
    rests = np.minimum(np.sqrt(x**2 + y**2 + z**2), 1.0) < _REST
    angles[rests] = _MARKER
    resized = cv2.resize(angles.transpose(1, 0, 2), (COLUMNS, len(WALK)))
    wrapped = ((resized * 255).astype(np.int64) & 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(wrapped, cv2.COLORMAP_HSV), np.uint8)


def grey_of(picture: Picture) -> NDArray[np.uint8]:
    """The byte [...] that each colour [..., 3] (OpenCV's order) of an original image stands for: the colour map undone.

    Raises DatasetError where a colour is not of that map.
    """
    import cv2

    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_HSV)[:, 0].astype(np.int64)
    code = table @ np.array([1, 256, 65536])
    wanted = picture.astype(np.int64) @ np.array([1, 256, 65536])
    order = np.argsort(code, kind="stable")
    place = np.clip(np.searchsorted(code[order], wanted), 0, 255)
    if not np.array_equal(code[order][place], wanted):
        raise DatasetError("Expected a SkeleMotion picture in OpenCV's HSV colours, got other colours.")
    greys: NDArray[np.uint8] = order[place].astype(np.uint8)
    return greys


def network_input(pictures: Sequence[Path], resize: Resize) -> Floats:
    """Pictures as the network takes them: RGB [N, 3, 256, 256] in 0..1. The original trains on nearest neighbours and
    predicts on bicubic ones. Raises DatasetError for a file that is no picture."""
    from PIL import Image, UnidentifiedImageError

    method = Image.Resampling.NEAREST if resize == "nearest" else Image.Resampling.BICUBIC
    loaded = []
    for path in pictures:
        try:
            with Image.open(path) as picture:
                loaded.append(np.asarray(picture.convert("RGB").resize((SIDE, SIDE), method), np.float32) / 255)
        except (UnidentifiedImageError, FileNotFoundError) as error:
            raise DatasetError(f"{path}: not a picture. Expected a SkeleMotion PNG.") from error
    return np.ascontiguousarray(np.stack(loaded).transpose(0, 3, 1, 2), np.float32)


@dataclass(frozen=True)
class OriginalModel:
    """The original's network (kernels [out, in, 3, 3] and biases [out] of its seven layers) and the latents [R, 16384]
    of the pictures whose density it estimates."""

    kernels: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    latents: Floats

    def errors(self, images: Floats, twice: bool = False) -> NDArray[np.float64]:
        """[N] mean squared error of the reconstruction of images [N, 3, 256, 256]; `twice` takes that of the
        reconstruction's reconstruction, as the original's rule does."""
        once = self._run(images, 0, len(_LAYERS))
        shown = self._run(once, 0, len(_LAYERS)) if twice else once
        result: NDArray[np.float64] = ((shown - images) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
        return result

    def encode(self, images: Floats) -> Floats:
        """[N, 16384] latents in the original's order (row, column, filter)."""
        latent = self._run(images, 0, _ENCODER_LAYERS)
        return np.ascontiguousarray(latent.transpose(0, 2, 3, 1).reshape(len(images), -1))

    def densities(self, images: Floats, how: Density) -> NDArray[np.float64]:
        """[N] logarithm of the Gaussian kernel density of the latents, bandwidth 0.2.

        literal: by scikit-learn's tree with its default leaves, which loses its digits in so many dimensions.
        """
        if len(self.latents) == 0:
            raise ValueError("Expected latents to estimate a density from, got a model without any.")
        codes = self.encode(images).astype(np.float64)
        if how == "literal":
            from sklearn.neighbors import KernelDensity

            tree = KernelDensity(kernel="gaussian", bandwidth=BANDWIDTH).fit(self.latents)
            return np.asarray(tree.score_samples(codes), np.float64)
        from scipy.special import logsumexp

        known = self.latents.astype(np.float64)
        squares = (codes**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * codes @ known.T
        size = known.shape[1]
        constant = -math.log(len(known)) - 0.5 * size * math.log(2 * math.pi * BANDWIDTH**2)
        return np.asarray(logsumexp(-0.5 * np.maximum(squares, 0.0) / BANDWIDTH**2, axis=1) + constant, np.float64)

    def is_anomaly(self, images: Floats, how: Density = "literal") -> NDArray[np.bool_]:
        """[N] the published rule: density below -240000 or error above 0.032."""
        flagged: NDArray[np.bool_] = (self.densities(images, how) < DENSITY_THRESHOLD) | (
            self.errors(images, twice=how == "literal") > ERROR_THRESHOLD
        )
        return flagged

    def with_latents(self, images: Floats) -> OriginalModel:
        """The model with the density of these images."""
        return OriginalModel(self.kernels, self.biases, self.encode(images))

    def save(self, folder: str | Path) -> None:
        """Write `seed.safetensors` into a folder."""
        from safetensors.numpy import save_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        arrays = {f"kernel.{i}": kernel for i, kernel in enumerate(self.kernels)}
        arrays |= {f"bias.{i}": bias for i, bias in enumerate(self.biases)}
        save_file(arrays | {"latents": self.latents}, Path(folder) / "seed.safetensors")

    def _run(self, images: Floats, first: int, last: int) -> Floats:
        import torch

        network = _network()[3 * first : 3 * last]
        convolutions = [module for module in network.children() if isinstance(module, torch.nn.Conv2d)]
        with torch.no_grad():
            for module, kernel, bias in zip(
                convolutions, self.kernels[first:last], self.biases[first:last], strict=True
            ):
                module.weight.copy_(torch.from_numpy(kernel))
                module.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
            parts = [network(part).numpy() for part in torch.from_numpy(np.ascontiguousarray(images)).split(8)]
        return np.concatenate(parts)


def load_original(path: str | Path) -> OriginalModel:
    """A model that `save` wrote (its folder), or the original's own HDF5 weights (a .keras or .h5 file, no latents).

    Raises ModelError where it is neither.
    """
    place = Path(path)
    if place.is_dir():
        place = place / "seed.safetensors"
    if not place.is_file():
        raise ModelError(f"{place}: no such model.")
    return _from_safetensors(place) if place.suffix == ".safetensors" else _from_hdf5(place)


def train_original(
    images: Floats, epochs: int = 500, seed: int = 0, on_epoch: Callable[[int, float], None] | None = None
) -> OriginalModel:
    """The original's recipe: Adam, mean squared error, batches of four, 500 epochs.

    on_epoch is called with the number of each epoch, from 1, and its mean loss.
    """
    import torch

    torch.manual_seed(seed)
    network = _network()
    for module in network.children():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.xavier_uniform_(module.weight)
            torch.nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    adam = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7)
    data = torch.from_numpy(images)
    for epoch in range(epochs):
        losses = []
        for batch in torch.randperm(len(data)).split(4):
            loss = ((network(data[batch]) - data[batch]) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(float(loss.detach()))
        if on_epoch is not None:
            on_epoch(epoch + 1, float(np.mean(losses)))
    convolutions = [module for module in network.children() if isinstance(module, torch.nn.Conv2d)]
    model = OriginalModel(
        tuple(module.weight.detach().numpy().copy() for module in convolutions),
        tuple(module.bias.detach().numpy().copy() for module in convolutions if module.bias is not None),
        np.zeros((0, 0), np.float32),
    )
    return model.with_latents(images)


def _network() -> nn.Sequential:
    """Seven convolutions; after each of the first three a halving, after each of the next three a doubling."""
    from torch import nn

    modules: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(_LAYERS):
        last = number == len(_LAYERS) - 1
        modules += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.Sigmoid() if last else nn.ReLU()]
        if not last:
            modules.append(nn.MaxPool2d(2) if number < _ENCODER_LAYERS else nn.Upsample(scale_factor=2))
    return nn.Sequential(*modules)


def _from_safetensors(path: Path) -> OriginalModel:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        layers = range(len(_LAYERS))
        return OriginalModel(
            tuple(arrays[f"kernel.{i}"] for i in layers),
            tuple(arrays[f"bias.{i}"] for i in layers),
            arrays["latents"],
        )
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{path}: the model is damaged ({error}). Train or copy it again.") from error


def _from_hdf5(path: Path) -> OriginalModel:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            groups = file["model_weights"]
            names = sorted(
                (name for name in groups if "conv2d" in name), key=lambda name: int(name.rpartition("_")[2] or 0)
            )
            stored = [(groups[name][name]["kernel:0"][()], groups[name][name]["bias:0"][()]) for name in names]
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not the HDF5 weights of the original's network ({error}).") from error
    shapes = tuple((kernel.shape[2], kernel.shape[3]) for kernel, _ in stored)
    if shapes != _LAYERS:
        raise ModelError(f"{path}: expected the layers {_LAYERS}, got {shapes}.")
    return OriginalModel(
        tuple(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32) for kernel, _ in stored),
        tuple(np.asarray(bias, np.float32) for _, bias in stored),
        np.zeros((0, 0), np.float32),
    )
