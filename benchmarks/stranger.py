"""A chest by another hand: ellipsoids, trees of straight tubes, clots that are tubes in them.

It shares nothing with models/imaging/ctpa_phantom, by which forests are fitted and chosen, but
what any CT angiography has. How much is found in it says what holds on volumes of another origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.ctpa_phantom import Thorax
from models.volume import LabelVoxels, Volume

Array = NDArray[np.float64]
Field = NDArray[np.float32]
SIDES = (-1.0, 1.0)  # along x: the patient's right and left
GENERATIONS, THINNEST_MM = 5, 1.2  # of branches, and how thin they get
LEAST_VOXELS = 8  # of a clot that can be seen


@dataclass(frozen=True, eq=False)
class Branch:
    start: Array  # z, y, x in mm
    end: Array
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Room:
    """The space drawn in: how many voxels (z, y, x), and their sides in mm."""

    shape: tuple[int, int, int]
    spacing_mm: Array

    @property
    def extent(self) -> Array:
        return np.asarray(np.array(self.shape) * self.spacing_mm)

    def places(self) -> list[Array]:
        rows = [np.arange(n) * step for n, step in zip(self.shape, self.spacing_mm, strict=True)]
        return list(np.meshgrid(*rows, indexing="ij", sparse=True))


def chest(rng: np.random.Generator, emboli: int | None = None) -> Thorax:
    """A scan with `emboli` clots (None: 2 to 5), its voxels between 1.2 and 2.4 mm wide."""
    pixel = rng.uniform(1.2, 2.4)
    spacing = np.array([rng.uniform(1.0, 3.0), pixel, pixel])
    depth, height, width = (
        round(mm / step) for mm, step in zip((240, 300, 320), spacing, strict=True)
    )
    room = Room((depth, height, width), spacing)
    lumen_hu, vein_hu = rng.uniform(280, 450), rng.uniform(90, 220)
    hu, lungs = _tissue(room)
    arteries: list[Branch] = []
    lumen, veins = (np.zeros(room.shape, np.float32) for _ in range(2))
    for branch in _trees(rng, room, lungs, -8.0, 9.0):
        arteries.append(branch)
        _draw(lumen, room, branch)
    for branch in _trees(rng, room, lungs, 14.0, 8.0):
        _draw(veins, room, branch)
    hu += veins * (np.float32(vein_hu) - hu)
    hu += lumen * (np.float32(lumen_hu) - hu)
    count = int(rng.integers(2, 6)) if emboli is None else emboli
    labels = _clots(rng, room, arteries, count, lumen, hu)
    seen = ndimage.gaussian_filter(hu, 0.5) + rng.normal(0, rng.uniform(10, 28), room.shape)
    affine = np.diag([*spacing[::-1], 1.0])
    voxels = np.clip(np.rint(seen), -1024, 3000).astype(np.int16)
    return Thorax(Volume(voxels, affine), labels, {"style": "stranger"})


def _tissue(room: Room) -> tuple[Field, list[tuple[Array, Array]]]:
    """Air, fat, muscle, two lungs and an aorta; middle and half axes of each lung."""
    z, y, x = room.places()
    middle, extent = room.extent / 2, room.extent
    hu = np.full(room.shape, -1000, np.float32)
    for share, value in ((0.45, -90.0), (0.41, 45.0)):
        inside = ((y - middle[1]) / (extent[1] * share)) ** 2
        inside = inside + ((x - middle[2]) / (extent[2] * (share + 0.03))) ** 2
        hu[np.broadcast_to(inside < 1, room.shape)] = value
    lungs = []
    for side in SIDES:
        centre = middle + np.array([0, 0, side * extent[2] * 0.21])
        axes = extent * (0.46, 0.30, 0.165)
        away = sum(((p - c) / a) ** 2 for p, c, a in zip((z, y, x), centre, axes, strict=True))
        hu[away < 1] = -860
        lungs.append((centre, axes))
    aorta = np.zeros(room.shape, np.float32)
    at = middle + np.array([0, extent[1] * 0.28, 0])
    reach = np.array([extent[0] / 2, 0, 0])
    _draw(aorta, room, Branch(at - reach, at + reach, 13.0))
    hu += aorta * (np.float32(180.0) - hu)
    return hu, lungs


def _trees(
    rng: np.random.Generator, room: Room, lungs: list[tuple[Array, Array]], back_mm: float,
    trunk_mm: float,
) -> list[Branch]:  # fmt: skip
    """From the middle of the chest into each lung three trees."""
    trunk = room.extent / 2 + np.array([0, back_mm, 0])
    found = []
    for side, (centre, axes) in zip(SIDES, lungs, strict=True):
        root = centre + np.array([back_mm, back_mm, -side * axes[2] * 0.8])
        found.append(Branch(trunk, root, trunk_mm))
        for lobe in (-1, 0, 1):
            way = _unit(np.array([0.9 * lobe, rng.uniform(-0.5, 0.5), 0.8 * side]))
            open_ends = [(root, way, float(rng.uniform(4, 6)), 1)]
            while open_ends:
                start, way, radius, generation = open_ends.pop()
                end = start + way * rng.uniform(18, 32) * 0.9**generation
                found.append(Branch(start, end, radius))
                if generation < GENERATIONS and radius > THINNEST_MM:
                    open_ends += _onward(rng, end, way, radius, generation, centre, axes)
    return found


def _onward(
    rng: np.random.Generator, end: Array, way: Array, radius: float, generation: int,
    centre: Array, axes: Array,
) -> list[tuple[Array, Array, float, int]]:  # fmt: skip
    """The two branches of a fork; one that would leave the lung is turned back into it."""
    aside = _across(rng, way)
    children = []
    for side in SIDES:
        onward = _unit(way + side * aside * rng.uniform(0.45, 0.9))
        if (((end + 20 * onward - centre) / axes) ** 2).sum() > 1:
            onward = _unit(centre + rng.normal(size=3) * axes * 0.3 - end)
        children.append((end, onward, radius * float(rng.uniform(0.68, 0.8)), generation + 1))
    return children


def _clots(
    rng: np.random.Generator, room: Room, arteries: list[Branch], count: int, lumen: Field,
    hu: Field,
) -> LabelVoxels:  # fmt: skip
    """Clots in arteries two voxels wide and more, complete or to one side; into `hu`, in place."""
    labels = np.zeros(room.shape, np.uint8)
    least = max(1.5, float(room.spacing_mm.max()))
    wide = [branch for branch in arteries if branch.radius_mm > least]
    number = 0
    for index in rng.permutation(len(wide)).tolist():
        if number == count:
            break
        artery = wide[index]
        way = artery.end - artery.start
        middle = artery.start + way * rng.uniform(0.3, 0.7)
        half = _unit(way) * (artery.radius_mm * rng.uniform(0.4, 1.2) + 2)
        full = rng.random() < 0.5
        aside = _across(rng, _unit(way)) * (0.0 if full else 0.35 * artery.radius_mm)
        thick = artery.radius_mm * (1.0 if full else 0.65)
        cover = np.zeros(room.shape, np.float32)
        _draw(cover, room, Branch(middle - half + aside, middle + half + aside, thick))
        cover *= lumen
        mine = (cover > 0.5) & (labels == 0)
        if mine.sum() < LEAST_VOXELS:
            continue
        number += 1
        labels[mine] = number
        hu += cover * (np.float32(rng.uniform(40, 80)) - hu)
    return labels


def _draw(cover: Field, room: Room, branch: Branch) -> None:
    """A tube with round ends, in place: the share of each voxel that it fills, roughly."""
    ends, margin = np.stack([branch.start, branch.end]), branch.radius_mm + room.spacing_mm.max()
    low = np.clip(np.floor((ends.min(0) - margin) / room.spacing_mm).astype(int), 0, room.shape)
    high = np.clip(np.ceil((ends.max(0) + margin) / room.spacing_mm).astype(int), 0, room.shape)
    if (high <= low).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    at = (np.moveaxis(np.mgrid[box], 0, -1)) * room.spacing_mm
    way = branch.end - branch.start
    along = np.clip((at - branch.start) @ way / max(float(way @ way), 1e-9), 0, 1)
    away = np.linalg.norm(at - branch.start - along[..., None] * way, axis=-1)
    filled = np.clip((branch.radius_mm - away) / room.spacing_mm.mean() + 0.5, 0, 1)
    cover[box] = np.maximum(cover[box], filled)


def _unit(way: Array) -> Array:
    return np.asarray(way / np.linalg.norm(way))


def _across(rng: np.random.Generator, way: Array) -> Array:
    towards = rng.normal(size=3)
    return _unit(towards - way * (way @ towards))
