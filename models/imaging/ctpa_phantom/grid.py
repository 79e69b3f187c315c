"""Where voxels lie: the scanner's grid, the body's own coordinates, and fields known coarsely.

Millimetres are LPS (x to the left, y to the back, z to the head). A body stands in its own
coordinates around its carina; `Stance` says where that is in the scanner.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]  # [z, y, x]
Points = NDArray[np.float64]  # [..., 3], x, y, z in mm
COARSE_MM = 4.0  # of smooth shapes; their borders are found between these points
MARGIN = 2  # coarse points beyond the grid


@dataclass(frozen=True)
class Grid:
    """Voxels of a scan, or of some of its slices."""

    shape: tuple[int, int, int]  # z, y, x
    spacing_mm: tuple[float, float, float]  # z, y, x
    origin_mm: tuple[float, float, float]  # x, y, z of the first voxel's centre

    def part(self, first: int, last: int) -> "Grid":
        """The slices from `first` up to before `last`."""
        x, y, z = self.origin_mm
        origin = (x, y, z + first * self.spacing_mm[0])
        return Grid((last - first, *self.shape[1:]), self.spacing_mm, origin)

    def along(self, axis: int) -> NDArray[np.float64]:
        """Millimetres of the voxels' centres along array axis 0 = z, 1 = y, 2 = x."""

        steps = np.arange(self.shape[axis], dtype=np.float64)
        return np.asarray(self.origin_mm[2 - axis] + steps * self.spacing_mm[axis])

    @property
    def affine(self) -> NDArray[np.float64]:
        """(x, y, z) index -> LPS mm."""
        affine = np.diag([*self.spacing_mm[::-1], 1.0])
        affine[:3, 3] = self.origin_mm
        return affine


@dataclass(frozen=True, eq=False)
class Stance:
    """How a body lies in the scanner: turned, of its size, shifted."""

    turn: NDArray[np.float64]  # [3, 3]
    size: NDArray[np.float64]  # [3], factors along the body's x, y, z
    shift_mm: NDArray[np.float64]  # [3]

    def to_scanner(self, places: Points) -> Points:
        return np.asarray((places * self.size) @ self.turn.T + self.shift_mm)

    def to_body(self, places_mm: Points) -> Points:
        return np.asarray(((places_mm - self.shift_mm) @ self.turn) / self.size)


def stance(rng: np.random.Generator, tilt_deg: float, size: float, spread: float = 0.05) -> Stance:
    """A body tilted by some degrees about each axis, its sides of unlike size."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(rng.normal(0, tilt_deg, 3)).tolist()):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    sides = size * rng.uniform(1 - spread, 1 + spread, 3)
    return Stance(turn, sides, rng.normal(0, 3.0, 3))


class Coarse:
    """Points every COARSE_MM around a grid, and the way from values there to every voxel."""

    def __init__(self, grid: Grid) -> None:
        self.start = [along - MARGIN * COARSE_MM for along in grid.origin_mm[::-1]]  # z, y, x
        reach = [(n - 1) * side for n, side in zip(grid.shape, grid.spacing_mm, strict=True)]
        self.shape = tuple(int(np.ceil(side / COARSE_MM)) + 2 * MARGIN + 1 for side in reach)

    def points(self) -> Points:
        """[z, y, x, 3] in millimetres of the scanner."""
        z, y, x = (
            start + COARSE_MM * np.arange(n)
            for start, n in zip(self.start, self.shape, strict=True)
        )
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        return np.stack([xx, yy, zz], axis=-1)

    def noise(self, rng: np.random.Generator, size_mm: float) -> Field:
        """A smooth random field of mean 0 and variance about 1, blobs of about `size_mm`."""
        step = max(size_mm / COARSE_MM / 2, 1.0)
        knots = tuple(int(np.ceil(n / step)) + 4 for n in self.shape)
        field = rng.standard_normal(knots, dtype=np.float32)
        for axis, n in enumerate(self.shape):
            field = np.moveaxis(np.tensordot(_weights(np.arange(n) / step + 1, knots[axis]),
                                             field, (1, axis)), 0, axis)  # fmt: skip
        return np.asarray(field / (field.std() + 1e-6), np.float32)

    def up(self, field: Field, grid: Grid) -> Field:
        """The field at every voxel of `grid`, by cubic interpolation."""
        z, y, x = (
            _weights((grid.along(axis) - self.start[axis]) / COARSE_MM, self.shape[axis])
            for axis in range(3)
        )
        slices = np.tensordot(z, field, (1, 0))
        return np.asarray(np.matmul(np.matmul(y, slices), x.T), np.float32)


def _weights(places: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """[n, count]: Catmull-Rom weights that read a row of `count` values at `places`."""
    low = np.clip(np.floor(places).astype(int), 1, count - 3)
    t = np.clip(places - low, -1, 2)[:, None]
    four = np.concatenate(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2],
        axis=1,
    ) / 2  # fmt: skip
    weights = np.zeros((len(places), count), np.float32)
    np.put_along_axis(weights, low[:, None] + np.arange(-1, 3), four.astype(np.float32), axis=1)
    return weights
