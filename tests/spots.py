"""Volumes for tests with bright spots in them, DICOM and NIfTI, and a task that finds them."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from models.case import Case, Roi
from models.findings import EmbolismFinding, Embolus, Labels, OperatingPoint
from models.tasks.classification import TASK as CLASSIFICATION

SHAPE = (20, 32, 40)
SPACING_MM = (2.0, 0.8, 0.5)  # z, y, x
SPOTS = (((5, 10, 12), 300), ((13, 20, 30), 180))  # centre voxel, HU
LIMIT_HU = 100


def voxels(
    spots: Sequence[tuple[tuple[int, int, int], int]] = SPOTS, shape: tuple[int, int, int] = SHAPE
) -> NDArray[np.int16]:
    """Air around, tissue within, and cubes of three voxels a side."""
    made = np.full(shape, -1000, np.int16)
    made[:, 4:-4, 4:-4] = 40
    for (z, y, x), hu in spots:
        made[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = hu
    return made


def nifti(made: NDArray[np.int16] | None = None) -> bytes:
    """A .nii whose voxel (0, 0, 0) lies at LPS (0, 0, 0), its axes along LPS."""
    made = voxels() if made is None else made
    z, y, x = SPACING_MM
    image = nib.Nifti1Image(made.transpose(2, 1, 0), np.diag([-x, -y, z, 1.0]))  # RAS
    return bytes(image.to_bytes())


def dicom(
    made: NDArray[np.int16] | None = None, series_uid: str = "", folder: str = "series",
    modality: str = "CT",
) -> dict[str, bytes]:  # fmt: skip
    """The files of a series; their names say nothing of their order."""
    made = voxels() if made is None else made
    series_uid = series_uid or f"1.2.826.{zlib.crc32(folder.encode())}"
    found = {}
    for k, plane in enumerate(made):
        name = f"{folder}/{(k * 7) % len(made):03d}"
        found[name] = _slice(plane, k, series_uid, modality)
    return found


def _slice(plane: NDArray[np.int16], k: int, series_uid: str, modality: str) -> bytes:
    z, y, x = SPACING_MM
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{series_uid}.{k + 1}"
    made.SeriesInstanceUID, made.StudyInstanceUID = series_uid, f"{series_uid}.0"
    made.FrameOfReferenceUID, made.Modality, made.InstanceNumber = f"{series_uid}.9", modality, k
    made.PatientName, made.PatientID = "Doe^Jane", "4711"
    made.ImagePositionPatient = [0.0, 0.0, k * z]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.SliceThickness = [y, x], z
    made.Rows, made.Columns = plane.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 1
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    made.PixelData = plane.astype("<i2").tobytes()
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def zipped(*series: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for files in series:
            for name, content in files.items():
                archive.writestr(name, content)
    return out.getvalue()


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# ---- a task that finds them ------------------------------------------------------------------


def _rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Each spot is an evenly green patch, the greener the brighter it is."""
    assert case.volume is not None
    case.tell("vessels")
    labels, count = ndimage.label(case.volume.voxels > LIMIT_HU)
    case.tell("candidates")
    for k in range(1, count + 1):
        z, y, x = ndimage.center_of_mass(labels == k)
        hu = float(case.volume.voxels[labels == k].mean())
        pixels = np.zeros((size, size, 3), np.uint8)
        pixels[..., 1] = min(255, round(hu / 2))
        yield Roi(pixels, (0.0, 0.0, 0.0, 0.0), mark=(k, -1, z, y, x, 2.0, 0.0, 0.0, 1.0))


def _decide(
    case: Case, rois: Sequence[Roi], outputs: NDArray[np.float32], labels: Labels,
    point: OperatingPoint | None,
) -> EmbolismFinding:  # fmt: skip
    assert case.volume is not None
    assert all(roi.pixels.size == 0 for roi in rois)
    least = point.threshold if point is not None and point.threshold is not None else 0.0
    found = [_embolus(case, roi, float(row[1])) for roi, row in zip(rois, outputs, strict=True)]
    found.sort(key=lambda one: -one.score)
    best = max((one.score for one in found), default=0.0)
    kept = tuple(one for one in found if one.score >= least)
    return EmbolismFinding(bool(kept), best, kept)


def _embolus(case: Case, roi: Roi, score: float) -> Embolus:
    assert case.volume is not None
    place = tuple(roi.mark[2:5])
    uids = case.volume.sop_uids
    return Embolus(
        place, tuple(case.volume.to_mm(place).tolist()), roi.mark[5], score,
        case.volume.series_uid or None, uids[round(place[0])] if uids else None,
    )  # fmt: skip


TASK = replace(
    CLASSIFICATION,
    name="bright_spots",
    question="Are there bright spots in this volume?",
    classes=("other", "embolus"),
    positive="embolus",
    headline="froc",
    points=("fp_per_volume=1", "fp_per_volume=2"),
    finding=EmbolismFinding,
    rois=_rois,
    decide=_decide,
    volumes=True,
)
