"""A chest seen from the front without its ribs and spine: the lungs and what is between them.

A maximum of all there is would show bones and hide the vessels. Where the lungs end in front and
behind is known from their gas, on a coarse grid, which is good enough to leave bones out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.volume import AIR_HU, Volume, Voxels

Where = NDArray[np.bool_]

COARSE_MM = 4.0
GAS_HU, TISSUE_HU = -400, -200
LEAST_ML = 100.0  # of gas in a lung; with less there is nothing to go by
LEAST_SHARE = 0.2  # of the larger lung: a smaller one is a stomach, or a gap beside an arm
LEAST_DEEP_MM = 30.0  # a column with less gas is a windpipe, or lung behind the heart alone


class Extent(NamedTuple):
    """Between which rows, front and back included, a column of [z, x] is looked at."""

    front: NDArray[np.int64]
    back: NDArray[np.int64]


def seen_from_front(turned: Volume) -> tuple[Voxels, bool]:
    """The brightest voxel [z, x] of an upright volume, and whether bones could be left out."""
    extent = _extent(turned)
    if extent is None:
        return np.asarray(turned.voxels.max(axis=1)), False
    used = extent.back >= extent.front
    first, last = int(extent.front[used].min()), int(extent.back[used].max())
    rows = np.arange(first, last + 1)[:, None]
    seen = np.empty((turned.voxels.shape[0], turned.voxels.shape[2]), dtype=np.int16)
    for z, plane in enumerate(turned.voxels):
        inside = (rows >= extent.front[z]) & (rows <= extent.back[z])
        seen[z] = np.where(inside, plane[first : last + 1], AIR_HU).max(axis=0)
    return seen, True


def _extent(turned: Volume) -> Extent | None:
    """On the volume's own grid; None where no lungs are to be seen."""
    step = np.maximum(1, np.round(COARSE_MM / np.array(turned.spacing_mm))).astype(int)
    coarse = turned.voxels[:: step[0], :: step[1], :: step[2]]
    lungs = _lungs(coarse, float(np.prod(step * turned.spacing_mm)) / 1000)
    if lungs is None:
        return None
    rows = lungs.shape[1]
    front, back = lungs.argmax(axis=1), rows - 1 - lungs[:, ::-1].argmax(axis=1)
    used = lungs.any(axis=1) & ((back - front) * COARSE_MM >= LEAST_DEEP_MM)
    for z in np.flatnonzero(used.any(axis=1)):
        columns = np.flatnonzero(used[z])
        between = np.zeros(used.shape[1], dtype=bool)
        between[columns[0] : columns[-1] + 1] = True
        between &= ~used[z]
        # The spine lies behind the lungs' middle, the arteries' trunk in front of it.
        front[z, between] = front[z, used[z]].min()
        back[z, between] = int(np.nonzero(lungs[z])[0].mean())
        used[z] |= between
    return _fine(front, back, used, step, turned)


def _fine(
    front: NDArray[np.int64], back: NDArray[np.int64], used: Where, step: NDArray[np.int64],
    turned: Volume,
) -> Extent:  # fmt: skip
    """Smoothed, a little narrower than the lungs, so that ribs stay out, and on every column."""
    nearest = ndimage.distance_transform_edt(~used, return_distances=False, return_indices=True)
    edges = (
        ndimage.maximum_filter(front[tuple(nearest)], 3),
        ndimage.minimum_filter(back[tuple(nearest)], 3),
        used,
    )
    places = np.meshgrid(
        *(np.arange(n) / s for n, s in zip(turned.voxels.shape[::2], step[::2], strict=True)),
        indexing="ij",
    )
    front_at, back_at, used_at = (
        ndimage.map_coordinates(edge.astype(np.float32), places, order=1, mode="nearest")
        for edge in edges
    )
    back_at = np.where(used_at >= 0.5, back_at * step[1], -1)
    return Extent(np.ceil(front_at * step[1]).astype(int), np.floor(back_at).astype(int))


def _lungs(coarse: Voxels, voxel_ml: float) -> Where | None:
    """Gas that has the body before, behind, right and left of it, in large pieces."""
    gas, body = coarse < GAS_HU, _largest(coarse > TISSUE_HU)  # a couch is no body
    for axis in (1, 2):
        gas &= np.logical_or.accumulate(body, axis)
        gas &= np.flip(np.logical_or.accumulate(np.flip(body, axis), axis), axis)
    labels, _ = ndimage.label(ndimage.binary_opening(gas, np.ones((1, 3, 3), dtype=bool)))
    sizes = np.bincount(labels.ravel()) * voxel_ml
    sizes[0] = 0.0
    if sizes.max() < LEAST_ML:
        return None
    return np.asarray((sizes >= LEAST_SHARE * sizes.max())[labels])


def _largest(there: Where) -> Where:
    labels, _ = ndimage.label(there)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((labels == sizes.argmax()) & there)
