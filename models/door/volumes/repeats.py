"""The same scan uploaded twice: volumes that share slices, voxel by voxel."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from models.door.duplicates import Pair
from models.volume import Volume, upright

SHARED_MIN = 0.5  # of the slices of the smaller volume


class Repeats:
    """Of every volume seen, eight bytes for each slice that shows something.

    Slices are looked at upright, so that DICOM and NIfTI of one series are found alike; a volume
    without its first slices, or with some lost, is still found.
    """

    def __init__(self) -> None:
        self._slices: list[frozenset[bytes]] = []

    def add(self, volume: Volume) -> None:
        seen = set()
        for slice_ in upright(volume).voxels:
            plain = np.ascontiguousarray(slice_)
            if plain.min() < plain.max():
                seen.add(hashlib.blake2b(plain.data, digest_size=8).digest())
        self._slices.append(frozenset(seen))

    def pairs(self, tick: Callable[[int, int], None] = lambda _done, _total: None) -> list[Pair]:
        """Every two volumes that share most slices of the smaller one, with the share."""
        owners: dict[bytes, list[int]] = defaultdict(list)
        shared: Counter[tuple[int, int]] = Counter()
        for second, slices in enumerate(self._slices):
            tick(second, len(self._slices))
            for digest in slices:
                shared.update((first, second) for first in owners[digest])
                owners[digest].append(second)
        found = []
        for (first, second), count in sorted(shared.items()):
            share = count / min(len(self._slices[first]), len(self._slices[second]))
            if share >= SHARED_MIN:
                found.append(Pair(first, second, share))
        return found
