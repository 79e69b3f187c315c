"""A NIfTI file as a volume in Hounsfield units."""

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.bounds import SLICES_MIN, VOXELS_MAX
from models.imaging.volumes.dicom import AIR_SEEN_HU, unlike_hu
from models.imaging.volumes.nifti_header import Opened, check_promise, open_nifti
from models.volume import AIR_HU, Volume, VolumeError

_LOWEST, _HIGHEST = np.iinfo(np.int16).min, np.iinfo(np.int16).max


def read_nifti(data: bytes, voxels_max: int = VOXELS_MAX) -> Volume:
    """A .nii or .nii.gz file, its values taken for HU: rounded, cut to 16 bits, NaN to air.

    Axes stay in the file's own order: voxels [k, j, i]. Raises VolumeError.
    """
    opened = open_nifti(data, voxels_max)
    check_promise(opened, len(data))
    if min(opened.shape) < SLICES_MIN:
        raise VolumeError(
            "few_slices",
            f"{' x '.join(map(str, opened.shape))} voxels; a volume has at least {SLICES_MIN} "
            "along each axis",
        )
    voxels = np.empty(opened.shape, dtype=np.int16)
    for k, values in enumerate(opened.slices()):
        voxels[k] = in_hounsfield(opened, values)
    return Volume(voxels, opened.affine, "nifti", notes=_notes(opened, voxels))


def in_hounsfield(opened: Opened, values: NDArray[np.generic]) -> NDArray[np.int16]:
    """Stored values [j, i] by the file's slope and intercept."""
    if values.dtype == np.dtype("<i2") and opened.slope == 1 and opened.intercept == 0:
        return values.astype(np.int16)
    scaled = values.astype(np.float64) * opened.slope + opened.intercept
    scaled = np.nan_to_num(scaled, nan=AIR_HU, posinf=_HIGHEST, neginf=_LOWEST)
    return np.clip(np.rint(scaled), _LOWEST, _HIGHEST).astype(np.int16)


def _notes(opened: Opened, voxels: NDArray[np.int16]) -> tuple[tuple[str, str], ...]:
    notes = []
    if not opened.placed:
        notes.append((
            "no_place",
            "the file says neither by sform nor by qform where it lies; millimetres are counted "
            "from its first voxel, and left, back and head are guessed",
        ))  # fmt: skip
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest >= AIR_SEEN_HU:
        notes.append(unlike_hu(lowest, highest))
    return tuple(notes)
