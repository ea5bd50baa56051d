"""A denoising autoencoder on what repetitions are compared by: the part that it cannot explain is compared as well.

It sees a repetition as a sequence, one step for each piece of time, and learns to take noise away from normal ones
(Vincent et al., "Stacked Denoising Autoencoders", JMLR 11, 2010, section 3). What it would change in a repetition, its
reconstruction less the input, estimates the gradient of the logarithm of the density of normal repetitions (Alain and
Bengio, "What Regularized Auto-Encoders Learn from the Data-Generating Distribution", JMLR 15, 2014, section 3): how,
and where, a repetition would have to change to become more usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anomaly.features import RESIDUAL, Block, Blocks
from pipeline.records import Floats

if TYPE_CHECKING:
    import torch

EPOCHS = 60
_BATCH = 16
# More steps than these 720 did not separate better.
_MOST_STEPS_PER_EPOCH = 12
_WIDTH, _LATENT = 64, 16
# As large as the spread of normal repetitions: with less of it, faults are reconstructed as well as normal ones.
_NOISE = 1.0
_LEARNING_RATE = 4e-3
_LEAST_SPREAD = 0.05
NETWORKS = 4

OnEpoch = Callable[[int, float, float], None]
"""Called with the number of an epoch that is done (from 1), its loss, and the loss on videos that were held out."""


@dataclass(frozen=True)
class Networks:
    """G trained autoencoders of sequences [N, T, C], each by other videos; they need numpy alone.

    mean, spread: [C] of the C channels over repetitions and time. layers: the weights [G, taps * in, out] and biases
    [G, 1, out] of six convolutions over one or three steps of time; time is halved after the first and the second and
    doubled after the fourth and the fifth.
    """

    mean: Floats
    spread: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    @staticmethod
    def load(arrays: Mapping[str, NDArray[Any]]) -> Networks:
        """The networks of what `arrays` gave. Raises KeyError where something is missing."""
        layers = (
            (arrays[f"network.weight.{layer}"].astype(np.float32), arrays[f"network.bias.{layer}"])
            for layer in range(_LAYERS)
        )
        return Networks(arrays["network.mean"], arrays["network.spread"], tuple(layers))

    @staticmethod
    def stored_in(arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Whether there is anything of `arrays` among these."""
        return any(name.startswith("network.") for name in arrays)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that they have learnt, by names for a model's file; weights in half precision."""
        arrays: dict[str, NDArray[Any]] = {"network.mean": self.mean, "network.spread": self.spread}
        for layer, (weight, bias) in enumerate(self.layers):
            arrays |= {f"network.weight.{layer}": weight.astype(np.float16), f"network.bias.{layer}": bias}
        return arrays

    def only(self, number: int) -> Networks:
        """One of the networks alone."""
        layers = ((weight[number : number + 1], bias[number : number + 1]) for weight, bias in self.layers)
        return Networks(self.mean, self.spread, tuple(layers))

    def residuals(self, blocks: Blocks) -> tuple[Blocks, ...]:
        """By each network and for each block what it would change in it, in the spread of its channel: blocks of the
        same shape and parts."""
        values = (sequences(blocks) - self.mean) / self.spread
        return tuple(_as_blocks(one - values, blocks) for one in _reconstructed(values, self.layers))


