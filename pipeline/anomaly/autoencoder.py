"""A denoising autoencoder on what repetitions are compared by: the part that it cannot explain is compared as well.

It sees a repetition as a sequence, one step for each piece of time, and learns to take noise away from normal ones
(Vincent et al., "Stacked Denoising Autoencoders", JMLR 11, 2010, section 3). What it would change in a repetition, its
reconstruction less the input, estimates the gradient of the logarithm of the density of normal repetitions (Alain and
Bengio, "What Regularized Auto-Encoders Learn from the Data-Generating Distribution", JMLR 15, 2014, section 3): how,
and where, a repetition would have to change to become more usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import RESIDUAL, Block, Blocks
from pipeline.records import Floats

if TYPE_CHECKING:
    import torch

EPOCHS = 40
"""Of eighteen batches each. Few repetitions are drawn more often: the number of steps is what a fit needs."""
_STEPS_PER_EPOCH = 18
_BATCH = 16
_WIDTH, _LATENT = 64, 16
# As large as the spread of normal repetitions: with less of it, faults are reconstructed as well as normal ones.
_NOISE = 1.0
_LEARNING_RATE = 4e-3
_LEAST_SPREAD = 0.05
_FOLDS = 3
OnEpoch = Callable[[int, float, float], None]
"""Called with the number of an epoch that is done (from 1), its loss, and the loss on videos that were held out."""

_Layers = tuple[tuple[Floats, Floats], ...]


@dataclass(frozen=True)
class Network:
    """A trained autoencoder of sequences [N, T, C]; it needs numpy alone.

    mean, spread: [C] of the C channels over repetitions and time. layers: the weights [taps * in, out] and biases [out]
    of six convolutions over one or three steps of time; time is halved after the first and the second and doubled
    after the fourth and the fifth.
    """

    mean: Floats
    spread: Floats
    layers: _Layers

    @staticmethod
    def load(arrays: Mapping[str, NDArray[Any]]) -> Network:
        """The network of what `arrays` gave. Raises KeyError where something is missing."""
        layers = tuple((arrays[f"network.weight.{layer}"], arrays[f"network.bias.{layer}"]) for layer in range(_LAYERS))
        return Network(arrays["network.mean"], arrays["network.spread"], layers)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it has learnt, by names for a model's file."""
        arrays: dict[str, NDArray[Any]] = {"network.mean": self.mean, "network.spread": self.spread}
        for layer, (weight, bias) in enumerate(self.layers):
            arrays |= {f"network.weight.{layer}": weight, f"network.bias.{layer}": bias}
        return arrays

    def residuals(self, blocks: Blocks) -> Blocks:
        """For each block what the network would change in it, in the spread of its channel: same shape and parts."""
        values = (sequences(blocks) - self.mean) / self.spread
        return _as_blocks(_forward(values, self.layers) - values, blocks)


def fit_network(
    blocks: Blocks, groups: Sequence[str], seed: int = 0, on_epoch: OnEpoch | None = None, epochs: int = EPOCHS
) -> tuple[Network, Blocks]:
    """Train on the blocks of N normal repetitions, in units of their scales.

    Beside the network that learns from all, three others learn each without a third of the videos (of the
    repetitions, where there are fewer than three videos). Their residuals are what the normal repetitions would have
    by a network that has not seen their video, which is what those of a new video are to be compared with.

    Args:
        blocks: their pieces of time are a multiple of four, or divide one that is.
        groups: [N] the video of each.
        seed: equal input and seed give equal networks.
        on_epoch: may raise to cancel.
        epochs: of eighteen batches of 16.

    Returns:
        The network, and the residuals of the N repetitions by networks that have not seen them.

    Raises:
        ValueError: fewer than three repetitions, or pieces of time that cannot be halved twice.
    """
    import torch

    values = sequences(blocks)
    count, length, channels = values.shape
    if count < _FOLDS or length % 4:
        raise ValueError(f"Expected 3 or more sequences of a multiple of 4 steps, got {count} of {length}.")
    mean = values.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    spread = (values.std(axis=(0, 1), dtype=np.float64) + _LEAST_SPREAD).astype(np.float32)
    values = (values - mean) / spread
    fold = _folds(groups)
    members = [np.arange(count), *(np.flatnonzero(fold != number) for number in range(_FOLDS))]
    # The caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = _initial(len(members), channels)
        parameters = [tensor for layer in layers for tensor in layer]
        adam = torch.optim.AdamW(parameters, _LEARNING_RATE, weight_decay=0.01, fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, _LEARNING_RATE, total_steps=epochs * _STEPS_PER_EPOCH)
        data, rows = torch.from_numpy(values), [torch.from_numpy(member) for member in members]
        held_out_noise = _NOISE * torch.randn_like(data)
        for epoch in range(epochs):
            total = torch.zeros(len(members))
            for _ in range(_STEPS_PER_EPOCH):
                clean = data[torch.stack([own[torch.randint(len(own), (_BATCH,))] for own in rows])]
                noisy = clean + _NOISE * torch.randn_like(clean)
                losses = ((_forward_all(noisy, layers) - clean) ** 2).mean(dim=(1, 2, 3))
                adam.zero_grad()
                losses.sum().backward()
                adam.step()
                rate.step()
                total += losses.detach()
            if on_epoch is not None:
                held_out = _held_out_loss(data, held_out_noise, layers, fold)
                on_epoch(epoch + 1, float(total[0]) / _STEPS_PER_EPOCH, held_out)
    learnt = [[(weight[member], bias[member, 0]) for weight, bias in layers] for member in range(len(members))]
    full, *others = (tuple((w.detach().numpy().copy(), b.detach().numpy().copy()) for w, b in one) for one in learnt)
    unseen = np.zeros_like(values)
    for number, other in enumerate(others):
        unseen[fold == number] = _forward(values[fold == number], other) - values[fold == number]
    return Network(mean, spread, full), _as_blocks(unseen, blocks)


