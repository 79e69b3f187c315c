"""A chest of ellipsoids and tubes, small and exact, and the same chest lying otherwise."""

from functools import cache

import numpy as np
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.findings import EmbolismFinding, Embolus
from models.volume import LabelVoxels, Volume

SHAPE, STEP_MM = (30, 66, 80), (5.0, 4.0, 4.5)
HERE = (-120.0, -150.0, -400.0)  # LPS of the first voxel
# Of each vessel: side, towards the back, towards the head; where it begins.
VESSELS = (((-1, 0.1, 0.4), (-20, 10, 0)), ((1, 0.3, 0.2), (20, -10, 20)), ((1, 0, 0), (20, 20, 5)))


@cache
def chest() -> tuple[Volume, LabelVoxels]:
    """Air, a body with two lungs, a spine, three vessels; emboli 1 and 2 in the first two."""
    z, y, x = np.meshgrid(
        *((np.arange(n) - n / 2 + 0.5) * step for n, step in zip(SHAPE, STEP_MM, strict=True)),
        indexing="ij",
    )
    hu = np.full(SHAPE, -1000.0)
    hu[(x / 165) ** 2 + (y / 115) ** 2 < 1] = 40
    for side in (-1, 1):
        hu[((x - side * 75) / 60) ** 2 + (y / 85) ** 2 + ((z + 10) / 110) ** 2 < 1] = -820
    hu[(x / 14) ** 2 + ((y - 75) / 14) ** 2 < 1] = 700
    things = np.zeros(SHAPE, np.uint8)
    for k, (way, (x0, y0, z0)) in enumerate(VESSELS, start=1):
        along = np.array(way) / np.linalg.norm(way)
        a = (x - x0) * along[0] + (y - y0) * along[1] + (z - z0) * along[2]
        away = (x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2 - a**2
        tube = (a > -15) & (a < 80) & (away < 8**2)
        hu[tube] = 340
        if k < 3:
            clot = tube & (a > 30) & (a < 50)
            hu[clot] = 60
            things[clot] = k
    hu = ndimage.gaussian_filter(hu, 0.4)
    affine = np.diag([STEP_MM[2], STEP_MM[1], STEP_MM[0], 1.0])
    affine[:3, 3] = HERE
    return Volume(hu.round().astype(np.int16), affine), things


@cache
def lying() -> tuple[Volume, LabelVoxels]:
    """The same chest stored otherwise: slices from left to right, rows to the head."""
    volume, things = chest()
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = volume.affine[:3, 1], volume.affine[:3, 2]
    affine[:3, 2] = -volume.affine[:3, 0]
    affine[:3, 3] = volume.affine[:3, 3] + volume.affine[:3, 0] * (SHAPE[2] - 1)
    turned, labels = (
        np.ascontiguousarray(voxels.transpose(2, 0, 1)[::-1]) for voxels in (volume.voxels, things)
    )
    return Volume(turned, affine), labels


def embolus(volume: Volume, place: tuple[float, float, float], mm: float, score: float) -> Embolus:
    x, y, z = (float(side) for side in volume.to_mm(place))
    return Embolus(place, (x, y, z), mm, score)


def nearest_to_centre(things: LabelVoxels, label: int) -> list[float]:
    """The voxel of a thing that lies nearest to its centre of mass, so that it is inside."""
    where = np.argwhere(things == label)
    away = ((where - where.mean(axis=0)) ** 2).sum(axis=1)
    return [float(side) for side in where[np.argmin(away)]]


def found(volume: Volume, things: LabelVoxels, *scores: float) -> EmbolismFinding:
    """A finding of the first emboli, one for each score."""
    places = [nearest_to_centre(things, label) for label in range(1, len(scores) + 1)]
    emboli = tuple(
        embolus(volume, (float(z), float(y), float(x)), 9.0, score)
        for (z, y, x), score in zip(places, scores, strict=True)
    )
    return EmbolismFinding(bool(emboli), max(scores, default=0.02), emboli)
