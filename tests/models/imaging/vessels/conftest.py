"""A small chest of tubes: two lungs, a branching tree full of contrast, dark stretches in it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.volume import Volume

Place = tuple[float, float, float]  # mm, z y x

LUNG_HU, TISSUE_HU, CLOT_HU = -850.0, 40.0, 60.0


@dataclass
class Chest:
    """A chest painted tube by tube, on voxels of `spacing` (z, y, x) mm."""

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    size_mm: tuple[float, float, float] = (90.0, 130.0, 180.0)
    lumen_hu: float = 350.0
    noise_hu: float = 15.0
    body_fills: bool = False
    voxels: NDArray[np.float32] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        shape = tuple(round(a / b) for a, b in zip(self.size_mm, self.spacing, strict=True))
        self.voxels = np.full(shape, TISSUE_HU if self.body_fills else -1000.0, dtype=np.float32)
        self.labels = np.zeros(shape, dtype=np.uint8)
        middle = np.array(self.size_mm) / 2
        wide = np.array([1e4, 0.46 * self.size_mm[1], 0.47 * self.size_mm[2]])
        self._ball(middle, wide, TISSUE_HU)
        for side in (-1, 1):
            lung = np.array(
                [self.size_mm[0] * 0.7, self.size_mm[1] * 0.32, self.size_mm[2] * 0.155]
            )
            self._ball(middle + np.array((0, 0, side * self.size_mm[2] * 0.24)), lung, LUNG_HU)

    def _axes(self) -> list[NDArray[np.float32]]:
        return [
            ((np.arange(n, dtype=np.float32) + 0.5) * s).reshape(
                [-1 if k == a else 1 for k in range(3)]
            )
            for a, (n, s) in enumerate(zip(self.voxels.shape, self.spacing, strict=True))
        ]

    def _ball(self, centre: NDArray[np.float64], radii: NDArray[np.float64], hu: float) -> None:
        where = sum(
            ((axis - c) / r) ** 2 for axis, c, r in zip(self._axes(), centre, radii, strict=True)
        )
        self.voxels[where <= 1] = hu

    def tube(self, start: Place, end: Place, radius_mm: float, hu: float | None = None) -> None:
        """A cylinder with round ends, its rim shared with what is around it."""
        share = self._share(start, end, radius_mm)
        value = self.lumen_hu if hu is None else hu
        self.voxels += share * (value - self.voxels)

    def clot(self, start: Place, end: Place, radius_mm: float) -> None:
        """A dark stretch, the next thing of the truth."""
        share = self._share(start, end, radius_mm)
        self.voxels += share * (CLOT_HU - self.voxels)
        self.labels[share > 0.5] = self.labels.max() + 1

    def _share(self, start: Place, end: Place, radius_mm: float) -> NDArray[np.float32]:
        a, b = np.array(start, dtype=np.float32), np.array(end, dtype=np.float32)
        axes = self._axes()
        along = sum((axis - p) * d for axis, p, d in zip(axes, a, b - a, strict=True)) / max(
            float(((b - a) ** 2).sum()), 1e-6
        )
        t = np.clip(along, 0, 1)
        square = sum((axis - p - t * d) ** 2 for axis, p, d in zip(axes, a, b - a, strict=True))
        return np.clip((radius_mm - np.sqrt(square)) / 1.0 + 0.5, 0, 1).astype(np.float32)

    def tree(self) -> "Chest":
        """A trunk between the lungs, and in each lung a branch of three generations."""
        z, y, x = (side / 2 for side in self.size_mm)
        self.tube((z - 30, y, x), (z + 20, y, x), 12)
        for s in (-1, 1):
            hilum = (z, y, x + s * 25)
            self.tube((z, y, x), hilum, 7)
            for up in (-1, 1):
                fork = (z + up * 14, y - 8, x + s * 42)
                self.tube(hilum, fork, 3.5)
                self.tube(fork, (z + up * 30, y - 20, x + s * 52), 2.0)
                self.tube(fork, (z + up * 22, y + 16, x + s * 60), 2.0)
        return self

    def clots(self) -> "Chest":
        """One in the trunk, one at the hilum, one lobar (to the wall), two peripheral (to both)."""
        z, y, x = (side / 2 for side in self.size_mm)
        self.clot((z - 12, y, x - 3), (z + 4, y, x + 2), 4)
        self.clot((z, y + 2.5, x + 16), (z + 1, y + 2.5, x + 24), 3)
        self.clot((z + 6, y - 3.5, x - 33), (z + 10, y - 6, x - 38), 3.5)
        self.clot((z - 18, y - 11, x + 44.5), (z - 24, y - 15.5, x + 48), 2.0)
        self.clot((z + 17, y + 1, x - 48), (z + 20, y + 10, x - 55), 2.0)
        return self

    def volume(self) -> Volume:
        rng = np.random.default_rng(7)
        sigma = [0.5 / s for s in self.spacing]
        seen = ndimage.gaussian_filter(self.voxels, sigma)
        seen += rng.normal(0, self.noise_hu, seen.shape).astype(np.float32)
        z, y, x = self.spacing
        affine = np.diag([x, y, z, 1.0])
        affine[:3, 3] = (-90.0, -60.0, 12.0)
        return Volume(np.round(seen).astype(np.int16), affine)


@pytest.fixture(scope="session")
def chest() -> Callable[..., Chest]:
    return Chest
