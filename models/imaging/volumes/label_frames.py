"""Marked slices, each with its own place in the patient, put together to one grid of labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.bounds import VOXELS_MAX
from models.imaging.volumes.label_grid import LabelGrid
from models.imaging.volumes.stacking import usual_gap
from models.volume import LabelVoxels, VolumeError

Floats = NDArray[np.float64]
SLICES_MAX = 20_000
_ON_GRID = 0.25  # of the gap: nearer frames are on it


@dataclass(frozen=True)
class Frames:
    """The grid of `count` slices that frames lie on, and which of its slices each frame fills.

    A frame fills its own slice, and those without a frame that it is the nearest to, as far as
    it reaches. `affine` as of a Volume.
    """

    slices: tuple[tuple[int, ...], ...]
    count: int
    affine: Floats


def arranged(
    points: Floats,
    directions: tuple[Floats, Floats, Floats],
    pixel_mm: Sequence[float],
    gap: float,
    reach: float,
) -> Frames:
    """Of frames at `points` [n, 3] (LPS mm of their first pixel).

    `directions` are along a row, along a column, and the normal. `gap` bounds that of the grid
    (frames may be missing) and stands for it where all frames lie at one place; `reach` is how
    many gaps a frame reaches beyond its own slice.
    """
    across, down, normal = directions
    along = points @ normal
    order = np.argsort(along, kind="stable")
    first, last = points[order[0]], points[order[-1]]
    heights, which = np.unique(np.round(along - along.min(), 2), return_inverse=True)
    taken, unit = _taken(heights, gap, reach)
    step = (last - first) * (unit / heights[-1]) if len(heights) > 1 else normal * unit
    affine = np.eye(4)
    affine[:3] = np.stack([across * pixel_mm[1], down * pixel_mm[0], step, first], axis=1)
    count = 1 + max(z for slices in taken for z in slices)
    return Frames(tuple(taken[place] for place in which), count, affine)


def _taken(heights: Floats, gap: float, reach: float) -> tuple[list[tuple[int, ...]], float]:
    """Which slices the frames at each of the ascending heights fill, and the gap of slices."""
    if len(heights) == 1:
        return [(0,)], gap
    unit = min(gap, usual_gap(heights))
    if heights[-1] > SLICES_MAX * unit:
        raise VolumeError(
            "too_large",
            f"slices of the mask lie {unit:.2f} mm apart over {heights[-1]:.0f} mm; at most "
            f"{SLICES_MAX:,} are read",
        )
    whole = np.concatenate([[0], np.cumsum(np.maximum(np.rint(np.diff(heights) / unit), 1))])
    even = float(heights[-1] / whole[-1])
    if np.abs(heights - whole * even).max() <= _ON_GRID * even:
        unit, places = even, whole
    else:  # on no grid: a slice between two frames belongs to the nearer one
        places, reach = heights / unit, max(reach, 1.0)
    fills: list[list[int]] = [[] for _ in heights]
    for z in range(int(places[-1] + 1e-6) + 1):
        distance = np.abs(places - z)
        if distance.min() <= reach + 1e-6:
            fills[int(distance.argmin())].append(z)
    return [tuple(slices) for slices in fills], unit


def filled(
    frames: Frames, size: tuple[int, int], pictures: Iterable[NDArray[np.uint8]], sparse: bool
) -> LabelGrid:
    """Labels of the frames' pictures, in the frames' order. Of two at one place the first is on
    top where both mark something.
    """
    if frames.count * size[0] * size[1] > VOXELS_MAX:
        raise VolumeError(
            "too_large",
            f"{frames.count} x {size[0]} x {size[1]} voxels of the mask; at most {VOXELS_MAX:,} "
            "are read",
        )
    labels: LabelVoxels = np.zeros((frames.count, *size), dtype=np.uint8)
    for slices, picture in zip(frames.slices, pictures, strict=True):
        for z in slices:
            np.copyto(labels[z], picture, where=labels[z] == 0)
    return LabelGrid(labels, frames.affine, sparse=sparse)
