"""Slices of a DICOM file decoded one after the other, into Hounsfield units."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder

from models.imaging.volumes.codestreams import claimed_size
from models.imaging.volumes.parsing import BROKEN, number, parse, quiet
from models.imaging.volumes.planes import Plane
from models.volume import AIR_HU, VolumeError

_LOWEST, _HIGHEST = np.iinfo(np.int16).min, np.iinfo(np.int16).max
_RLE = "1.2.840.10008.1.2.5"


def hounsfield(data: bytes, planes: Sequence[Plane]) -> Iterator[NDArray[np.int16]]:
    """HU [y, x] of each of the slices, which all lie in this one file, in their order.

    Raises VolumeError `unsupported_compression`, `no_pixels` or `damaged_pixels`.
    """
    for plane, values in zip(planes, stored(data, planes), strict=True):
        yield in_hounsfield(plane, values)


def stored(data: bytes, planes: Sequence[Plane]) -> Iterator[NDArray[np.integer]]:
    """The values [y, x] of each of the slices as they are stored."""
    name = planes[0].name
    found, _ = parse(data, name, pixels=True)
    if "PixelData" not in found:
        raise VolumeError("no_pixels", "the file has rows and columns and no pixels", name)
    try:
        decoder = get_decoder(found.file_meta.TransferSyntaxUID)
    except NotImplementedError as error:
        detail = f"transfer syntax {found.file_meta.TransferSyntaxUID}; send it uncompressed"
        raise VolumeError("unsupported_compression", detail, name) from error
    try:
        with quiet():
            _check_claims(found, planes[0])
        # One frame at a time: a generator inside of `quiet` would leave it switched on.
        for plane in planes:
            with quiet():
                made, _ = decoder.as_array(found, index=plane.frame, raw=True)
            if made.shape != (plane.rows, plane.columns):
                raise ValueError(f"decoded to {made.shape}")
            yield made
    except BROKEN as error:
        raise VolumeError(
            "damaged_pixels",
            "the pixels end too early or cannot be decoded; send the file again",
            name,
        ) from error


def _check_claims(found: FileDataset, plane: Plane) -> None:
    """Raises ValueError where a compressed picture is not of the size that the header gives."""
    bits = number(found, "BitsAllocated") or 0
    if bits not in (1, 8, 16, 32):
        raise ValueError(f"{bits} bits")
    syntax = found.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or syntax == _RLE:
        return
    for picture in generate_frames(found.PixelData, number_of_frames=plane.frames):
        if claimed_size(picture) not in ((plane.rows, plane.columns), None):
            raise ValueError("a picture of another size")


def in_hounsfield(plane: Plane, values: NDArray[np.integer]) -> NDArray[np.int16]:
    """Stored values [y, x] to HU by the slice's own slope and intercept, padding to air."""
    slope = 1.0 if plane.slope is None else plane.slope
    intercept = 0.0 if plane.intercept is None else plane.intercept
    made = np.rint(values.astype(np.float64) * slope + intercept)
    units = np.clip(made, _LOWEST, _HIGHEST).astype(np.int16)
    if plane.padding is not None:
        low, high = plane.padding
        units[(values >= low) & (values <= high)] = AIR_HU
    return units
