"""The bytes a pack keeps of an image: pixels only, as EXIF, XMP and comments may name a patient."""

import re
import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Pixels
from models.imaging import frames

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"IDAT", b"IEND")
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_ADOBE = 0xEE  # says how the colours are coded; the other APPn and COM say who and where
_JFIF = 0xE0
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # the next marker after entropy-coded data


def plain_bytes(data: bytes, pixels: Pixels, max_pixels: int) -> tuple[bytes, str]:
    """What to store for an image already decoded to `pixels`, and its suffix.

    A plain PNG or JPEG keeps its own compressed pixels and loses everything else; any other
    image becomes a PNG of what was decoded.
    """
    header = frames.examine(data, max_pixels)
    if header.plain:
        kept = _png(data) if header.format == "PNG" else _jpeg(data)
        if kept is not None:
            return kept, "png" if header.format == "PNG" else "jpg"
    return png(pixels), "png"


def png(pixels: NDArray[np.uint8]) -> bytes:
    """[y, x, 3] RGB or [y, x] as a PNG; grey stored in three channels becomes one again."""
    if pixels.ndim == 3:
        grey = (pixels == pixels[..., :1]).all()
        pixels = pixels[..., 0] if grey else pixels[..., ::-1]
    _, coded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return coded.tobytes()


def _png(data: bytes) -> bytes | None:
    """The PNG with its critical chunks only; None if it is not built as a PNG should be."""
    kept = [_PNG]
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if kind in _PNG_KEPT:
            kept.append(data[at : at + 12 + length])
        if kind == b"IEND":
            return b"".join(kept) if length == 0 else None
        at += 12 + length
    return None


def _jpeg(data: bytes) -> bytes | None:
    """The JPEG without APPn (but JFIF, Adobe), comments, and what follows its end."""
    kept = [b"\xff\xd8"]
    for marker, segment in _segments(data):
        if marker == _JPEG_END:
            return b"".join([*kept, b"\xff\xd9"])
        if marker == _JFIF:
            segment = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
        if marker in (_JFIF, _ADOBE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(segment)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, its bytes) up to the end of the image; stops early where the file is not sound."""
    at = 2
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _JPEG_END:
            yield marker, b""
            return
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == _JPEG_SCAN:
            following = _MARKER.search(data, end)
            if following is None:
                return
            end = following.end() - 2
        yield marker, data[at:end]
        at = end
