"""A small convolutional autoencoder on SkeleMotion images at their own size; what is kept of it is its encoder.

Time is halved twice, joints are not pooled: each row of the latent still belongs to a joint of the walk, so that a
distance in it can be taken apart by body part. The decoder serves training only: the error of a reconstruction
separates faults worse than a distance in the latent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import Blocks, latent_block
from pipeline.records import Floats

if TYPE_CHECKING:
    from torch import nn

FILTERS = (32, 32, 16)
COLUMNS_PER_STEP = 4
"""Columns of an image for each column of its latent."""
EPOCHS = 10
_BATCH = 16
_LEARNING_RATE = 2e-3
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Encoder:
    """The trained half: mean and spread of the C channels [C], kernels [out, in, 3, 3], biases [out] of its layers."""

    mean: Floats
    spread: Floats
    kernels: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    @staticmethod
    def load(arrays: Mapping[str, NDArray[Any]]) -> Encoder:
        """The encoder of what `arrays` gave. Raises KeyError where something is missing."""
        return Encoder(
            arrays["encoder.mean"],
            arrays["encoder.spread"],
            tuple(arrays[f"encoder.kernel.{layer}"] for layer in range(len(FILTERS))),
            tuple(arrays[f"encoder.bias.{layer}"] for layer in range(len(FILTERS))),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it has learnt, by names for a model's file."""
        arrays: dict[str, NDArray[Any]] = {"encoder.mean": self.mean, "encoder.spread": self.spread}
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            arrays |= {f"encoder.kernel.{layer}": kernel, f"encoder.bias.{layer}": bias}
        return arrays

    def blocks(self, images: Floats) -> Blocks:
        """The latent of images [N, C, J, L], pooled, as the one block that repetitions are compared by."""
        return (latent_block(self.latents(images)),)

    def latents(self, images: Floats) -> Floats:
        """[N, 16, J, L // 4] of images [N, C, J, L]. Raises ValueError for another number of channels."""
        import torch
        from torch.nn import functional

        if images.ndim != 4 or images.shape[1] != len(self.mean):
            raise ValueError(f"Expected images [N, {len(self.mean)}, J, L], got {list(images.shape)}.")
        values = torch.from_numpy(_standardized(images, self.mean, self.spread))
        values = values.contiguous(memory_format=torch.channels_last)
        last = len(self.kernels) - 1
        with torch.inference_mode():
            for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
                values = functional.conv2d(values, torch.from_numpy(kernel), torch.from_numpy(bias), padding=1)
                if layer < last:
                    values = functional.max_pool2d(torch.relu(values), (1, 2))
        return np.ascontiguousarray(values.numpy(), np.float32)


def fit_encoder(
    images: Floats, seed: int = 0, epochs: int = EPOCHS, on_epoch: Callable[[int, float], None] | None = None
) -> Encoder:
    """Train on images [N, C, J, L]: Adam, mean squared error of channels in units of their spread, batches of 16.

    Equal input and seed give an equal encoder. `on_epoch` gets the epoch (from 1) and the mean loss, 1 being that of
    the mean image's channel means; it may raise to cancel. Raises ValueError unless L is a multiple of four.
    """
    import torch

    if images.ndim != 4 or len(images) == 0 or images.shape[3] % COLUMNS_PER_STEP:
        raise ValueError(f"Expected images [N, C, J, L] with L a multiple of 4, got {list(images.shape)}.")
    mean = images.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    spread = np.maximum(images.std(axis=(0, 2, 3), dtype=np.float64), _LEAST_SPREAD).astype(np.float32)
    # The caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Channels last: several times faster on a processor for so few channels.
        network = _network(images.shape[1]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        adam = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
        data = torch.from_numpy(_standardized(images, mean, spread)).contiguous(memory_format=torch.channels_last)
        for epoch in range(epochs):
            total = 0.0
            for batch in torch.randperm(len(data)).split(_BATCH):
                loss = ((network(data[batch]) - data[batch]) ** 2).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += float(loss.detach()) * len(batch)
            if on_epoch is not None:
                on_epoch(epoch + 1, total / len(data))
    layers = [module for module in network.children() if isinstance(module, torch.nn.Conv2d)][: len(FILTERS)]
    return Encoder(
        mean,
        spread,
        tuple(np.ascontiguousarray(layer.weight.detach().numpy()) for layer in layers),
        tuple(layer.bias.detach().numpy().copy() for layer in layers if layer.bias is not None),
    )


def _standardized(images: Floats, mean: Floats, spread: Floats) -> Floats:
    scaled = (images - mean[:, None, None]) / spread[:, None, None]
    return np.ascontiguousarray(scaled, np.float32)


def _network(channels: int) -> nn.Sequential:
    """Encoder and decoder. The latent is linear: a distance in it should not lose one half of every direction."""
    from torch import nn

    first, second, latent = FILTERS
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d((1, 2)),
        nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d((1, 2)),
        nn.Conv2d(second, latent, 3, padding=1),
        nn.Conv2d(latent, second, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=(1.0, 2.0)),
        nn.Conv2d(second, first, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=(1.0, 2.0)),
        nn.Conv2d(first, channels, 3, padding=1),
    )  # fmt: skip
