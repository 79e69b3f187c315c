"""The frozen prefix: what frozen layers make of patches, computed, or read where it is stored.

Frozen layers give the same output for the same patch for ever, bit for bit if two rules are kept:
they always see batches of exactly FROZEN_BATCH (kernels may sum in another order for another
batch size), and maps always have one memory layout at the border between layers. With them a run
on cached maps (cache.py) and a run on pixels end in the same weights.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbone import Backbone
from models.spec import Numerics
from models.tuning.device import precision
from models.tuning.network import State, onward, taps_of
from models.tuning.patches.sets import PatchSet

FROZEN_BATCH = 32


def canonical(maps: Tensor) -> Tensor:
    """The one memory layout of maps between layers."""
    if maps.ndim == 4:
        return maps.contiguous(memory_format=torch.channels_last)
    return maps.contiguous()


def advance(layers: Iterable[nn.Module], maps: Tensor) -> Tensor:
    """Maps through a row of frozen layers, in batches of exactly FROZEN_BATCH."""
    layers = list(layers)

    def through(state: State) -> State:
        (part,) = state
        for layer in layers:
            part = canonical(layer(part))
        return (part,)

    return _in_batches(through, (maps,))[0] if layers else maps


def answer(network: nn.Sequential, start: int, state: State) -> Tensor:
    """Logits from the state behind `start` layers, without gradients, in the same batches."""

    def through(part: State) -> State:
        for k in range(start, len(network)):
            part = tuple(canonical(maps) for maps in onward(network, k, part))
        return part

    return _in_batches(through, state)[0]


def _in_batches(work: Callable[[State], State], state: State) -> State:
    """Applies `work` to batches of exactly FROZEN_BATCH, filled up where short."""
    done: list[State] = []
    with torch.no_grad():
        for part in zip(*(torch.split(maps, FROZEN_BATCH) for maps in state), strict=True):
            count = len(part[0])
            found = work(part if count == FROZEN_BATCH else tuple(_filled(m) for m in part))
            done.append(tuple(maps[:count] for maps in found))
    if len(done) == 1:
        return done[0]
    return tuple(torch.cat(parts) for parts in zip(*done, strict=True))


def _filled(maps: Tensor) -> Tensor:
    filling = maps[-1:].expand(FROZEN_BATCH - len(maps), *maps.shape[1:])
    return canonical(torch.cat([maps, filling]))


def borders(network: nn.Sequential, border: int) -> tuple[int, ...]:
    """Behind which layers the maps lie that make up the state at `border`: skips, then itself."""
    return (*(tap + 1 for tap in taps_of(network) if tap + 1 < border), border)


@dataclass(frozen=True)
class Inputs:
    """Turns patches into the network's input: [n, size, size, 3] uint8 -> [n, 3, size, size]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, backbone: Backbone, device: torch.device) -> "Inputs":
        return cls(torch.tensor(backbone.mean).to(device), torch.tensor(backbone.std).to(device))

    def __call__(self, pixels: NDArray[np.uint8]) -> Tensor:
        raw = torch.from_numpy(pixels).to(self.mean.device)
        return raw.float().sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Maps:
    """The maps at one border, all patches of the set by flat index; 4-D maps lie channels last."""

    border: int  # how many layers lie before it
    array: NDArray[np.generic]  # [patches, ...]; bfloat16 as int16
    dtype: torch.dtype

    def take(self, flat: NDArray[np.int64], device: torch.device) -> Tensor:
        found = torch.from_numpy(np.asarray(self.array[flat]))
        if self.dtype == torch.bfloat16:
            found = found.view(torch.bfloat16)
        found = found.permute(0, 3, 1, 2) if found.ndim == 4 else found
        return found.to(device)


def storable(maps: Tensor) -> NDArray[np.generic]:
    maps = maps.permute(0, 2, 3, 1) if maps.ndim == 4 else maps
    maps = maps.contiguous().cpu()
    return np.asarray((maps.view(torch.int16) if maps.dtype == torch.bfloat16 else maps).numpy())


@dataclass(frozen=True)
class Features:
    """Where a run's tuned layers get their inputs: stored maps where there are some, or pixels.

    `maps` by border: how many layers lie before them.
    """

    patches: PatchSet
    inputs: Inputs
    network: nn.Sequential
    numerics: Numerics
    maps: Mapping[int, Maps] = field(default_factory=dict)

    def at(self, border: int, flat: NDArray[np.int64]) -> State:
        """The state of these patches (flat indices) behind `border` layers, which are frozen.

        What is not stored is computed from the nearest stored maps below it, or from the pixels.
        """
        wanted = borders(self.network, border)
        found: dict[int, Tensor] = {}
        with precision(self.numerics):
            for k in wanted:
                if k in self.maps:
                    found[k] = self.maps[k].take(flat, self.inputs.mean.device)
                    continue
                below = max((j for j in (*self.maps, *found) if j < k), default=0)
                if below not in found:
                    found[below] = self._below(below, flat)
                found[k] = advance(self.network[below:k], found[below])
        return tuple(found[k] for k in wanted)

    def _below(self, border: int, flat: NDArray[np.int64]) -> Tensor:
        if border == 0:
            return self.inputs(self.patches.pixels(flat))
        return self.maps[border].take(flat, self.inputs.mean.device)
