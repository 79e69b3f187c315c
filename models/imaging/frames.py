"""One image file to RGB pixels: the only decoder, used at the door, for patches and in serving.

The header is read and judged before a pixel is decoded. What is not plain 8-bit grey or RGB is
converted, and every conversion is noted.
"""

import io
import struct
import threading
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.case import Pixels

# Pillow's own guard warns and raises by a process-wide number; ours is an argument, asked first.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SIDE_MIN = 8  # pixels
LARGE_PIXELS = 12_000_000  # of a clinic's own pictures hardly any has more
LARGE = threading.Lock()
STRIP = 256  # rows that are stretched at once
_PLAIN = ("L", "RGB")
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
    OverflowError, ZeroDivisionError, AssertionError, RuntimeError, MemoryError, struct.error,
    zlib.error, cv2.error,
)  # fmt: skip  # Pillow's decoders let all of these out when fed with damaged files
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class UnreadableError(Exception):
    """A file that gives no usable image; `code` is stable, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Header:
    """What a file says of itself. Sizes are as stored, before `orientation` (EXIF, 1 to 8)."""

    format: str
    mode: str  # as Pillow names it: L, RGB, P, CMYK, I;16, ...
    width: int
    height: int
    bits: int  # per channel
    orientation: int
    animated: bool
    alpha: bool

    @property
    def plain(self) -> bool:
        """8-bit grey or RGB in a PNG or JPEG, upright: its bytes may be kept and read fast."""
        return (
            self.format in ("PNG", "JPEG")
            and self.mode in _PLAIN
            and self.bits == 8
            and self.orientation == 1
            and not self.animated
            and not self.alpha
        )


def examine(data: bytes, max_pixels: int) -> Header:
    """The header alone. UnreadableError for no image, or one too small or too large to decode."""
    with opened(data) as image:
        return _header(image, data, max_pixels)


def decode(data: bytes, max_pixels: int = 100_000_000) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels [y, x, 3] uint8 RGB, upright, and notes on what had to be converted.

    Notes: converted_cmyk, converted_colour, converted_16_bit (the image's own range of values
    stretched to 0..255), first_frame_only, exif_rotated, palette_flattened, alpha_flattened (over
    black). Raises UnreadableError. Images of many pixels take turns: some kilobytes may hold a
    hundred million, which weigh several times as much while they are converted.
    """
    with opened(data) as image:
        header = _header(image, data, max_pixels)
        with LARGE if header.width * header.height > LARGE_PIXELS else nullcontext():
            return _decoded(image, data, header)


def _decoded(image: Image.Image, data: bytes, header: Header) -> tuple[Pixels, tuple[str, ...]]:
    fast = _fast(data) if header.plain else None
    if fast is not None:
        return fast, ()
    try:
        pixels = _deep(image, data, header) if header.bits > 8 else _shallow(image, header)
    except BROKEN as error:
        raise UnreadableError("damaged_image", "the image is damaged or incomplete") from error
    return upright(pixels, header), _notes(header)