def sequences(blocks: Blocks) -> Floats:
    """[N, T, C] all rows and features of blocks [N, P, B, F] as channels, over the finest of their pieces of time."""
    length = max(block.values.shape[2] for block in blocks)
    parts = []
    for block in blocks:
        count, rows, pieces, kinds = block.values.shape
        channels = block.values.transpose(0, 2, 1, 3).reshape(count, pieces, rows * kinds)
        parts.append(np.repeat(channels, length // pieces, axis=1))
    return np.ascontiguousarray(np.concatenate(parts, axis=2), np.float32)


def _as_blocks(values: Floats, like: Blocks) -> Blocks:
    """Sequences [N, T, C] back in the blocks that `sequences` made them of."""
    result, at = [], 0
    for block in like:
        _, rows, pieces, kinds = block.values.shape
        own = values[:, :, at : at + rows * kinds]
        at += rows * kinds
        own = own.reshape(len(values), pieces, -1, rows, kinds).mean(axis=2).transpose(0, 2, 1, 3)
        result.append(Block(block.name + RESIDUAL, np.ascontiguousarray(own, np.float32), block.parts))
    return tuple(result)


def _folds(groups: Sequence[str]) -> NDArray[np.intp]:
    """[N] the fold of each repetition: whole videos, or single repetitions where there are too few videos."""
    videos = {video: number for number, video in enumerate(dict.fromkeys(groups))}
    numbers = [videos[group] for group in groups] if len(videos) >= _FOLDS else range(len(groups))
    return np.array([number % _FOLDS for number in numbers], np.intp)


# For each layer its taps, its channels in and out (0: those of the data), and what follows it.
_SHAPES = (
    (3, 0, _WIDTH, "halve"),
    (3, _WIDTH, _WIDTH, "halve"),
    (1, _WIDTH, _LATENT, ""),
    (3, _LATENT, _WIDTH, "double"),
    (3, _WIDTH, _WIDTH, "double"),
    (3, _WIDTH, 0, ""),
)
_LAYERS = len(_SHAPES)


def _forward(values: Floats, layers: _Layers) -> Floats:
    """[N, T, C] the reconstruction of sequences."""
    for (taps, _, _, then), (weight, bias) in zip(_SHAPES, layers, strict=True):
        if taps == 3:
            padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
            values = np.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=2)
        values = values @ weight + bias
        if then:
            values = np.maximum(values, 0.0)
            count, length, width = values.shape
            halved = then == "halve"
            values = values.reshape(count, length // 2, 2, width).mean(2) if halved else values.repeat(2, axis=1)
    return values


def _forward_all(values: torch.Tensor, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The same by G networks at once: values [G, N, T, C], weights [G, taps * in, out] and biases [G, 1, out]."""
    import torch

    for (taps, _, _, then), (weight, bias) in zip(_SHAPES, layers, strict=True):
        if taps == 3:
            padded = torch.nn.functional.pad(values, (0, 0, 1, 1))
            values = torch.cat([padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]], dim=-1)
        networks, count, length, width = values.shape
        flat = values.reshape(networks, count * length, width)
        values = torch.baddbmm(bias, flat, weight).view(networks, count, length, -1)
        if then == "halve":
            values = torch.relu(values).view(networks, count, length // 2, 2, -1).mean(dim=3)
        elif then == "double":
            values = torch.relu(values).repeat_interleave(2, dim=2)
    return values


def _initial(networks: int, channels: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Uniform within 1 / sqrt(taps * in), as torch's own convolutions begin."""
    import torch

    layers = []
    for taps, before, after, _ in _SHAPES:
        inputs, outputs = taps * (before or channels), after or channels
        bound = 1.0 / math.sqrt(inputs)
        weight = torch.empty(networks, inputs, outputs).uniform_(-bound, bound).requires_grad_()
        bias = torch.empty(networks, 1, outputs).uniform_(-bound, bound).requires_grad_()
        layers.append((weight, bias))
    return layers


def _held_out_loss(
    data: torch.Tensor,
    noise: torch.Tensor,
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]],
    fold: NDArray[np.intp],
) -> float:
    """The mean squared error with which the networks take noise from the repetitions that they have not seen."""
    import torch

    total = 0.0
    with torch.no_grad():
        for number in range(_FOLDS):
            mine = torch.from_numpy(np.flatnonzero(fold == number))
            clean = data[mine][None]
            own = [(weight[number + 1, None], bias[number + 1, None]) for weight, bias in layers]
            found = _forward_all(clean + noise[mine], own)
            total += float(((found - clean) ** 2).mean(dim=(0, 2, 3)).sum())
    return total / len(data)
