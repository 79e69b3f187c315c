"""A phantom's emboli as a reader would hand them in: a NIfTI mask, or a DICOM segmentation."""

import gzip

import nibabel
import numpy as np
from pydicom import Dataset, Sequence
from pydicom.uid import SegmentationStorage

from models.imaging.ctpa_phantom.series import Papers, drawn_uid, heading, position, written
from models.volume import LabelVoxels, Volume, Voxels

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti(scan: Volume, voxels: LabelVoxels | Voxels) -> bytes:
    """A .nii.gz on the scan's grid: of labels (0 = nothing, k = the k-th embolus), or its HU."""
    turned = voxels.transpose(2, 1, 0)
    image = nibabel.Nifti1Image(turned, LPS_TO_RAS @ scan.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def segmentation(
    rng: np.random.Generator, scan: Volume, labels: LabelVoxels, paper: Papers
) -> bytes:
    """A DICOM SEG: a segment for each embolus, a frame for each slice of it.

    As a segmentation needs a segment and a frame, that of a patient without emboli has one of
    each, and no bit of it is set.
    """
    data = heading(paper, SegmentationStorage, drawn_uid(rng))
    data.Modality, data.SeriesInstanceUID = "SEG", drawn_uid(rng)
    data.SeriesNumber, data.InstanceNumber = 300, 1
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.ContentLabel, data.ContentDescription = "EMBOLI", "Pulmonary emboli of a phantom"
    data.ContentCreatorName, data.SegmentationType = "Phantom^Reader", "BINARY"
    data.ManufacturerModelName = data.DeviceSerialNumber = "phantom"
    data.SoftwareVersions, data.LossyImageCompression = "1", "00"
    data.Rows, data.Columns = labels.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 1, 1, 0, 0
    count = int(labels.max())
    data.SegmentSequence = Sequence([_segment(k) for k in range(1, max(count, 1) + 1)])
    data.ReferencedSeriesSequence = Sequence([_referenced(paper)])
    _dimensions(data, drawn_uid(rng))
    frames = _frames(labels, count)
    data.NumberOfFrames = len(frames)
    data.SharedFunctionalGroupsSequence = Sequence([_shared(scan)])
    data.PerFrameFunctionalGroupsSequence = Sequence(
        [_frame(scan, paper, *place) for place in frames]
    )
    bits = np.concatenate([(labels[k] == number).ravel() for number, k in frames])
    packed = np.packbits(bits, bitorder="little").tobytes()
    data.PixelData = packed + b"\0" * (len(packed) % 2)
    return written(data)


def _frames(labels: LabelVoxels, count: int) -> list[tuple[int, int]]:
    """(segment, slice) of each frame."""
    shown = [
        (number, int(k))
        for number in range(1, count + 1)
        for k in np.flatnonzero((labels == number).any(axis=(1, 2)))
    ]
    return shown or [(1, len(labels) // 2)]


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    return Sequence(
        [_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]
    )  # fmt: skip


def _segment(number: int) -> Dataset:
    return _item(
        SegmentNumber=number, SegmentLabel=f"Embolus {number}", SegmentAlgorithmType="MANUAL",
        SegmentedPropertyCategoryCodeSequence=_code(
            "49755003", "SCT", "Morphologically Abnormal Structure"),
        SegmentedPropertyTypeCodeSequence=_code("55584005", "SCT", "Embolus"),
    )  # fmt: skip


def _referenced(paper: Papers) -> Dataset:
    return _item(
        SeriesInstanceUID=paper.series_uid,
        ReferencedInstanceSequence=Sequence([_instance(uid) for uid in paper.sop_uids]),
    )


def _instance(uid: str) -> Dataset:
    return _item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=uid)


def _dimensions(data: Dataset, uid: str) -> None:
    """Frames are told apart by segment and by position."""
    data.DimensionOrganizationSequence = Sequence([_item(DimensionOrganizationUID=uid)])
    data.DimensionIndexSequence = Sequence([
        _item(DimensionOrganizationUID=uid, DimensionIndexPointer=pointer,
              FunctionalGroupPointer=group)
        for pointer, group in ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113))
    ])  # fmt: skip


def _shared(scan: Volume) -> Dataset:
    z, y, x = (f"{side:.4f}" for side in scan.spacing_mm)
    measures = _item(SliceThickness=z, SpacingBetweenSlices=z, PixelSpacing=[y, x])
    plane = _item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])
    return _item(
        PixelMeasuresSequence=Sequence([measures]), PlaneOrientationSequence=Sequence([plane])
    )


def _frame(scan: Volume, paper: Papers, number: int, k: int) -> Dataset:
    source = _instance(paper.sop_uids[k])
    source.PurposeOfReferenceCodeSequence = _code(
        "121322", "DCM", "Source image for image processing operation"
    )
    derived = _item(
        SourceImageSequence=Sequence([source]),
        DerivationCodeSequence=_code("113076", "DCM", "Segmentation"),
    )
    return _item(
        FrameContentSequence=Sequence([_item(DimensionIndexValues=[number, k + 1])]),
        PlanePositionSequence=Sequence([_item(ImagePositionPatient=position(scan, k))]),
        SegmentIdentificationSequence=Sequence([_item(ReferencedSegmentNumber=number)]),
        DerivationImageSequence=Sequence([derived]),
    )
