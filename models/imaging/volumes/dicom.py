"""DICOM series: what a folder holds, and one series as a volume."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.pixels import hounsfield
from models.imaging.volumes.regrid import fill, nearest
from models.imaging.volumes.series import Read, Series, choose, series_of
from models.imaging.volumes.stacking import Plan, plan
from models.volume import Volume, VolumeError

Tell = Callable[[str], None]
READING = "reading"  # the stage that is told, again and again, while slices are read
AIR_SEEN_HU = -200  # every chest has air; values that never go below are no Hounsfield units


def _quiet(stage: str) -> None:
    """Nobody watches."""


def series_in(names: Iterable[str], read: Read, tell: Tell = _quiet) -> tuple[Series, ...]:
    """The series in these files, the largest first; those of other modalities, scouts, SEG and
    reports too, each with the flaw that keeps it from being a volume. Only headers are read.

    Raises VolumeError for a file that begins as DICOM and is damaged.
    """
    return series_of(names, read, lambda: tell(READING))


def read_series(
    names: Iterable[str], read: Read, tell: Tell = _quiet, series_uid: str | None = None
) -> Volume:
    """The one CT series in these files as a volume in HU; see `choose` for several.

    Slice by slice into one array: beside the volume, one file and two slices are held.
    """
    chosen, notes = choose(series_in(names, read, tell), series_uid)
    return volume_of(chosen, read, tell, notes)


def volume_of(
    series: Series, read: Read, tell: Tell = _quiet, notes: tuple[tuple[str, str], ...] = ()
) -> Volume:
    """A series as a volume. Raises VolumeError for slices that make none, or that are damaged."""
    if series.flaw is not None:
        raise VolumeError(*series.flaw, file=series.names[0])
    made = plan(series.planes)
    voxels = fill(made, _slices(made, read, tell))
    uids = [made.planes[at].sop_uid for at in nearest(made)]
    volume = Volume(
        voxels, made.affine, "dicom", series.uid, tuple(uids) if all(uids) else (), notes
    )
    unscaled = any(plane.slope is None or plane.intercept is None for plane in made.planes)
    written = {plane.burned_in for plane in made.planes if plane.burned_in is not None}
    return replace(
        volume, notes=(*notes, *made.notes, *_doubts(volume, unscaled), *sorted(written))
    )


def _slices(made: Plan, read: Read, tell: Tell) -> Iterator[NDArray[np.int16]]:
    for name, planes in groupby(made.planes, key=lambda plane: plane.name):
        tell(READING)
        yield from hounsfield(read(name), list(planes))


def _doubts(volume: Volume, unscaled: bool) -> tuple[tuple[str, str], ...]:
    """What makes it doubtful that values are HU; VolumeError where nothing says that they are."""
    lowest, highest = int(volume.voxels.min()), int(volume.voxels.max())
    aired = lowest < AIR_SEEN_HU
    if unscaled and not aired:
        raise VolumeError(
            "no_rescale",
            f"RescaleSlope and RescaleIntercept are missing and values run from {lowest} to "
            f"{highest}: they are no Hounsfield units; export the original series",
        )
    if unscaled:
        return (("no_rescale", "no RescaleSlope or RescaleIntercept; values were taken for HU"),)
    return () if aired else (unlike_hu(lowest, highest),)


def unlike_hu(lowest: int, highest: int) -> tuple[str, str]:
    """The note on a volume that shows no air."""
    return (
        "no_air",
        f"values run from {lowest} to {highest}: no air in it, or no Hounsfield units",
    )
