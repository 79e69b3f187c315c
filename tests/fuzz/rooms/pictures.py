"""Single pictures: the image decoder, what a pack keeps of it, masks, and DICOM ultrasound."""

import io
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from models.imaging.frames import UnreadableError, decode
from models.imaging.masks import read_mask
from models.imaging.plain import plain_bytes
from models.imaging.ultrasound import frame_in
from tests.fuzz.mutations import foreign
from tests.fuzz.reading import Reader
from tests.models.imaging.test_ultrasound import region
from tests.models.ingest.uploads import mask, pixels, saved

PIXELS_MAX = 250_000
PICTURE = Image.fromarray(pixels(3))


def _images() -> tuple[bytes, ...]:
    """Every format that is read, in several of its ways to be coded."""
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 60)
    two = [PICTURE, Image.fromarray(pixels(4))]
    return (
        saved(PICTURE), saved(PICTURE, "JPEG", exif=exif), saved(PICTURE, "JPEG", progressive=True),
        saved(PICTURE.convert("CMYK"), "JPEG"), saved(PICTURE.convert("P")),
        saved(PICTURE.convert("RGBA")), saved(deep), saved(PICTURE, "TIFF"),
        saved(PICTURE, "TIFF", compression="tiff_lzw"), saved(deep, "TIFF"),
        saved(PICTURE, "BMP"), saved(PICTURE, "GIF"), saved(PICTURE, "WEBP", quality=50),
        saved(PICTURE, "WEBP", lossless=True), saved(PICTURE, "PPM"),
        saved(two[0], "GIF", save_all=True, append_images=two[1:]),
        saved(two[0], "TIFF", save_all=True, append_images=two[1:]),
    )  # fmt: skip


def _ultrasound() -> tuple[bytes, ...]:
    """One frame, plain, compressed in three ways, and with a palette of its own."""
    made = _ultrasound_file()
    return tuple(_recoded(made, syntax) for syntax in
                 (None, RLELossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian))  # fmt: skip


def _ultrasound_file() -> bytes:
    from tests.scans import heading, written  # noqa: PLC0415 - beside what it is needed for

    made = heading("1.2.840.10008.5.1.4.1.1.6.1", "1.2.9")
    made.Modality, made.Rows, made.Columns = "US", 32, 32
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = pixels(5)[..., 0].tobytes()
    made["PixelData"].VR = "OB"
    made.SequenceOfUltrasoundRegions = [region()]
    return written(made)


def _recoded(data: bytes, syntax: str | None) -> bytes:
    out = io.BytesIO()
    made = dcmread(io.BytesIO(data))
    if syntax == DeflatedExplicitVRLittleEndian:
        made.file_meta.TransferSyntaxUID = syntax
    elif syntax is not None:
        made.compress(syntax, generate_instance_uid=False)
    made.save_as(out)
    return out.getvalue()


def readers(folder: Path) -> dict[str, Reader]:
    def image(data: bytes) -> None:
        found, _ = decode(data, PIXELS_MAX)
        assert found.ndim == 3 and found.shape[0] * found.shape[1] <= PIXELS_MAX
        kept, _ = plain_bytes(data, found, PIXELS_MAX)
        assert decode(kept, PIXELS_MAX)[0].shape == found.shape

    masks = (mask(0, 1, 2), mask(0, 255), saved(PICTURE.convert("P")), saved(PICTURE, "TIFF"))
    return {
        "image": Reader(foreign(_images()), image, (UnreadableError,), 900),
        "mask": Reader(
            foreign(masks), partial(read_mask, max_pixels=PIXELS_MAX), (UnreadableError,), 300
        ),
        "ultrasound": Reader(
            foreign(_ultrasound()), partial(frame_in, max_pixels=PIXELS_MAX), (UnreadableError,),
            300,
        ),
    }  # fmt: skip
