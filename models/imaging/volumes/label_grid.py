"""Labels on a grid of their own, and how they come onto the grid of a volume."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.numbering import bounding_box
from models.volume import LabelVoxels, Volume, VolumeError

_ALIKE = 0.2  # of a voxel: corners no farther apart make the same grid
_INSIDE_MIN = 0.9  # of the marked voxels
_COVERED_MIN = 0.5  # of the volume, by a mask that marks nothing


@dataclass(frozen=True)
class LabelGrid:
    """`affine` as of a Volume. `placed` is False where the file does not say where it lies;
    `sparse` says that slices without a mark may be missing.
    """

    labels: LabelVoxels
    affine: NDArray[np.float64]
    placed: bool = True
    sparse: bool = False


def onto(volume: Volume, grid: LabelGrid) -> LabelVoxels:
    """The labels on the volume's own grid: as they are where it is the same, else each voxel
    takes the nearest. Raises VolumeError for a mask that lies elsewhere.
    """
    alike = grid.labels.shape == volume.voxels.shape
    unplaced = not grid.placed or any(code == "no_place" for code, _ in volume.notes)
    if unplaced:
        if alike and volume.source != "dicom":
            return grid.labels
        raise VolumeError(
            "mask_no_place",
            f"the mask ({_shape(grid.labels)} voxels) or its volume ({_shape(volume.voxels)}) does "
            "not say where it lies; save the mask with the volume's own header",
        )
    if alike and _apart(volume, grid) <= _ALIKE:
        return grid.labels
    if not grid.labels.any():
        _check_covered(volume, grid)
        return np.zeros(volume.voxels.shape, dtype=np.uint8)
    return _resampled(volume, grid)


def _shape(voxels: NDArray[np.generic]) -> str:
    return " x ".join(map(str, voxels.shape))


def _apart(volume: Volume, grid: LabelGrid) -> float:
    """How far the corners of two grids of one shape lie apart, in voxels of the smallest side."""
    ends = [(0, side - 1) for side in volume.voxels.shape]
    corners = np.array(list(product(*ends)), dtype=np.float64)[:, ::-1]  # x, y, z
    differ = grid.affine - volume.affine
    moved = corners @ differ[:3, :3].T + differ[:3, 3]
    return float(np.linalg.norm(moved, axis=1).max() / min(volume.spacing_mm))


def _between(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """[4, 4] from voxel (x, y, z) of the one affine to voxel of the other."""
    return np.asarray(np.linalg.inv(other) @ one)


def _check_covered(volume: Volume, grid: LabelGrid) -> None:
    if grid.sparse:
        return
    ends = [np.linspace(0, side - 1, 5) for side in volume.voxels.shape]
    places = np.array(list(product(*ends)))[:, ::-1]
    change = _between(volume.affine, grid.affine)
    inside = _inside(places @ change[:3, :3].T + change[:3, 3], grid.labels.shape)
    if inside.mean() < _COVERED_MIN:
        raise _elsewhere(f"the mask covers {inside.mean():.0%} of the volume")


def _elsewhere(what: str) -> VolumeError:
    return VolumeError(
        "mask_elsewhere",
        f"{what}: it belongs to another volume, or its header says so; save it with the volume's "
        "own header",
    )


def _inside(places: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether places [n, 3] (x, y, z) lie in a voxel of an array [z, y, x] of this shape."""
    high = np.array(shape[::-1]) - 0.5
    return np.asarray(((places >= -0.5) & (places < high)).all(axis=1))


def _resampled(volume: Volume, grid: LabelGrid) -> LabelVoxels:
    box = bounding_box(grid.labels)
    cut = grid.labels[tuple(slice(low, high) for low, high in box)]
    marked = np.argwhere(cut) + np.array([low for low, _ in box])  # z, y, x
    change = _between(grid.affine, volume.affine)
    places = marked[:, ::-1] @ change[:3, :3].T + change[:3, 3]
    inside = _inside(places, volume.voxels.shape)
    if inside.mean() < _INSIDE_MIN:
        raise _elsewhere(
            f"{np.count_nonzero(inside):,} of {len(marked):,} marked voxels lie in the volume"
        )
    made = _nearest(volume, grid, places)
    values = grid.labels[tuple(marked.T)]
    lost = np.setdiff1d(np.unique(values[inside]), np.unique(made))
    for label in lost:  # too small to be hit from the coarser grid
        x, y, z = np.floor(places[inside & (values == label)] + 0.5).astype(int).T
        made[z, y, x] = label
    return made


def _nearest(volume: Volume, grid: LabelGrid, places: NDArray[np.float64]) -> LabelVoxels:
    """For each voxel of the volume near the marked places the label nearest to it."""
    change = _between(volume.affine, grid.affine)
    reach = np.abs(np.linalg.inv(change[:3, :3])).sum(axis=1)  # of one voxel of the mask
    shape = np.array(volume.voxels.shape[::-1])
    low = np.maximum(np.floor(places.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0) + reach) + 1, shape).astype(int)
    made = np.zeros(volume.voxels.shape, dtype=np.uint8)
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
    for z in range(low[2], high[2]):
        at = [np.rint(row[0] * x + row[1] * y + (row[2] * z + row[3])) for row in change[:3]]
        here = np.ones(x.shape, dtype=bool)
        for axis, side in zip(at, grid.labels.shape[::-1], strict=True):
            here &= (axis >= 0) & (axis < side)
        i, j, k = (axis[here].astype(np.intp) for axis in at)
        made[z, low[1] : high[1], low[0] : high[0]][here] = grid.labels[k, j, i]
    return made
