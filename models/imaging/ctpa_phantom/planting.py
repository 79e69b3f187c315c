"""Contrast, arteries and emboli planted into a real CT of a chest; its texture and noise stay.

All in millimetres along the volume's own axes, so that any orientation will do.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.ctpa_phantom import decoys, emboli
from models.imaging.ctpa_phantom.emboli import Embolus
from models.imaging.ctpa_phantom.grid import Coarse, Field, Grid, Points
from models.imaging.ctpa_phantom.style import USUAL, Looks, looks
from models.imaging.ctpa_phantom.tree import Branches, Tree
from models.imaging.ctpa_phantom.tubes import Tubes, paint
from models.volume import AIR_HU, LabelVoxels, Volume, VolumeError, Voxels

Mask = NDArray[np.bool_]  # [z, y, x]
STEP_MM = 3.0  # of the grid on which lungs are looked for
LUNG_HU = -500.0
TISSUE_HU = -300.0
ROOM_HU = -950.0  # the median of what is no lung but the room
LEAST_ML = 60.0  # of a lung
WIDEST_MM = 7.0  # half the width of vessels that the lung's field closes over
SHORE_MM = 6.0  # from the pleura inwards that nothing is planted
BLOOD_HU = 40.0
ML_PER_ENDING = 9.0
TRUNK_MM = 15.0  # of both lungs in whole; the root's own branches are about 10
SLAB = 16
ROUGH_HU = 60.0  # how much of the texture under a planted vessel is kept, at most


@dataclass(frozen=True, eq=False)
class Lungs:
    """On a grid of every `every`-th voxel: one mask for each lung, vessels in it included."""

    every: tuple[int, int, int]
    fields: tuple[Mask, ...]


def plant(volume: Volume, rng: np.random.Generator, count: int) -> tuple[Volume, LabelVoxels]:
    """The chest with contrast in its vessels and in new arteries, and `count` emboli in these.

    Fewer should there be no room for so many. Raises VolumeError where no lung is found.
    """
    look = looks(rng, USUAL)
    grid = Grid(volume.voxels.shape, volume.spacing_mm, (0.0, 0.0, 0.0))
    lungs = find_lungs(volume.voxels, grid)
    arteries = _arteries(rng, grid, lungs, look)
    clots = emboli.emboli(rng, arteries, look, count, thinnest=emboli.told_from(grid), saddle=False)
    coarse = Coarse(grid)
    share = coarse.noise(rng, 35.0)
    swirls = decoys.swirls(rng, arteries, round(look.swirls))
    scene = _Scene(look, arteries.tubes(arteries.parents > 0), clots, swirls, coarse, share, lungs)
    voxels, labels = np.empty_like(volume.voxels), np.zeros(grid.shape, np.uint8)
    for first in range(0, grid.shape[0], SLAB):
        last = min(first + SLAB, grid.shape[0])
        hu = volume.voxels[first:last].astype(np.float32)
        _brighten(hu, scene, grid, first)
        _plant(hu, scene, grid.part(first, last), labels[first:last])
        voxels[first:last] = np.rint(np.clip(hu, AIR_HU, 3071))
    return replace(volume, voxels=voxels), emboli.numbered(labels, len(clots))[0]


@dataclass(frozen=True, eq=False)
class _Scene:
    look: Looks
    vessels: Tubes
    clots: tuple[Embolus, ...]
    swirls: Tubes
    coarse: Coarse
    share: Field  # on coarse points: where vessels are rather arteries, where veins
    lungs: Lungs


# ---- lungs ----------------------------------------------------------------------------------


def find_lungs(voxels: Voxels, grid: Grid) -> Lungs:
    """Large gas inside of a body, closed over its vessels; a pair that is joined is divided."""
    every = tuple(max(1, round(STEP_MM / side)) for side in grid.spacing_mm)
    z, y, x = every
    coarse = voxels[::z, ::y, ::x]
    step = [side * n for side, n in zip(grid.spacing_mm, every, strict=True)]
    ml = float(np.prod(step)) / 1000
    labels, _ = ndimage.label(ndimage.binary_erosion((coarse < LUNG_HU) & _body(coarse)))
    sizes = np.bincount(labels.ravel()) * ml
    sizes[0] = 0
    numbers = [
        int(k) for k in np.argsort(-sizes, kind="stable")[:6]
        if sizes[k] >= LEAST_ML and np.median(coarse[labels == k]) > ROOM_HU
    ][:2]  # fmt: skip
    if not numbers:
        raise VolumeError(
            "no_lung", f"no lung of at least {LEAST_ML:.0f} ml in {coarse.shape} voxels of "
            f"{step[0]:.1f} mm: plant into a CT of the chest"
        )  # fmt: skip
    radius = [max(1, round(WIDEST_MM / side)) for side in step]
    fields = [_closed(labels == k, radius) for k in numbers]
    return Lungs((z, y, x), tuple(fields) if len(fields) > 1 else _divided(fields[0], step))


def _body(coarse: Voxels) -> Mask:
    """The largest thing that is not gas, and what it encloses in slices along any axis."""
    labels, _ = ndimage.label(coarse > TISSUE_HU)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == sizes.argmax()
    whole = body.copy()
    for axis in range(3):
        turned, out = np.moveaxis(body, axis, 0), np.moveaxis(whole, axis, 0)
        for plane, filled in zip(turned, out, strict=True):
            filled |= ndimage.binary_fill_holes(plane)
    return np.asarray(whole)


def _closed(mask: Mask, radius: list[int]) -> Mask:
    ball = np.ones([2 * r + 1 for r in radius], dtype=bool)
    padded = np.pad(mask, [(r, r) for r in radius], mode="edge")
    closed = ndimage.binary_closing(padded, ball)
    inner = tuple(slice(r, -r) for r in radius)
    return np.asarray(ndimage.binary_fill_holes(closed[inner]))


def _divided(field: Mask, step: list[float]) -> tuple[Mask, ...]:
    """Two lungs that are one thing, as seen where it is too wide for one."""
    for axis in (1, 2):
        where = np.flatnonzero(field.any(axis=tuple(k for k in range(3) if k != axis)))
        if (where[-1] - where[0]) * step[axis] > 200:
            middle = (where[0] + where[-1]) // 2
            one = field.copy()
            one[(slice(None),) * axis + (slice(int(middle), None),)] = False
            return one, field & ~one
    return (field,)


# ---- new arteries ---------------------------------------------------------------------------


def _arteries(rng: np.random.Generator, grid: Grid, lungs: Lungs, look: Looks) -> Branches:
    """A tree in each lung from its hilum on; the root between them is no vessel."""
    spacing = np.array(grid.spacing_mm) * lungs.every
    clouds = [_inside(field, spacing) for field in lungs.fields]
    middle = np.mean([cloud.mean(axis=0) for cloud in clouds], axis=0)
    if len(clouds) == 1:  # the other lung is not in the picture: its side is the nearer one
        reach = np.array([n * side for n, side in zip(grid.shape, grid.spacing_mm, strict=True)])
        middle = reach[::-1] / 2
    tree = Tree(look.bend)
    tree.add(-1, middle)
    total = 0
    for cloud in clouds:
        number = int(np.clip(len(cloud) * np.prod(spacing) / 1000 / ML_PER_ENDING, 24, 260))
        total += number
        hilum = cloud[np.linalg.norm(cloud - middle, axis=1).argmin()]
        ends = cloud[rng.choice(len(cloud), number, replace=len(cloud) < number)]
        tree.grow(rng, tree.add(0, hilum), ends + rng.uniform(-1, 1, ends.shape))
    return tree.done(TRUNK_MM * float(np.clip(total / 400, 0.3, 1)) ** 0.5, look.exponent)


def _inside(field: Mask, spacing: NDArray[np.float64]) -> Points:
    """Places (x, y, z) of the lung that keep off its border."""
    depth = ndimage.distance_transform_edt(field, sampling=spacing)
    deep = np.argwhere(depth > min(SHORE_MM, 0.5 * float(depth.max())))
    return np.asarray((deep * spacing)[:, ::-1])


# ---- into the voxels ------------------------------------------------------------------------


def _brighten(hu: Field, scene: _Scene, grid: Grid, first: int) -> None:
    """The chest's own vessels in the lungs get contrast, by how much of a voxel they fill."""
    look = scene.look
    share = scene.coarse.up(scene.share, grid.part(first, first + len(hu)))
    filled = 1 / (1 + np.exp(-4 * share)) * (1 - look.venous) + look.venous
    for k, plane in enumerate(hu):
        within = _within(scene.lungs, first + k, plane.shape)
        smooth = cv2.GaussianBlur(plane, (0, 0), max(0.6 / grid.spacing_mm[2], 0.3))
        part = np.clip((smooth - look.lung_hu) / (BLOOD_HU - look.lung_hu), 0, 1)
        part *= np.clip((part - 0.2) * 4, 0, 1) * within
        plane += part * filled[k] * (look.contrast_hu - BLOOD_HU)


