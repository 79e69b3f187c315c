"""Tobogganing: every voxel slides to the steepest neighbour until it can go no further; voxels
that come to rest at one place are a cluster.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
STEPS = tuple(step for step in product((-1, 0, 1), repeat=3) if step != (0, 0, 0))


def toboggan(height: NDArray[np.float32], least: float) -> tuple[Index, Index]:
    """Where each voxel above `least` ends on its way up: (voxels [n], summits [n]), as flat
    indices into `height` [z, y, x]. Equal neighbours: the one of the higher index is the higher.
    """
    wide = np.pad(height, 1, constant_values=-np.inf)
    voxels = np.flatnonzero(wide > least)
    flat = wide.ravel()
    best, best_height = voxels.copy(), flat[voxels]
    strides = (wide.shape[1] * wide.shape[2], wide.shape[2], 1)
    for step in STEPS:
        there = voxels + sum(a * b for a, b in zip(step, strides, strict=True))
        heights = flat[there]
        better = (heights > best_height) | ((heights == best_height) & (there > best))
        best = np.where(better, there, best)
        best_height = np.where(better, heights, best_height)
    summits = _ride(voxels, best)
    return _inner(voxels, wide.shape), _inner(summits, wide.shape)


def _ride(voxels: Index, best: Index) -> Index:
    """Follow every slide to its end, twice as far with each turn."""
    next_ = np.searchsorted(voxels, best)
    while True:
        further = next_[next_]
        if np.array_equal(further, next_):
            return np.asarray(voxels[next_])
        next_ = further


def _inner(padded: Index, shape: tuple[int, ...]) -> Index:
    z, y, x = np.unravel_index(padded, shape)
    inner = tuple(side - 2 for side in shape)
    return np.ravel_multi_index((z - 1, y - 1, x - 1), inner)
