"""Tubes laid into voxels: how much of each voxel a row of capsules covers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom.grid import Field, Grid, Points

SOFT_REACH = 2.2  # radii to which a soft tube is followed


@dataclass(frozen=True, eq=False)
class Tubes:
    """Capsules from `starts` to `ends` [n, 3] in mm, their radii [n] there."""

    starts: Points
    ends: Points
    first_mm: NDArray[np.float64]
    last_mm: NDArray[np.float64]

    def grown(self, by_mm: float) -> "Tubes":
        """The same, thicker (or thinner; what would be thinner than nothing is left out)."""
        keep = np.maximum(self.first_mm, self.last_mm) + by_mm > 0.2
        first, last = (np.maximum(r[keep] + by_mm, 0.1) for r in (self.first_mm, self.last_mm))
        return Tubes(self.starts[keep], self.ends[keep], first, last)


def line(places: Points, radii_mm: NDArray[np.float64]) -> Tubes:
    """The tubes along a row of places [n, 3]."""
    return Tubes(places[:-1], places[1:], radii_mm[:-1], radii_mm[1:])


def joined(*several: Tubes) -> Tubes:
    """All of them as one set; none of none."""
    none = Tubes(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))
    rows = (none, *several)
    return Tubes(
        np.concatenate([tubes.starts for tubes in rows]),
        np.concatenate([tubes.ends for tubes in rows]),
        np.concatenate([tubes.first_mm for tubes in rows]),
        np.concatenate([tubes.last_mm for tubes in rows]),
    )


def paint(cover: Field, grid: Grid, tubes: Tubes, *, soft: bool = False) -> None:
    """Raises `cover` [z, y, x] to the share of each voxel that the tubes fill.

    Thin tubes are looked at in several places of a voxel, all in at least two of a thick slice.
    A soft tube has no border: it fades as exp(-(distance / radius)^2).
    """
    places: dict[tuple[int, int], NDArray[np.float64]] = {}
    for number, box in _boxes(grid, tubes, SOFT_REACH if soft else 1.0):
        radius = float(max(tubes.first_mm[number], tubes.last_mm[number]))
        times = _times(grid, radius, soft)
        axes = [
            _fine(places, grid, axis, times[axis])[box[axis][0] * n : box[axis][1] * n]
            - tubes.starts[number][2 - axis]
            for axis, n in enumerate(times)
        ]
        width = grid.spacing_mm[2] / times[2]
        filled = _capsule(axes, tubes, number, None if soft else width)
        if max(times) > 1:
            sizes = [side for (low, high), n in zip(box, times, strict=True)
                     for side in (high - low, n)]  # fmt: skip
            filled = np.add.reduce(filled.reshape(sizes), (1, 3, 5)) * np.float32(
                1 / np.prod(times)
            )
        part = cover[tuple(slice(low, high) for low, high in box)]
        np.maximum(part, filled, out=part)


def _boxes(grid: Grid, tubes: Tubes, reach: float) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """The tubes that touch the grid, each with its half-open box of voxels (z, y, x)."""
    radius = reach * np.maximum(tubes.first_mm, tubes.last_mm)[:, None]
    spacing, origin = np.array(grid.spacing_mm), np.array(grid.origin_mm[::-1])
    low = np.minimum(tubes.starts, tubes.ends) - radius
    high = np.maximum(tubes.starts, tubes.ends) + radius
    first = np.floor((low[:, ::-1] - origin) / spacing).astype(int)
    last = np.ceil((high[:, ::-1] - origin) / spacing).astype(int) + 1
    first, last = np.maximum(first, 0), np.minimum(last, grid.shape)
    for number in np.flatnonzero((first < last).all(axis=1)):
        yield int(number), list(zip(first[number].tolist(), last[number].tolist(), strict=True))


def _times(grid: Grid, radius: float, soft: bool) -> tuple[int, int, int]:
    """Into how many places a voxel is divided along z, y, x."""
    z, _, x = grid.spacing_mm
    if soft:
        return 1, 1, 1
    plane = 3 if radius < 0.6 * x else 2 if radius < 1.6 * x else 1
    return max(1, min(4, round(plane * z / x))), plane, plane


def _fine(
    known: dict[tuple[int, int], NDArray[np.float64]], grid: Grid, axis: int, times: int
) -> NDArray[np.float64]:
    """Millimetres of `times` places in each of the voxels along an axis."""
    if (axis, times) not in known:
        within = (np.arange(times) + 0.5) / times - 0.5
        places = grid.along(axis)[:, None] + within * grid.spacing_mm[axis]
        known[axis, times] = places.ravel()
    return known[axis, times]


def _capsule(
    axes: list[NDArray[np.float64]], tubes: Tubes, number: int, width: float | None
) -> Field:
    """Coverage by one capsule at places given relative to its start; width None = soft."""
    z, y, x = (
        axis.astype(np.float32).reshape([-1 if k == n else 1 for k in range(3)])
        for n, axis in enumerate(axes)
    )
    ux, uy, uz = (tubes.ends[number] - tubes.starts[number]).astype(np.float32).tolist()
    length2 = max(ux * ux + uy * uy + uz * uz, 1e-6)
    along = z * uz + y * uy + x * ux
    t = _limited(along * np.float32(1 / length2))
    apart = (z * z + y * y + x * x) - t * (2 * along - t * np.float32(length2))
    first, last = float(tubes.first_mm[number]), float(tubes.last_mm[number])
    radius = np.float32(first) + np.float32(last - first) * t
    if width is None:
        return np.asarray(np.exp(-apart / np.maximum(radius * radius, 1e-4)))
    away = np.sqrt(np.maximum(apart, 0))
    return _limited((radius - away) * np.float32(1 / width) + np.float32(0.5))


def _limited(values: Field) -> Field:
    """Between 0 and 1, in place; np.clip takes longer to begin than to do it."""
    np.maximum(values, 0, out=values)
    return np.minimum(values, 1, out=values)
