"""What a search for emboli needs to know of a volume: the chest on a fine grid, its contrast, its
lumen, and for each voxel how dark it is and how much lumen is around it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.grid import BoxMm, Grid, Hu, Mask, regrid
from models.imaging.vessels.lumen import (
    BRIGHT_DARKNESS,
    WALL_HU,
    Contrast,
    darkness,
    find_lumen,
    measure_contrast,
)
from models.imaging.vessels.lungs import COARSE_MM, Lungs, find_lungs
from models.volume import Volume, upright

FINE_MM = 1.0
LEAST_MM = 12.0  # a side of a volume in which there is anything to be found
DEEP_MM = 6.0  # from the lungs' outer surface: no rib comes that near to a vessel
BLUR_MM = 0.8
BONE_MM, BONE_SHARE = 2.5, 0.12  # sigma of its neighbourhood, and its part in it
AROUND_MM = 3.5  # how far lumen counts as being around something
SCANNER_MM = 0.6  # blur (sigma) of a usual body kernel


@dataclass(frozen=True, eq=False)
class Scene:
    """All [z, y, x] on the fine grid.

    `region` is where emboli may lie, the neighbourhood of bones left out. `dark` is 0 for lumen
    and 1 for an embolus, whatever share the lung has in the voxel; `around` the part of the tissue
    nearby that is lumen; `inside` lies deep enough in a lung that all that is bright is a vessel.
    """

    grid: Grid
    contrast: Contrast
    lumen: Mask
    inside: Mask
    region: Mask
    tissue: Mask
    dark: Hu
    around: Hu


def see(volume: Volume) -> Scene | None:
    """The scene of a volume of any orientation; None where no contrast is to be seen."""
    right = upright(volume)
    sides = np.array(volume.voxels.shape) * volume.spacing_mm
    if sides.min() < LEAST_MM:
        return None
    lungs = find_lungs(regrid(right, COARSE_MM))
    if not lungs.region.any():
        return None
    box = _box(lungs)
    grid = regrid(right, FINE_MM, box)
    region = _carry(lungs, lungs.region, grid)
    inside = _carry(lungs, _deep(lungs), grid)
    return _described(grid, region, inside, lungs.found)


def _described(grid: Grid, region: Mask, inside: Mask, lungs: bool) -> Scene | None:
    blur = BLUR_MM / grid.step_mm
    seen = blurred(grid.hu, blur)
    contrast = measure_contrast(seen, inside)
    if contrast is None:
        return None
    tissue = grid.hu > WALL_HU
    whole = np.sqrt(BLUR_MM**2 + SCANNER_MM**2) / grid.step_mm
    dark = darkness(seen, tissue, contrast, whole)
    lumen = find_lumen(dark, tissue, region, inside if lungs else None)
    if lungs:
        region = region & (inside | ~_at_bone(dark, tissue, lumen, grid))
    around = _around(lumen, tissue, AROUND_MM / grid.step_mm)
    return Scene(grid, contrast, lumen, inside, region, tissue, dark, around)


def _at_bone(dark: Hu, tissue: Mask, lumen: Mask, grid: Grid) -> Mask:
    """What lies beside something bright that is no lumen: pleura under a rib, marrow."""
    bone = (tissue & ~lumen & (dark < BRIGHT_DARKNESS)).astype(np.float32)
    return np.asarray(blurred(bone, BONE_MM / grid.step_mm) > BONE_SHARE)


def _around(lumen: Mask, tissue: Mask, sigma: NDArray[np.float64]) -> Hu:
    bright = blurred(lumen.astype(np.float32), sigma)
    all_ = blurred(tissue.astype(np.float32), sigma)
    return np.asarray(bright / np.maximum(all_, 0.02), dtype=np.float32)


def _box(lungs: Lungs) -> BoxMm:
    """The region's box with a margin, in millimetres from the volume's corner."""
    step = lungs.grid.step_mm
    places = np.argwhere(lungs.region)
    return (places.min(axis=0) - 2) * step, (places.max(axis=0) + 3) * step


def _deep(lungs: Lungs) -> Mask:
    """What lies deep in a lung's field; without a lung, the region."""
    if not lungs.found:
        return lungs.region
    step = float(lungs.grid.step_mm.mean())
    wide = np.pad(lungs.field, 1, mode="edge")  # a cut lung goes on beyond the cut
    depth = ndimage.distance_transform_edt(wide) * step
    return np.asarray(depth[1:-1, 1:-1, 1:-1] > DEEP_MM)


def _carry(lungs: Lungs, mask: Mask, grid: Grid) -> Mask:
    """A mask of the coarse grid, on the fine one."""
    rows = [
        _nearest(grid.offset[k], grid.scale[k], lungs.grid.offset[k], lungs.grid.scale[k], n, m)
        for k, (n, m) in enumerate(zip(grid.hu.shape, mask.shape, strict=True))
    ]
    return np.asarray(mask[np.ix_(*rows)])


def _nearest(
    offset: float, scale: float, other: float, others: float, count: int, limit: int
) -> NDArray[np.int_]:
    places = (np.arange(count) * scale + offset - other) / others
    return np.clip(np.round(places), 0, limit - 1).astype(int)
