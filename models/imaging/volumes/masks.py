"""Masks of a volume: NIfTI, DICOM SEG or a second series, brought onto the volume's grid."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.label_frames import arranged, filled
from models.imaging.volumes.label_grid import LabelGrid, onto
from models.imaging.volumes.nifti_header import looks_like_nifti, open_nifti
from models.imaging.volumes.numbering import Numbering, apart, merged
from models.imaging.volumes.pixels import stored
from models.imaging.volumes.planes import Plane
from models.imaging.volumes.segmentation import read_segmentation
from models.imaging.volumes.series import Read, series_of
from models.imaging.volumes.stacking import right_angled
from models.volume import LabelVoxels, Volume, VolumeError


def read_mask(
    volume: Volume, names: Sequence[str], read: Read, tick: Callable[[], None] = lambda: None
) -> LabelVoxels:
    """Labels [z, y, x] on the volume's grid: 0 nothing, k the k-th thing, all 0 for a negative.

    Several values, segments or files stay apart; one alone is taken apart into its connected
    parts. Raises VolumeError for a mask that cannot be read, lies elsewhere, or marks too much.
    """
    grids: list[LabelGrid] = []
    rest: list[str] = []
    for name in names:
        data = read(name)
        if looks_like_nifti(data):
            grids.append(_from_nifti(data))
        else:
            rest.append(name)
    if rest:
        grids += _from_dicom(volume, rest, read, tick)
    return apart(merged([onto(volume, grid) for grid in grids]))


def _from_nifti(data: bytes) -> LabelGrid:
    opened = open_nifti(data)
    labels: LabelVoxels = np.empty(opened.shape, dtype=np.uint8)
    numbering = Numbering()
    for k, values in enumerate(opened.slices()):
        plain = opened.slope == 1 and opened.intercept == 0
        scaled = values if plain else values.astype(np.float64) * opened.slope + opened.intercept
        labels[k] = numbering.picture(scaled)
    return LabelGrid(numbering.settled(labels), opened.affine, opened.placed)


def _from_dicom(
    volume: Volume, names: Sequence[str], read: Read, tick: Callable[[], None]
) -> list[LabelGrid]:
    """Segmentations if there are any, else the one series of pictures."""
    series = series_of(names, read, tick)
    segmented = sorted({name for one in series if one.modality == "SEG" for name in one.names})
    if segmented:
        return [read_segmentation(read(name), name, volume) for name in segmented]
    pictured = [one for one in series if one.size[0] and one.planes[0].grey]
    if len(pictured) != 1:
        raise VolumeError(
            "mask_unreadable",
            f"{len(names)} files of a mask hold {len(pictured)} series of grey pictures and no "
            "segmentation; send a NIfTI file, a DICOM SEG or one series of labels",
            names[0],
        )
    return [_from_series(pictured[0].planes, read)]


def _from_series(planes: Sequence[Plane], read: Read) -> LabelGrid:
    first = planes[0]
    if not (first.position and first.orientation and first.spacing_mm):
        raise VolumeError(
            "mask_no_place",
            "the mask's slices do not say where they lie; save the mask as NIfTI or DICOM SEG",
            first.name,
        )
    points = np.array([plane.position for plane in planes])
    directions = right_angled(first.orientation, first.name)
    gap = np.inf if len(planes) > 1 else 1.0
    # The series is whole: where one slice is missing its neighbours speak for it.
    lattice = arranged(points, directions, first.spacing_mm, gap, reach=np.inf)
    numbering = Numbering()
    pictures = _pictures(planes, read, numbering)
    made = filled(lattice, (first.rows, first.columns), pictures, sparse=len(planes) == 1)
    return LabelGrid(numbering.settled(made.labels), made.affine, sparse=made.sparse)


def _pictures(
    planes: Sequence[Plane], read: Read, numbering: Numbering
) -> Iterator[NDArray[np.uint8]]:
    for plane in planes:
        for values in stored(read(plane.name), [plane]):
            slope, intercept = plane.slope or 1.0, plane.intercept or 0.0
            plain = slope == 1 and intercept == 0
            yield numbering.picture(values if plain else values * slope + intercept)
