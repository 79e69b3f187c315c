"""Small CT series, NIfTI files and segmentations, written as scanners and readers write them."""

import gzip
import io
from collections.abc import Mapping
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SegmentationStorage,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PIXEL_MM = (0.8, 0.5)  # row, column
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxels(shape: tuple[int, int, int] = (7, 6, 9), seed: int = 0) -> NDArray[np.int16]:
    """HU, air among them, hardly one like another."""
    drawn = np.random.default_rng(seed).integers(-1000, 1500, shape)
    drawn[0, 0, 0] = -1000
    return drawn.astype(np.int16)


def heading(sop_class: str, sop_uid: str) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, sop_uid
    made.PatientName, made.PatientID = "Somebody^Real", "secret-4711"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2", "1.2.3"
    return made


def pictured(made: Dataset, values: NDArray[Any], intercept: int) -> None:
    """The pixels of HU: unsigned with an intercept, signed without one."""
    made.Rows, made.Columns = values.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.PixelRepresentation = int(intercept == 0)
    raw = (values.astype(np.int32) - intercept).astype("<i2" if intercept == 0 else "<u2")
    made.PixelData = raw.tobytes()
    made["PixelData"].VR = "OW"


def written(made: Dataset, syntax: UID = ExplicitVRLittleEndian, meta: bool = True) -> bytes:
    """The file; without its meta header the bare data set, as some archives store it."""
    sink = io.BytesIO()
    if syntax.is_encapsulated:
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.compress(syntax, generate_instance_uid=False)
    if syntax == ExplicitVRBigEndian:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
    if meta:
        made.file_meta = getattr(made, "file_meta", FileMetaDataset())
        made.file_meta.TransferSyntaxUID = syntax
        dcmwrite(sink, made, enforce_file_format=True)
    else:
        implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
        dcmwrite(sink, made, implicit_vr=implicit, little_endian=little)
    return sink.getvalue()


def piece(
    values: NDArray[Any],
    position: Any,
    *,
    orientation: Any = AXIAL,
    pixel_mm: Any = PIXEL_MM,
    intercept: int = -1024,
    syntax: UID = ExplicitVRLittleEndian,
    meta: bool = True,
    sop_uid: str = "1.2.3.1",
    **tags: Any,
) -> bytes:
    """One CT slice; a tag of None is left out."""
    made = heading(CTImageStorage, sop_uid)
    made.Modality, made.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.ImagePositionPatient = [f"{float(value):.6g}" for value in position]
    made.ImageOrientationPatient = [f"{float(value):.8g}" for value in orientation]
    made.PixelSpacing = [f"{side:.6g}" for side in pixel_mm]
    made.RescaleSlope, made.RescaleIntercept = "1", str(intercept)
    pictured(made, values, intercept)
    for keyword, value in tags.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return written(made, syntax, meta)


def series(
    scan: NDArray[Any],
    *,
    heights: Any = None,
    step: Any = (0.0, 0.0, 2.0),
    origin: Any = (10.0, -20.0, 30.0),
    prefix: str = "",
    **given: Any,
) -> dict[str, bytes]:
    """A slice for each of `scan` [z, y, x], at origin + height * step; names say nothing."""
    at = np.arange(len(scan)) if heights is None else heights
    places = np.array(origin) + np.outer(at, step)
    return {
        f"{prefix}{(k * 7 + 3) % 101:03d}": piece(
            picture, places[k], **{"sop_uid": f"1.2.3.{k + 1}", **given}
        )
        for k, picture in enumerate(scan)
    }


def enhanced(scan: NDArray[Any], order: Any = None, **tags: Any) -> bytes:
    """An Enhanced CT object; `order` is the slice that each frame shows."""
    shown = np.arange(len(scan)) if order is None else np.array(order)
    made = heading(EnhancedCTImageStorage, "1.2.3.9")
    made.Modality = "CT"
    pictured(made, scan[shown], -1024)
    made.NumberOfFrames = len(shown)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(AXIAL))]
    shared.PixelMeasuresSequence = [item(PixelSpacing=list(PIXEL_MM), SliceThickness=2)]
    shared.PixelValueTransformationSequence = [
        item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
    ]
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    made.PerFrameFunctionalGroupsSequence = Sequence([
        item(PlanePositionSequence=[item(ImagePositionPatient=[10, -20, 30 + 2 * int(k)])])
        for k in shown
    ])  # fmt: skip
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return written(made)


def item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def segmentation(
    marks: Mapping[int, NDArray[Any]],
    places: NDArray[Any],
    *,
    orientation: Any = AXIAL,
    pixel_mm: Any = PIXEL_MM,
    thickness: float = 2.0,
    fractional: bool = False,
    labels: Mapping[int, str] | None = None,
    drawn_on: tuple[str, ...] = (),
) -> bytes:
    """A DICOM SEG: of each segment the slices [z, y, x] that mark anything, at their places.

    With `drawn_on` frames have no position and name the slice that they were drawn on instead.
    """
    made = heading(SegmentationStorage, "1.2.4.1")
    made.SeriesInstanceUID, made.Modality = "1.2.4", "SEG"
    frames = [(n, k) for n, scan in marks.items() for k in range(len(scan)) if scan[k].any()]
    pictures = np.array([marks[n][k] for n, k in frames])
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = pictures.shape[1:]
    made.NumberOfFrames, made.PixelRepresentation = len(frames), 0
    made.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    if fractional:
        made.MaximumFractionalValue = 200
        made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
        packed = pictures.astype(np.uint8).tobytes()
    else:
        made.BitsAllocated, made.BitsStored, made.HighBit = 1, 1, 0
        packed = np.packbits(pictures.reshape(-1) > 0, bitorder="little").tobytes()
    made.PixelData = packed + b"\x00" * (len(packed) % 2)
    made["PixelData"].VR = "OB"
    made.SegmentSequence = Sequence([
        item(SegmentNumber=n, SegmentLabel=(labels or {}).get(n, f"Finding {n}")) for n in marks
    ])  # fmt: skip
    made.SharedFunctionalGroupsSequence = Sequence([
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(orientation))],
            PixelMeasuresSequence=[item(PixelSpacing=list(pixel_mm), SliceThickness=thickness)],
        )
    ])  # fmt: skip
    made.PerFrameFunctionalGroupsSequence = Sequence(
        [_frame(n, places[k], drawn_on[k] if drawn_on else "") for n, k in frames]
    )
    return written(made)


def _frame(segment: int, place: Any, drawn_on: str) -> Dataset:
    made = item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)])
    if drawn_on:
        source = item(ReferencedSOPInstanceUID=drawn_on, ReferencedSOPClassUID=CTImageStorage)
        made.DerivationImageSequence = Sequence([item(SourceImageSequence=[source])])
    else:
        shown = [f"{float(value):.6g}" for value in place]
        made.PlanePositionSequence = Sequence([item(ImagePositionPatient=shown)])
    return made


def nifti(
    scan: NDArray[Any], affine: NDArray[Any], *, packed: bool = False, **fields: Any
) -> bytes:
    """A NIfTI file of `scan` [z, y, x] whose `affine` is to LPS; `fields` overwrite the header."""
    image = nib.Nifti1Image(scan.transpose(2, 1, 0), LPS @ affine)
    made = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(made[:348]), check=False)
    header["xyzt_units"] = 2
    for name, value in fields.items():
        header[name] = value
    made[:348] = header.binaryblock
    return gzip.compress(bytes(made), mtime=0) if packed else bytes(made)
