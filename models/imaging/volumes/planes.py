"""What a DICOM file says of each slice in it, without decoding a pixel."""

import hashlib
from dataclasses import dataclass

from pydicom.dataset import Dataset

from models.imaging.volumes.deidentified import burned_in
from models.imaging.volumes.parsing import (
    first_item,
    items_of,
    number,
    numbers,
    parse,
    text,
    texts,
)
from models.volume import VolumeError

SIDE_MAX = 16_384  # rows or columns; no scanner comes near
FRAMES_MAX = 20_000
CT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT Image
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
)
# What tells apart two pictures of the same place in one series, the likeliest first.
_PHASE = (
    "AcquisitionNumber", "TemporalPositionIdentifier", "ConvolutionKernel", "ImageType",
    "NominalPercentageOfCardiacPhase", "KVP", "SliceThickness", "FilterType",
)  # fmt: skip
_FRAME_PHASE = ("TemporalPositionIndex", "StackID", "FrameAcquisitionNumber")


@dataclass(frozen=True)
class Plane:
    """One slice as its header describes it. `rows` = 0: an object without pixels, or a SEG.

    `orientation` holds the unit vectors along a row and along a column in patient LPS, `position`
    the centre of the first pixel in millimetres; () where the file does not say. `spacing_mm` is
    (row, column). `padding` is the range of stored values that mean "nothing was seen here".
    """

    name: str
    frame: int
    frames: int
    series_uid: str
    sop_uid: str
    modality: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    grey: bool
    spacing_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    slope: float | None
    intercept: float | None
    units: str
    padding: tuple[int, int] | None
    phase: tuple[str, ...]
    digest: bytes
    burned_in: tuple[str, str] | None = None  # a note: text in the picture may name the patient


def planes_of(data: bytes, name: str) -> tuple[Plane, ...]:
    """The slices of a file: one, or one per frame. Raises VolumeError for what is no DICOM."""
    found, offset = parse(data, name, pixels=False)
    digest = hashlib.blake2b(memoryview(data)[offset:], digest_size=16).digest()
    frames = _frames(found, name)
    nested = items_of(found, "PerFrameFunctionalGroupsSequence")
    shared = first_item(found, "SharedFunctionalGroupsSequence")
    if not nested and shared is None:
        return tuple(_plane(found, (found,), name, (at, frames), digest) for at in range(frames))
    own = nested + [Dataset()] * (frames - len(nested))
    groups = [[group for group in (own[at], shared) if group is not None] for at in range(frames)]
    return tuple(
        _plane(found, (*_parts(groups[at]), found), name, (at, frames), digest)
        for at in range(frames)
    )


def _frames(found: Dataset, name: str) -> int:
    frames = number(found, "NumberOfFrames")
    if frames is None:
        return 1
    if not 1 <= frames <= FRAMES_MAX:
        raise VolumeError(
            "too_large", f"{frames:g} frames in one file; 1 to {FRAMES_MAX:,} are read", name
        )
    return int(frames)


def _parts(groups: list[Dataset]) -> list[Dataset]:
    """The functional groups of one frame as plain data sets, its own before the shared ones."""
    keywords = (
        "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
        "PixelValueTransformationSequence", "FrameContentSequence", "CTImageFrameTypeSequence",
    )  # fmt: skip
    found = [first_item(group, keyword) for keyword in keywords for group in groups]
    return [part for part in found if part is not None]


def _plane(
    found: Dataset,
    parts: tuple[Dataset, ...],
    name: str,
    at: tuple[int, int],
    digest: bytes,
) -> Plane:
    """One slice; `parts` are where its geometry and rescale may stand, the nearest first."""
    rows, columns = _side(found, "Rows", name), _side(found, "Columns", name)
    modality = text(found, "Modality").upper()
    if not modality and text(found, "SOPClassUID") in CT_CLASSES:
        modality = "CT"
    pictured = bool(rows and columns) and modality != "SEG"
    return Plane(
        name=name,
        frame=at[0],
        frames=at[1],
        series_uid=text(found, "SeriesInstanceUID"),
        sop_uid=text(found, "SOPInstanceUID"),
        modality=modality,
        image_type=_words(parts, "FrameType") or texts(found, "ImageType"),
        rows=rows if pictured else 0,
        columns=columns if pictured else 0,
        grey=text(found, "PhotometricInterpretation").upper().startswith("MONOCHROME"),
        spacing_mm=_of(parts, "PixelSpacing", 2),
        orientation=_of(parts, "ImageOrientationPatient", 6),
        position=_of(parts, "ImagePositionPatient", 3),
        slope=_single(parts, "RescaleSlope"),
        intercept=_single(parts, "RescaleIntercept"),
        units=next((text(part, "RescaleType") for part in parts if text(part, "RescaleType")), ""),
        padding=_padding(found),
        phase=tuple(text(found, key) for key in _PHASE)
        + tuple(next((text(p, key) for p in parts if text(p, key)), "") for key in _FRAME_PHASE),
        digest=digest,
        burned_in=burned_in(found) if pictured else None,
    )


def _side(found: Dataset, keyword: str, name: str) -> int:
    read = number(found, keyword)
    if read is None:
        return 0
    if not 1 <= read <= SIDE_MAX:
        raise VolumeError("too_large", f"{keyword} is {read:g}; 1 to {SIDE_MAX:,} are read", name)
    return int(read)


def _words(parts: tuple[Dataset, ...], keyword: str) -> tuple[str, ...]:
    return next((texts(part, keyword) for part in parts if texts(part, keyword)), ())


def _of(parts: tuple[Dataset, ...], keyword: str, count: int) -> tuple[float, ...]:
    """The first of the parts that has so many numbers under the keyword."""
    found = (numbers(part, keyword) for part in parts)
    return next((values for values in found if len(values) == count), ())


def _single(parts: tuple[Dataset, ...], keyword: str) -> float | None:
    values = _of(parts, keyword, 1)
    return values[0] if values else None


def _padding(found: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value of the padding, in the signedness of the pixels.

    Writers put it down with either signedness (63536 for -2000); it is brought to the pixels'.
    """
    ends = [number(found, key) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    bits = int(number(found, "BitsAllocated") or 16)
    signed = number(found, "PixelRepresentation") == 1
    made = sorted(_as_stored(int(end), bits, signed) for end in ends if end is not None)
    return made[0], made[-1]


def _as_stored(read: int, bits: int, signed: bool) -> int:
    if signed and read >= 1 << (bits - 1):
        return read - (1 << bits)
    return read + (1 << bits) if not signed and read < 0 else read
