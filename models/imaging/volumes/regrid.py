"""Slices onto a grid of even gaps at right angles: shifted within their plane, and interpolated
between neighbours. One slice is held at a time, and the one before it.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.stacking import Plan
from models.volume import AIR_HU, Voxels

_NEAR = 1e-6  # of a slice


def fill(plan: Plan, slices: Iterable[NDArray[np.int16]]) -> Voxels:
    """The voxels [z, y, x] of a plan; `slices` are its planes' HU [y, x] in their order."""
    voxels = np.empty((plan.count, *plan.size), dtype=np.int16)
    if plan.exact:
        for z, picture in enumerate(slices):
            voxels[z] = picture
        return voxels
    before: NDArray[np.float32] | None = None
    last = 0.0
    for place, shift, picture in zip(plan.places, plan.shifts, slices, strict=True):
        moved = shifted(picture, (float(shift[0]), float(shift[1])), plan.size)
        first = int(np.ceil(last - _NEAR))
        for z in range(first, min(int(place + _NEAR), plan.count - 1) + 1):
            voxels[z] = np.rint(_between(before, moved, (z - last) / max(place - last, _NEAR)))
        before, last = moved, float(place)
    return voxels


def _between(
    one: NDArray[np.float32] | None, other: NDArray[np.float32], part: float
) -> NDArray[np.float32]:
    """`part` = 0 is the one, 1 the other."""
    if one is None or part >= 1 - _NEAR:
        return other
    return one if part <= _NEAR else one + np.float32(part) * (other - one)


def shifted(
    picture: NDArray[np.int16], shift: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.float32]:
    """The picture `shift` pixels (down, right) inside of a slice of `size`, air around it."""
    canvas = np.full(size, AIR_HU, dtype=np.float32)
    rows, columns = picture.shape
    down, right = int(shift[0]), int(shift[1])
    canvas[down : down + rows, right : right + columns] = picture
    for axis, part in enumerate((shift[0] - down, shift[1] - right)):
        if part:
            moved = np.roll(canvas, 1, axis)
            moved[(slice(None),) * axis + (0,)] = AIR_HU
            canvas += np.float32(part) * (moved - canvas)
    return canvas


def nearest(plan: Plan) -> list[int]:
    """For each slice of the volume the plan's plane that lies nearest to it."""
    return [int(np.abs(plan.places - z).argmin()) for z in range(plan.count)]
