"""A volume: voxels in Hounsfield units, and where in the patient each of them lies.

Patient coordinates are DICOM's LPS in millimetres: x grows to the patient's left, y to the back,
z to the head. Voxel coordinates are (z, y, x) = indices into `voxels`, the centre of a voxel at
whole numbers.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Voxels = NDArray[np.int16]  # [z, y, x], HU
LabelVoxels = NDArray[np.uint8]  # [z, y, x]: 0 = nothing, k = the k-th thing
Points = NDArray[np.float64]  # [n, 3]

AIR_HU = -1024  # where the scanner saw nothing (padding, outside of the field of view)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image in space. Two volumes are the same only if they are one object.

    `affine` [4, 4] takes (x, y, z, 1), the voxel's indices in the order column, row, slice, to
    patient LPS in millimetres. For DICOM slices ascend along row x column (axial: foot to head);
    a NIfTI file keeps its own order of k, j, i. `sop_uids` has one entry per slice, or none.
    `notes` are codes with a detail: what was done to the voxels, and what is unusual about them.
    """

    voxels: Voxels
    affine: NDArray[np.float64]
    source: Literal["dicom", "nifti", "pack"] = "pack"
    series_uid: str = ""
    sop_uids: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = field(default=())

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along (z, y, x), millimetres."""
        x, y, z = (float(side) for side in np.linalg.norm(self.affine[:3, :3], axis=0))
        return z, y, x

    def to_mm(self, places: ArrayLike) -> Points:
        """Patient LPS (x, y, z) in millimetres of voxel coordinates (z, y, x); [n, 3] or [3]."""
        voxel = np.asarray(places, dtype=np.float64)[..., ::-1]
        return np.asarray(voxel @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_voxel(self, places_mm: ArrayLike) -> Points:
        """Voxel coordinates (z, y, x) of patient LPS (x, y, z) in millimetres."""
        shifted = np.asarray(places_mm, dtype=np.float64) - self.affine[:3, 3]
        return np.asarray((shifted @ np.linalg.inv(self.affine[:3, :3]).T)[..., ::-1])


def upright(volume: Volume) -> Volume:
    """The same volume, its axes permuted and flipped (nothing is resampled) so that z ascends to
    the head, y to the back and x to the patient's left, as near as its axes come to these.

    Patient coordinates of a voxel stay what they were; `sop_uids` are dropped, as slices may have
    become columns.
    """
    steps = volume.affine[:3, :3]  # columns: one voxel along x, y, z
    order = _order(steps)  # order[k]: the array axis (0 = x, 1 = y, 2 = z) that runs along LPS k
    flips = [steps[k, order[k]] < 0 for k in range(3)]
    axes = [2 - axis for axis in order]  # as axes of the array [z, y, x]
    voxels = volume.voxels.transpose(axes[2], axes[1], axes[0])
    affine = volume.affine.copy()
    affine[:3, :3] = steps[:, order]
    for k, flipped in enumerate(flips):
        if flipped:
            voxels = np.flip(voxels, 2 - k)
            affine[:3, 3] += affine[:3, k] * (voxels.shape[2 - k] - 1)
            affine[:3, k] *= -1
    return Volume(voxels, affine, volume.source, volume.series_uid, (), volume.notes)


def _order(steps: NDArray[np.float64]) -> list[int]:
    """For each of LPS x, y, z the voxel axis nearest to it, each used once."""
    nearness = np.abs(steps) / np.linalg.norm(steps, axis=0)
    order = [-1, -1, -1]
    for place in np.argsort(-nearness, axis=None, kind="stable"):
        row, column = divmod(int(place), 3)
        if order[row] < 0 and column not in order:
            order[row] = column
    return order


class VolumeError(Exception):
    """A volume that cannot be read or used; `code` is stable, `detail` says the value and the way
    out, `file` names the file at fault where there is one.
    """

    def __init__(self, code: str, detail: str, file: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.file = file
