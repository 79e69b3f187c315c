"""The frozen prefix, computed once: its exact outputs on the whole patch set, kept on disk.

Frozen layers give the same output for the same patch for ever, bit for bit if two rules are kept:
they always see batches of exactly FROZEN_BATCH (kernels may sum in another order for another
batch size), and maps always have one memory layout at the border between layers. With them a run
on cached maps and a run on pixels end in the same weights.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbone import Backbone
from models.spec import Numerics
from models.tuning.device import precision
from models.tuning.patches import PatchSet
from models.tuning.plan import digest
from models.tuning.room import Tick, boot, locked, make_room, quiet, reserve, size_of, touch

FROZEN_BATCH = 32
# Keep a border's maps when computing them takes longer than moving so many bytes. Near the output
# that is always so; near the input the maps are several times larger than the patch itself.
BYTES_PER_S = 4e8
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def canonical(maps: Tensor) -> Tensor:
    """The one memory layout of maps between layers."""
    if maps.ndim == 4:
        return maps.contiguous(memory_format=torch.channels_last)
    return maps.contiguous()


def advance(layers: Iterable[nn.Module], maps: Tensor) -> Tensor:
    """Maps through frozen layers, in batches of exactly FROZEN_BATCH, filled up where short."""
    layers = list(layers)
    if not layers:
        return maps
    done = []
    with torch.no_grad():
        for part in torch.split(maps, FROZEN_BATCH):
            count = len(part)
            if count < FROZEN_BATCH:
                filling = part[-1:].expand(FROZEN_BATCH - count, *part.shape[1:])
                part = canonical(torch.cat([part, filling]))
            for layer in layers:
                part = canonical(layer(part))
            done.append(part[:count])
    return torch.cat(done) if len(done) > 1 else done[0]


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


def _storable(maps: Tensor) -> NDArray[np.generic]:
    maps = maps.permute(0, 2, 3, 1) if maps.ndim == 4 else maps
    maps = maps.contiguous().cpu()
    return np.asarray((maps.view(torch.int16) if maps.dtype == torch.bfloat16 else maps).numpy())


@dataclass(frozen=True)
class Features:
    """Where a run's tuned layers get their inputs: cached maps where there are some, or pixels."""

    patches: PatchSet
    inputs: Inputs
    network: nn.Sequential
    numerics: Numerics
    maps: Maps | None = None

    def at(self, border: int, flat: NDArray[np.int64]) -> Tensor:
        """The maps of these patches (flat indices) behind `border` layers, which must be frozen."""
        with precision(self.numerics):
            if self.maps is None:
                return advance(self.network[:border], self.inputs(self.patches.pixels(flat)))
            ready = self.maps.take(flat, self.inputs.mean.device)
            return advance(self.network[self.maps.border : border], ready)


