"""The cached prefix: the exact outputs of frozen layers on the whole patch set, kept on disk."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.tuning.device import precision
from models.tuning.plan import digest
from models.tuning.prefix.features import FROZEN_BATCH, Features, Maps, advance, borders, storable
from models.tuning.room import Tick, boot, locked, make_room, quiet, reserve, size_of, touch

# Keep a border's maps when computing them takes longer than moving so many bytes. Near the output
# that is always so; near the input the maps are several times larger than the patch itself.
BYTES_PER_S = 4e8
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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

    def stored(self, border: int) -> dict[int, Maps]:
        """The stored maps of which the state at `border` can be made, or is nearest to be made.

        In a class network the nearest stored maps at or below the border; in a map network also
        those of every skip. What another process gives up meanwhile is not stored any more.
        """
        wanted = borders(self._features.network, border)
        found: dict[int, Maps] = {}
        for k in wanted:
            nearest = next((j for j in range(k, 0, -1) if self._is_stored(j)), None)
            maps = None if nearest is None else self._open(nearest)
            if maps is not None:
                found[maps.border] = maps
        if found:
            with suppress(FileNotFoundError):
                touch(self._entry)
        return found

    def _is_stored(self, border: int) -> bool:
        found = self._marker(border)
        return found is not None and bool(found["stored"])

    def _open(self, border: int) -> Maps | None:
        """The maps, or None if they were given up since they were seen; once open they stay."""
        facts = self._marker(border)
        if facts is None:
            return None
        try:
            array = np.memmap(
                self._file(border), facts["kept_as"], "r", shape=tuple(facts["shape"])
            )
        except FileNotFoundError:
            return None
        return Maps(border, array, TYPES[facts["dtype"]])

    def ensure(self, wanted: Sequence[int], tick: Tick = quiet) -> None:
        """One pass over the patch set that stores what these borders need, where worth storing."""
        network = self._features.network
        needed = {k for border in wanted if border > 0 for k in borders(network, border)}
        with locked(self._entry.with_suffix(".lock"), tick):
            self._entry.mkdir(parents=True, exist_ok=True)
            missing = sorted(k for k in needed if self._marker(k) is None)
            if missing:
                self._store(missing, tick)

    def _file(self, border: int) -> Path:
        return self._entry / f"{border}.maps"

    def _marker(self, border: int) -> dict[str, Any] | None:
        """What was decided on a border since the machine started; None = nothing yet."""
        try:
            text = (self._entry / f"{border}.json").read_text()
        except FileNotFoundError:
            return None
        found: dict[str, Any] = json.loads(text)
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
                        arrays[k][start:end] = storable(maps)
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
                kept = storable(maps[:1])
                dtype = str(maps.dtype).removeprefix("torch.")
                size = kept.nbytes
                facts = (pixels[0].nbytes, kept.shape[1:], dtype, str(kept.dtype))
                costs[k] = Cost(seconds, size, *facts)
    return costs
