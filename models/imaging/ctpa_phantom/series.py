"""A phantom's scan as DICOM files: one slice each, names that say nothing of their order."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from models.volume import Volume, Voxels

INTERCEPT = -1024
DAY = "20200101"  # of everything; a phantom has no history


@dataclass(frozen=True)
class Papers:
    """Who and what a scan is of, and the UIDs that tie its files together."""

    name: str
    patient_id: str
    visit_uid: str
    series_uid: str
    frame_uid: str
    sop_uids: tuple[str, ...]  # one per slice
    kernel: str


def papers(rng: np.random.Generator, subject: str, slices: int) -> Papers:
    """For a scan of so many slices; UIDs are drawn, so that a seed gives the same files."""
    visit, series, frame, *sops = (drawn_uid(rng) for _ in range(slices + 3))
    kernel = ("B20f", "B30f", "STANDARD", "Bv40")[int(rng.integers(4))]
    return Papers(
        f"Phantom^{subject}", f"PHANTOM-{subject}", visit, series, frame, tuple(sops), kernel
    )


def drawn_uid(rng: np.random.Generator) -> str:
    """A UUID as a UID (DICOM PS3.5 B.2), from the generator's bits."""
    number = bytearray(rng.bytes(16))
    number[6] = number[6] & 0x0F | 0x40  # a UUID of version 4
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(number)}"


def series(rng: np.random.Generator, scan: Volume, paper: Papers, folder: str) -> dict[str, bytes]:
    """The files of a series by their paths; the scan's axes are those of the patient."""
    count = len(scan.voxels)
    tokens = [f"{int(rng.integers(2**40)):010x}" for _ in range(count)]
    files = {
        f"{folder}/{token}.dcm": _slice(scan, paper, k)
        for k, token in zip(range(count), tokens, strict=True)
    }
    return dict(sorted(files.items()))


def heading(paper: Papers, sop_class: UID, sop_uid: str) -> Dataset:
    """What every file of the patient begins with, its meta header included."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = sop_class
    data.SOPInstanceUID = sop_uid
    data.StudyDate = data.SeriesDate = data.ContentDate = DAY
    data.StudyTime = data.SeriesTime = data.ContentTime = "120000"
    data.AccessionNumber = data.ReferringPhysicianName = data.StudyID = ""
    data.Manufacturer = "LayerTune phantom"
    data.PatientName, data.PatientID = paper.name, paper.patient_id
    data.PatientBirthDate = data.PatientSex = ""
    data.StudyInstanceUID, data.FrameOfReferenceUID = paper.visit_uid, paper.frame_uid
    data.PositionReferenceIndicator = ""
    return data


def written(data: Dataset) -> bytes:
    """The data set as a file."""
    buffer = BytesIO()
    dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def position(scan: Volume, k: int) -> list[str]:
    """ImagePositionPatient of a slice."""
    return [f"{value:.4f}" for value in scan.to_mm((k, 0, 0)).tolist()]


def _slice(scan: Volume, paper: Papers, k: int) -> bytes:
    data = heading(paper, CTImageStorage, paper.sop_uids[k])
    z, y, x = scan.spacing_mm
    data.Modality, data.SeriesInstanceUID = "CT", paper.series_uid
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesNumber, data.AcquisitionNumber = 3, 1
    data.InstanceNumber = len(scan.voxels) - k  # as scanned, from the head down
    data.SeriesDescription = "Phantom CTPA"
    data.BodyPartExamined, data.PatientPosition = "CHEST", "HFS"
    data.ContrastBolusAgent, data.KVP = "Phantom", "100"
    data.ConvolutionKernel = paper.kernel
    data.SliceThickness = f"{z:.4f}"
    data.ImagePositionPatient = position(scan, k)
    data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    data.SliceLocation = data.ImagePositionPatient[2]
    data.PixelSpacing = [f"{y:.4f}", f"{x:.4f}"]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = scan.voxels.shape[1:]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.WindowCenter, data.WindowWidth = "180", "700"
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = str(INTERCEPT), "1", "HU"
    data.PixelData = _stored(scan.voxels[k]).tobytes()
    return written(data)


def _stored(plane: Voxels) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.clip(plane.astype(np.int32) - INTERCEPT, 0, 4095).astype("<u2")