class PrefixCache:
    """The cached maps of one network's layers on one patch set, in a folder with a byte budget."""

    def __init__(self, folder: Path, max_bytes: int, features: Features) -> None:
        self._folder, self._max_bytes, self._features = folder, max_bytes, features
        self._entry = folder / self._key()

    def _key(self) -> str:
        """Of all that the maps depend on: weights below the head, patches, numerics, torch."""
        network, numerics = self._features.network, self._features.numerics
        facts = [
            digest(network[:-1].state_dict().items()), self._features.patches.digest,
            numerics.device, numerics.dtype, numerics.threads, torch.__version__, FROZEN_BATCH,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def nearest(self, border: int) -> Maps | None:
        """The stored maps nearest below `border` layers, if any."""
        for k in range(border, 0, -1):
            found = self._marker(k)
            if found and found["stored"]:
                touch(self._entry)
                shape, dtype = tuple(found["shape"]), TYPES[found["dtype"]]
                return Maps(k, np.memmap(self._file(k), found["kept_as"], "r", shape=shape), dtype)
        return None

    def ensure(self, borders: Sequence[int], tick: Tick = quiet) -> None:
        """One pass over the patch set that stores the borders asked for, where worth storing."""
        with locked(self._entry.with_suffix(".lock"), tick):
            self._entry.mkdir(parents=True, exist_ok=True)
            missing = sorted({k for k in borders if k > 0 and self._marker(k) is None})
            if missing:
                self._store(missing, tick)

    def _file(self, border: int) -> Path:
        return self._entry / f"{border}.maps"

    def _marker(self, border: int) -> dict[str, Any] | None:
        """What was decided on a border since the machine started; None = nothing yet."""
        path = self._entry / f"{border}.json"
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text())
        return found if found["boot"] == boot() else None

    def _decide(self, border: int, facts: dict[str, Any]) -> None:
        temporary = self._entry / f"{border}.part"
        temporary.write_text(json.dumps({"boot": boot(), **facts}))
        temporary.replace(self._entry / f"{border}.json")

    def _store(self, missing: Sequence[int], tick: Tick) -> None:
        costs = probe(self._features, missing[-1])
        chosen = self._affordable([k for k in missing if worth(costs[k])], costs)
        arrays = {k: array for k in chosen if (array := self._reserved(k, costs[k])) is not None}
        if arrays:
            self._fill(arrays, tick)
        for k in missing:
            shape = (len(self._features.patches), *costs[k].shape)
            facts = {"shape": shape, "dtype": costs[k].dtype, "kept_as": costs[k].kept_as}
            self._decide(k, {"stored": k in arrays, **facts})

    def _affordable(self, wanted: Sequence[int], costs: dict[int, "Cost"]) -> list[int]:
        """The borders that fit the budget, those nearest the output first."""
        patches = self._folder.parent / "patches" / self._features.patches.digest[:32]
        left = self._max_bytes - (size_of(patches) if patches.is_dir() else 0)
        chosen = []
        for k in sorted(wanted, reverse=True):
            size = costs[k].bytes * len(self._features.patches)
            if size <= left:
                left -= size
                chosen.append(k)
        needed = sum(costs[k].bytes for k in chosen) * len(self._features.patches)
        make_room(self._folder.parent, needed, self._max_bytes, {self._entry, patches})
        return chosen

    def _reserved(self, border: int, cost: "Cost") -> NDArray[np.generic] | None:
        """Disk for the maps of one border; None when the disk, not the budget, has no room."""
        count = len(self._features.patches)
        try:
            reserve(self._file(border), cost.bytes * count)
        except OSError:
            self._file(border).unlink(missing_ok=True)
            return None
        return np.memmap(self._file(border), cost.kept_as, "r+", shape=(count, *cost.shape))

    def _fill(self, arrays: dict[int, NDArray[np.generic]], tick: Tick) -> None:
        """Unsynced on purpose: the next reader sees the page cache, a reboot voids the marker."""
        count, layers = len(self._features.patches), self._features.network[: max(arrays)]
        served = count - len(self._features.patches.validation)
        starts = [*range(0, served, FROZEN_BATCH), *range(served, count, FROZEN_BATCH)]
        for start in starts:
            end = min(start + FROZEN_BATCH, served if start < served else count)
            pixels = self._features.patches.pixels(np.arange(start, end))
            with precision(self._features.numerics):
                maps = self._features.inputs(pixels)
                for k, layer in enumerate(layers, start=1):
                    maps = advance([layer], maps)
                    if k in arrays:
                        arrays[k][start:end] = _storable(maps)
            tick("caching", end, count)


@dataclass(frozen=True)
class Cost:
    """What the maps of one border cost: `seconds` to compute per patch, `bytes` to keep."""

    seconds: float
    bytes: int
    pixels: int  # bytes of the patch itself
    shape: tuple[int, ...]
    dtype: str
    kept_as: str


def worth(cost: Cost) -> bool:
    return cost.bytes <= cost.pixels or cost.seconds > cost.bytes / BYTES_PER_S


def probe(features: Features, last: int) -> dict[int, Cost]:
    """Measures each border up to `last` on one batch, the second time round."""
    pixels = features.patches.pixels(np.zeros(FROZEN_BATCH, dtype=np.int64))
    costs: dict[int, Cost] = {}
    for _ in range(2):
        with precision(features.numerics):
            start = time.perf_counter()
            maps = features.inputs(pixels)
            for k, layer in enumerate(features.network[:last], start=1):
                maps = advance([layer], maps)
                seconds = (time.perf_counter() - start) / FROZEN_BATCH
                kept = _storable(maps[:1])
                dtype = str(maps.dtype).removeprefix("torch.")
                size = kept.nbytes
                facts = (pixels[0].nbytes, kept.shape[1:], dtype, str(kept.dtype))
                costs[k] = Cost(seconds, size, *facts)
    return costs