def opened(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableError("empty_file", "the file has no content")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except BROKEN as error:
        raise UnreadableError(
            "not_an_image", f"no image is found in it; {', '.join(FORMATS)} are read"
        ) from error


def _header(image: Image.Image, data: bytes, max_pixels: int) -> Header:
    width, height = image.size
    if min(width, height) < SIDE_MIN:
        raise UnreadableError("too_small", f"{width} x {height} pixels; a side has {SIDE_MIN}")
    if width * height > max_pixels:
        raise UnreadableError(
            "too_large",
            f"{width} x {height} pixels; at most {max_pixels:,} pixels are read: send fewer",
        )
    try:
        header = Header(
            format="JPEG" if image.format == "MPO" else str(image.format),
            mode=image.mode,
            width=width,
            height=height,
            bits=_bits(image, data),
            orientation=_orientation(image),
            animated=bool(getattr(image, "is_animated", False)),
            alpha=image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
        )
    except BROKEN as error:
        raise UnreadableError("damaged_image", "the image's header is damaged") from error
    _check_weight(header, max_pixels)
    return header


def _check_weight(header: Header, max_pixels: int) -> None:
    """An image of deep channels weighs no more in memory than one of plain colour may."""
    channels = 1 if header.mode.startswith(("I", "F")) else 4  # as `_deep` reads them
    weight, most = header.width * header.height * channels * header.bits // 8, 3 * max_pixels
    if header.bits > 8 and weight > most:
        raise UnreadableError(
            "too_large",
            f"{header.width} x {header.height} pixels of {header.bits} bits are {weight:,} bytes; "
            f"at most {most:,} are read: send fewer, or 8 bits of each",
        )


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits per channel: Pillow tells them by mode for grey, and not at all for 16-bit colour."""
    if image.mode.startswith("I;16"):
        return 16
    if image.mode in ("I", "F"):
        return 32
    if image.format == "PNG":
        return max(8, data[24])
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return int(max(8, *np.atleast_1d(tags.get(258, 8))))
    return 8


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, 1 where none is given or the block is damaged."""
    if image.format == "TIFF":
        found = getattr(image, "tag_v2", {}).get(_ORIENTATION, 1)
    else:
        found = _exif_orientation(image.info.get("exif", b""))
    return int(found) if found in _TURNS else 1


def _exif_orientation(block: bytes) -> int:
    """The tag from the first directory of an EXIF block; read here, as Pillow warns and raises."""
    block = block.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", block, at)
        if tag == _ORIENTATION and kind == 3:
            return int(struct.unpack_from(f"{order}H", block, at + 8)[0])
    return 1


def _fast(data: bytes) -> Pixels | None:
    """OpenCV's decoder, the faster; None where it finds damage, and Pillow is to say which."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if found is None else found.astype(np.uint8, copy=False)


def _shallow(image: Image.Image, header: Header) -> Pixels:
    """Eight bits or fewer: whatever Pillow can turn into RGB, what is transparent over black."""
    if header.alpha:
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size)
        image.paste(rgba, mask=rgba.getchannel("A"))
    return np.asarray(image.convert("RGB"))


def _deep(image: Image.Image, data: bytes, header: Header) -> Pixels:
    """More than eight bits: the image's own range is stretched, for 12-bit data sit in 16."""
    if header.mode.startswith(("I", "F")):
        grey = stretched(np.asarray(image))
    else:  # OpenCV, as Pillow drops the low byte of colour
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise ValueError("no pixels")
        grey = stretched(found)
    if grey.ndim == 3:
        return np.ascontiguousarray(grey[..., ::-1])
    return np.repeat(grey[..., None], 3, axis=2)


def stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The finite range of the values [y, x] or [y, x, 3] laid over 0..255; a constant image is
    black, and a fourth channel is alpha, over black.

    By strips, so that little memory is held beside the values themselves.
    """
    strips = [slice(top, top + STRIP) for top in range(0, len(values), STRIP)]
    ranges = [_range(_over_black(values[strip])) for strip in strips]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if low > high:
        raise ValueError("no finite value")
    out = np.zeros(values.shape if values.ndim == 2 else (*values.shape[:2], 3), np.uint8)
    for strip in strips if high > low else ():
        part = _over_black(values[strip])
        part[~np.isfinite(part)] = low
        out[strip] = np.rint((part - low) * (255.0 / (high - low)))
    return out


def _over_black(values: NDArray[Any]) -> NDArray[np.float32]:
    """A copy as float32; what is transparent dark. The scale is stretched anyway."""
    found = values.astype(np.float32)
    return found[..., :3] * found[..., 3:] if found.shape[2:] == (4,) else found


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    """Of the finite ones; (inf, -inf) where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))


def upright(pixels: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    """[y, x] or [y, x, 3] turned as EXIF says; of a TIFF both decoders have done it already."""
    if header.orientation == 1 or header.format == "TIFF":
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(_TURNS[header.orientation]))


def _notes(header: Header) -> tuple[str, ...]:
    said = {
        "converted_cmyk": header.mode == "CMYK",
        "converted_colour": header.mode in ("YCbCr", "LAB", "HSV"),
        "converted_16_bit": header.bits > 8,
        "palette_flattened": header.mode in ("P", "PA"),
        "alpha_flattened": header.alpha,
        "first_frame_only": header.animated,
        "exif_rotated": header.orientation != 1,
    }
    return tuple(note for note, holds in said.items() if holds)