def fit_networks(
    blocks: Blocks, fold: NDArray[np.intp], seed: int = 0, on_epoch: OnEpoch | None = None, epochs: int = EPOCHS
) -> tuple[Networks, Blocks]:
    """Train on the blocks of N normal repetitions, in units of their scales.

    Four networks learn, each without a part of the repetitions. What is unexplained in a normal repetition is what the
    network that has not seen it says.

    Args:
        blocks: their pieces of time are a multiple of four, or divide one that is.
        fold: [N] the number 0..3 of the network that does not learn from each.
        seed: equal input and seed give equal networks.
        on_epoch: may raise to cancel.
        epochs: of batches of 16, as many as there are repetitions for, but at most twelve.

    Returns:
        The networks, and the residuals of each of the N repetitions by the network that has not seen it.

    Raises:
        ValueError: fewer than three repetitions, or pieces of time that cannot be halved twice.
    """
    import torch

    values = sequences(blocks)
    count, length, channels = values.shape
    if count < 3 or length % 4:
        raise ValueError(f"Expected 3 or more sequences of a multiple of 4 steps, got {count} of {length}.")
    mean = values.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    spread = (values.std(axis=(0, 1), dtype=np.float64) + _LEAST_SPREAD).astype(np.float32)
    values = (values - mean) / spread
    steps = min(-(-count // _BATCH), _MOST_STEPS_PER_EPOCH)
    # The caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        layers = _initial(channels)
        parameters = [tensor for layer in layers for tensor in layer]
        adam = torch.optim.AdamW(parameters, _LEARNING_RATE, weight_decay=0.01, fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, _LEARNING_RATE, total_steps=epochs * steps)
        data = torch.from_numpy(values)
        rows = [torch.from_numpy(np.flatnonzero(fold != number)) for number in range(NETWORKS)]
        held_out_noise = _NOISE * torch.randn_like(data)
        for epoch in range(epochs):
            total = 0.0
            for _ in range(steps):
                clean = data[torch.stack([own[torch.randint(len(own), (_BATCH,))] for own in rows])]
                noisy = clean + _NOISE * torch.randn_like(clean)
                loss = NETWORKS * ((_reconstructed_in_training(noisy, layers) - clean) ** 2).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
                rate.step()
                total += float(loss.detach()) / NETWORKS
            if on_epoch is not None:
                with torch.no_grad():
                    found = _reconstructed_in_training((data + held_out_noise).expand(NETWORKS, *data.shape), layers)
                    errors = ((found - data) ** 2).mean(dim=(2, 3)).numpy()
                on_epoch(epoch + 1, total / steps, float(errors[fold, np.arange(count)].mean()))
    learnt = tuple((weight.detach().numpy().copy(), bias.detach().numpy().copy()) for weight, bias in layers)
    unseen = _reconstructed(values, learnt)[fold, np.arange(count)] - values
    return Networks(mean, spread, learnt), _as_blocks(unseen, blocks)


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small networks gain nothing from a second thread, and lose much where it has to wait for other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def _reconstructed(values: Floats, layers: Sequence[tuple[Floats, Floats]]) -> Floats:
    """[G, N, T, C] sequences [N, T, C] by each of G networks."""
    values = np.broadcast_to(values, (len(layers[0][0]), *values.shape))
    for (taps, _, _, then), (weight, bias) in zip(_SHAPES, layers, strict=True):
        if taps == 3:
            padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (0, 0)))
            values = np.concatenate([padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]], axis=-1)
        networks, count, length, width = values.shape
        values = (values.reshape(networks, -1, width) @ weight + bias).reshape(networks, count, length, -1)
        if then == "halve":
            values = np.maximum(values, 0.0).reshape(networks, count, length // 2, 2, -1).mean(axis=3)
        elif then == "double":
            values = np.maximum(values, 0.0).repeat(2, axis=2)
    return values


def _reconstructed_in_training(
    values: torch.Tensor, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """The same as `_reconstructed` for values [G, N, T, C], with gradients."""
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


def _initial(channels: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Uniform within 1 / sqrt(taps * in), as torch's own convolutions begin."""
    import torch

    layers = []
    for taps, before, after, _ in _SHAPES:
        inputs, outputs = taps * (before or channels), after or channels
        bound = 1.0 / math.sqrt(inputs)
        weight = torch.empty(NETWORKS, inputs, outputs).uniform_(-bound, bound).requires_grad_()
        bias = torch.empty(NETWORKS, 1, outputs).uniform_(-bound, bound).requires_grad_()
        layers.append((weight, bias))
    return layers
