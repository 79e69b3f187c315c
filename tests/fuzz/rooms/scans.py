"""Volumes: DICOM series in every coding, multi-frame objects, NIfTI, masks of each kind."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.masks import read_mask
from models.imaging.volumes.nifti import read_nifti
from models.imaging.volumes.opening import open_volume
from models.volume import Volume, VolumeError
from tests import scans
from tests.fuzz.mutations import foreign, hurt, zipped
from tests.fuzz.reading import Reader

SCAN = scans.voxels((6, 12, 14))
AFFINE = np.diag([0.5, 0.8, 2.0, 1.0])
CODINGS = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
           RLELossless, JPEG2000Lossless)  # fmt: skip
WIDE = scans.voxels((5, 64, 64))  # encoders of JPEG 2000 want some pixels
SERIES = (scans.series(SCAN), *(scans.series(WIDE, syntax=syntax) for syntax in CODINGS),
          scans.series(SCAN, meta=False), {"one": scans.enhanced(SCAN)})  # fmt: skip
PLACES = np.array([(0.0, 0.0, 2.0 * k) for k in range(len(SCAN))])
MARKS = {n: np.roll(np.eye(12, 14, dtype=np.uint8)[None].repeat(6, 0), n, 1) for n in (1, 2)}


@st.composite
def one_hurt(draw: st.DrawFn) -> dict[str, bytes]:
    """A series of which one file is hurt, or all of them in the same place."""
    files = dict(draw(st.sampled_from(SERIES)))
    name = draw(st.sampled_from(sorted(files)))
    files[name] = draw(hurt([files[name]]))
    return files


def readers(folder: Path) -> dict[str, Reader]:
    volume = Volume(SCAN, AFFINE, "nifti")
    nifti = tuple(scans.nifti(SCAN, AFFINE, packed=packed) for packed in (False, True))
    labels = (SCAN > 1200).astype(np.uint8)
    masks = tuple(scans.nifti(labels, AFFINE, packed=packed) for packed in (False, True))
    drawn = (scans.segmentation(MARKS, PLACES), scans.segmentation(MARKS, PLACES, fractional=True))
    whole = (*nifti, zipped(SERIES[0]), zipped({"a.nii": nifti[0]}), scans.enhanced(SCAN))

    def series(files: Mapping[str, bytes]) -> None:
        read_series(files, files.__getitem__)

    def mask(data: bytes) -> None:
        read_mask(volume, ["mask"], lambda _: data)

    return {
        "series": Reader(one_hurt(), series, (VolumeError,), 150),
        "volume": Reader(foreign(whole), open_volume, (VolumeError,), 150),
        "nifti": Reader(foreign(nifti), read_nifti, (VolumeError,), 500),
        "nifti_mask": Reader(foreign(masks), mask, (VolumeError,), 300),
        "segmentation": Reader(foreign(drawn), mask, (VolumeError,), 200),
    }  # fmt: skip