def _within(lungs: Lungs, k: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """How far inside a lung the places of a slice lie: 0 at its border, 1 some mm inwards."""
    row = min(k // lungs.every[0], len(lungs.fields[0]) - 1)
    both = np.any([field[row] for field in lungs.fields], axis=0).astype(np.uint8)
    inner = cv2.erode(both, np.ones((3, 3), np.uint8)).astype(np.float32)
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _plant(hu: Field, scene: _Scene, grid: Grid, labels: LabelVoxels) -> None:
    """New vessels and clots over what is there, whose fine texture they take on."""
    lumen, soft = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    paint(lumen, grid, scene.vessels)
    if not lumen.any():
        return
    paint(soft, grid, scene.swirls, soft=True)
    inside = np.float32(scene.look.contrast_hu) * (1 - np.float32(0.25) * soft)
    emboli.fill(grid, scene.clots, lumen, inside, labels)
    sigma = max(scene.look.blur_mm / grid.spacing_mm[2], 0.3)
    for k, plane in enumerate(hu):
        rough = plane - cv2.GaussianBlur(plane, (0, 0), 1.5 / grid.spacing_mm[2])
        cover = cv2.GaussianBlur(lumen[k], (0, 0), sigma)
        bright = cv2.GaussianBlur(lumen[k] * inside[k], (0, 0), sigma)
        plane += bright + cover * (np.clip(rough, -ROUGH_HU, ROUGH_HU) - plane)
