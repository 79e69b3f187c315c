"""Scans made for a test: slices as DICOM, volumes and masks as NIfTI, small and each its own."""

import gzip
import io
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SHAPE = (8, 16, 16)  # z, y, x
SPACING = (2.0, 0.7, 0.8)
CT, OTHER = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
Labels = NDArray[np.uint8]


def voxels(seed: int, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.int16]:
    """HU from air to contrast, no two seeds alike."""
    return np.random.default_rng(seed).integers(-1000, 400, shape).astype(np.int16)


def emboli(count: int, shape: tuple[int, int, int] = SHAPE) -> Labels:
    """`count` boxes of 2 x 2 x 2 voxels that do not touch, numbered."""
    labels = np.zeros(shape, dtype=np.uint8)
    for k in range(count):
        z, y = 1 + 3 * (k % 2), 1 + 4 * (k // 2)
        labels[z : z + 2, y : y + 2, 3:5] = k + 1
    return labels


def series(
    folder: str, values: NDArray[np.int16], *, uid: str = "", start_mm: float = 0.0, **tags: Any
) -> dict[str, bytes]:
    """A CT series, one file a slice, in an order that is not theirs; `tags` on every slice."""
    uid = uid or generate_uid("1.2.", [folder, str(values.sum())])[:50]
    count = len(values)
    return {
        f"{folder}/{(11 * z + 3) % count:05d}": dicom(
            values[z], f"{uid}.{z}", uid, start_mm + SPACING[0] * z, **tags
        )
        for z in range(count)
    }


def dicom(values: NDArray[np.int16], sop: str, uid: str, at_mm: float, **tags: Any) -> bytes:
    """One axial slice, stored as HU + 1024."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CT
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = sop
    made.SeriesInstanceUID, made.Modality = uid, "CT"
    made.Rows, made.Columns = values.shape
    made.PixelSpacing = [SPACING[1], SPACING[2]]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = [-5, -7, at_mm]
    made.RescaleSlope, made.RescaleIntercept = 1, -1024
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.PixelData = (values.astype(np.int32) + 1024).astype("<u2").tobytes()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def nifti(values: NDArray[Any], *, packed: bool = True, start_mm: float = 0.0) -> bytes:
    """The same grid as `series`: LPS to NIfTI's RAS turns the signs of x and y."""
    z, y, x = SPACING
    affine = np.array([[-x, 0, 0, 5], [0, -y, 0, 7], [0, 0, z, start_mm], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    data = bytes(image.to_bytes())
    return gzip.compress(data, 1, mtime=0) if packed else data


def patient(folder: str, seed: int, count: int = 1) -> dict[str, bytes]:
    """A series and its mask, in a folder each beside the other."""
    return series(f"{folder}/ct", voxels(seed)) | {f"{folder}/mask.nii.gz": nifti(emboli(count))}


def patients(count: int, seed: int = 0) -> dict[str, bytes]:
    """Every third of them shows nothing."""
    found: dict[str, bytes] = {}
    for k in range(count):
        found |= patient(f"p{k:02d}", seed + k, 0 if k % 3 == 2 else 1 + k % 2)
    return found


def segmentation(labels: Labels) -> bytes:
    """A DICOM SEG with one segment per label, on the grid of `series`."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.66"
    made.SeriesInstanceUID, made.Modality, made.SegmentationType = "1.2.67", "SEG", "BINARY"
    made.Rows, made.Columns = labels.shape[1:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = made.PixelRepresentation = 0
    places = [(k, z) for k in range(1, int(labels.max()) + 1)
              for z in range(len(labels)) if (labels[z] == k).any()]  # fmt: skip
    made.NumberOfFrames = len(places)
    made.SegmentSequence = [_item(SegmentNumber=k, SegmentLabel=f"embolus {k}")
                            for k in range(1, int(labels.max()) + 1)]  # fmt: skip
    made.SharedFunctionalGroupsSequence = [_item(
        PixelMeasuresSequence=[_item(PixelSpacing=list(SPACING[1:]), SliceThickness=SPACING[0])],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )]  # fmt: skip
    made.PerFrameFunctionalGroupsSequence = [_item(
        PlanePositionSequence=[_item(ImagePositionPatient=[-5, -7, SPACING[0] * z])],
        SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=k)],
    ) for k, z in places]  # fmt: skip
    bits = np.concatenate([(labels[z] == k).ravel() for k, z in places])
    made.PixelData = np.packbits(bits, bitorder="little").tobytes()
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _item(**tags: Any) -> Dataset:
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made
