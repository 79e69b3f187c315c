"""Volumes that promise, or unfold to, more than there is memory for."""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.uid import RLELossless

from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.opening import open_volume
from tests import scans
from tests.fuzz.mutations import zipped
from tests.fuzz.nulls import gzipped
from tests.fuzz.rooms.bombs_pictures import deflated_bomb

SCAN = scans.voxels((6, 12, 14))


def bombs(folder: Path) -> dict[str, Callable[[], object]]:
    large = _nifti((512, 512, 1500))  # as short integers 800 MB
    return {
        "deflated": partial(_series, {"1": _deflated(False)}),
        "deflated_hidden": partial(_series, {"1": _deflated(True)}),
        "rle": partial(_series, _rle()),
        "nifti_gz": partial(open_volume, large),
        "nifti_gz_large": partial(open_volume, _nifti((512, 512, 1025)), voxels_max=2**28),
        "zip_of_nifti": partial(open_volume, zipped({"a.nii.gz": large})),
    }


def _series(files: dict[str, bytes]) -> None:
    read_series(files, files.__getitem__)


def _deflated(hidden: bool) -> bytes:
    made = scans.heading("1.2.840.10008.5.1.4.1.1.2", "1.2.9")
    made.Modality = "CT"
    scans.pictured(made, SCAN[0], -1024)
    return deflated_bomb(made, 2**30, long_name=hidden)


def _rle() -> dict[str, bytes]:
    """Slices of a few bytes that claim 65535 x 65535 pixels each."""
    files = scans.series(SCAN, syntax=RLELossless)
    made = {}
    for name, data in files.items():
        hurt = bytearray(data)
        for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
            at = hurt.index(tag) + len(tag)
            hurt[at : at + 2] = struct.pack("<H", 65_535)
        made[name] = bytes(hurt)
    return made


def _nifti(shape: tuple[int, int, int]) -> bytes:
    """Nulls, a thousand times smaller than the volume that they make."""
    head = scans.nifti(np.zeros((6, 6, 6), np.int16), np.diag([0.7, 0.7, 1.0, 1.0]))[:352]
    head = head[:42] + struct.pack("<3h", *shape) + head[48:]
    return gzipped(int(np.prod(shape)) * 2 >> 20, head)
