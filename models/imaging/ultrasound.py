"""One ultrasound image in a DICOM file: its pixels, and the size of one by its own calibration.

A scanner says in the regions of its image what a pixel measures (PS3.3 C.8.5.5). Only a region of
tissue in two dimensions with centimetres along both axes tells it; strips of Doppler or M-mode
have seconds along one. Where tissue regions disagree, or there is none, nothing is guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from models.case import Pixels
from models.imaging.frames import SIDE_MIN, UnreadableError, stretched
from models.imaging.volumes.codestreams import claimed_size
from models.imaging.volumes.parsing import BROKEN, items_of, looks_like_dicom, number, parse, quiet
from models.imaging.volumes.parsing import text as text_of
from models.volume import VolumeError

__all__ = ["UltrasoundFrame", "frame_in", "looks_like_dicom"]

SOURCE = "dicom"
MODALITIES = ("US", "IVUS")
TISSUE, TWO_DIMENSIONAL, CENTIMETRES = 1, 1, 3  # RegionDataType, RegionSpatialFormat, units
SPACING_MM = (0.005, 2.0)  # of a pixel; what is said beyond is no ultrasound image's
ALIKE = 0.01  # share by which two regions may differ and still say the same
Spacing = tuple[float, float]  # row, column


@dataclass(frozen=True, eq=False)
class UltrasoundFrame:
    """`pixels` [y, x, 3] uint8 RGB; `source` is "dicom" where the file told the spacing.

    `notes`: converted_16_bit, palette_flattened, regions_disagree, odd_spacing.
    """

    pixels: Pixels
    spacing_mm: Spacing | None
    source: str | None
    notes: tuple[str, ...] = ()


def frame_in(data: bytes, max_pixels: int = 100_000_000) -> UltrasoundFrame:
    """The one frame of a DICOM ultrasound file. Raises UnreadableError, with a code:

    not_dicom, damaged_dicom, not_ultrasound, several_frames, no_pixels, too_small, too_large,
    unsupported_compression, damaged_pixels.
    """
    try:
        found, _ = parse(data, "", pixels=True)
    except VolumeError as error:
        raise UnreadableError(error.code, error.detail) from error
    _check(found, max_pixels)
    spacing, doubts = spacing_of(found)
    pixels, notes = _pixels(found)
    return UltrasoundFrame(pixels, spacing, None if spacing is None else SOURCE, (*notes, *doubts))


def _check(found: FileDataset, max_pixels: int) -> None:
    """All that can be said of the header before a pixel is decoded."""
    modality = text_of(found, "Modality").upper()
    if modality not in MODALITIES and not items_of(found, "SequenceOfUltrasoundRegions"):
        said = f"of modality {modality[:16]}" if modality else "that names no modality"
        raise UnreadableError("not_ultrasound", f"a DICOM file {said}, no ultrasound image")
    frames = number(found, "NumberOfFrames") or 1
    if frames > 1:
        detail = f"a loop of {frames:.0f} frames; send the one that is to be measured"
        raise UnreadableError("several_frames", detail)
    rows, columns = (int(number(found, key) or 0) for key in ("Rows", "Columns"))
    if "PixelData" not in found or not rows or not columns:
        raise UnreadableError("no_pixels", "the DICOM file holds no image")
    if min(rows, columns) < SIDE_MIN:
        raise UnreadableError("too_small", f"{columns} x {rows} pixels; a side has {SIDE_MIN}")
    if rows * columns > max_pixels:
        raise UnreadableError(
            "too_large", f"{columns} x {rows} pixels; at most {max_pixels:,} pixels are read"
        )


def spacing_of(found: Dataset) -> tuple[Spacing | None, tuple[str, ...]]:
    """Millimetres a pixel (row, column) by the regions of tissue, and what is odd about them."""
    told = list(_told(found))
    sound = [sides for sides in told if all(_sound(side) for side in sides)]
    if not sound:
        return None, ("odd_spacing",) if told else ()
    first = sound[0]
    for sides in sound[1:]:
        if any(abs(a - b) > ALIKE * b for a, b in zip(sides, first, strict=True)):
            return None, ("regions_disagree",)
    return first, ()


def _told(found: Dataset) -> Iterator[Spacing]:
    """(row, column) in mm of every region of tissue that is calibrated in centimetres."""
    for region in items_of(found, "SequenceOfUltrasoundRegions"):
        units = [number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        kind = number(region, "RegionDataType"), number(region, "RegionSpatialFormat")
        if kind != (TISSUE, TWO_DIMENSIONAL) or units != [CENTIMETRES, CENTIMETRES]:
            continue
        across, down = (number(region, f"PhysicalDelta{axis}") for axis in "XY")
        if across is not None and down is not None:  # below zero where the axis points up
            yield round(abs(down) * 10, 9), round(abs(across) * 10, 9)


def _sound(side: float) -> bool:
    return SPACING_MM[0] <= side <= SPACING_MM[1]


def _pixels(found: FileDataset) -> tuple[Pixels, tuple[str, ...]]:
    syntax = found.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        detail = f"transfer syntax {syntax}; send it uncompressed"
        raise UnreadableError("unsupported_compression", detail) from error
    try:
        with quiet():
            _check_claim(found)
            values, described = decoder.as_array(found, index=0)
            return _grey_or_rgb(found, values, str(described["photometric_interpretation"]))
    except BROKEN as error:
        detail = "the pixels end too early or cannot be decoded; send the file again"
        raise UnreadableError("damaged_pixels", detail) from error


def _check_claim(found: FileDataset) -> None:
    """Raises ValueError where a compressed picture is not of the size that the header gives."""
    if not found.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    picture = next(generate_frames(found.PixelData, number_of_frames=1))
    if claimed_size(picture) not in ((found.Rows, found.Columns), None):
        raise ValueError("a picture of another size")


def _grey_or_rgb(
    found: FileDataset, values: NDArray[np.generic], photometric: str
) -> tuple[Pixels, tuple[str, ...]]:
    """[y, x, 3] of decoded values; colours are RGB already, those of a palette are looked up."""
    notes: tuple[str, ...] = ()
    if photometric == "PALETTE COLOR":
        values, notes = apply_color_lut(values, found), ("palette_flattened",)
        if values.dtype.itemsize > 1:
            values = np.asarray(values, np.uint16) >> 8
    elif values.dtype != np.uint8:
        values, notes = stretched(np.asarray(values, np.float32)), ("converted_16_bit",)
    grey = np.asarray(values, np.uint8)
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    if grey.ndim == 2:
        grey = np.repeat(grey[..., None], 3, axis=2)
    if grey.shape != (found.Rows, found.Columns, 3):
        raise ValueError(f"decoded to {grey.shape}")
    return np.ascontiguousarray(grey), notes
