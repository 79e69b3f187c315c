"""Pictures whose headers promise gigabytes, or whose other parts unfold to them."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

from models.imaging.frames import decode
from models.imaging.ultrasound import frame_in
from tests.fuzz.nulls import ZLIB, deflated
from tests.scans import heading, written

SIDE = 50_000
PNG = b"\x89PNG\r\n\x1a\n"


def bombs(folder: Path) -> dict[str, Callable[[], object]]:
    pictures = {"png": _png(SIDE), "png_text": _png_text(), "jpeg": _jpeg(), "gif": _gif(),
                "webp": _webp(), "tiff": _tiff()}  # fmt: skip
    scans = {
        "ultrasound_rle": _ultrasound(SIDE, RLELossless),
        "ultrasound_deflated": _ultrasound(16, DeflatedExplicitVRLittleEndian, 2**30),
    }
    return {name: partial(decode, data) for name, data in pictures.items()} | {
        name: partial(frame_in, data) for name, data in scans.items()
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def _png(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = ZLIB + deflated(256)
    return PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _png_text() -> bytes:
    """A small picture with a comment of a gigabyte."""
    header = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    text = _chunk(b"zTXt", b"Comment\x00\x00" + ZLIB + deflated(1024))
    return PNG + _chunk(b"IHDR", header) + text + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")


def _saved(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("L", (16, 16)).save(out, format, **options)
    return out.getvalue()


def _jpeg() -> bytes:
    data = bytearray(_saved("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


def _gif() -> bytes:
    data = bytearray(_saved("GIF"))
    data[6:10] = struct.pack("<HH", 65_000, 65_000)
    return bytes(data)


def _webp() -> bytes:
    """A lossless WebP whose header claims 16383 x 16383."""
    data = bytearray(_saved("WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, (bits & ~0xFFFFFFF) | 0x3FFE | 0x3FFE << 14)
    return bytes(data)


def _tiff() -> bytes:
    data = bytearray(_saved("TIFF", compression="tiff_adobe_deflate"))
    for tag in (256, 257):  # width and height
        at = min(data.find(struct.pack("<HH", tag, kind)) % len(data) for kind in (3, 4))
        struct.pack_into("<I", data, at + 8, SIDE)
    return bytes(data)


def _ultrasound(side: int, syntax: str, padding: int = 0) -> bytes:
    made = heading("1.2.840.10008.5.1.4.1.1.6.1", "1.2.9")
    made.Modality, made.Rows, made.Columns = "US", 16, 16
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = np.zeros((16, 16), np.uint8).tobytes()
    made["PixelData"].VR = "OB"
    if padding:
        return deflated_bomb(made, padding)
    data = bytearray(written(made, syntax))
    for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        at = data.index(tag) + len(tag)
        data[at : at + 2] = struct.pack("<H", side)
    return bytes(data)


def deflated_bomb(made: object, padding: int, long_name: bool = False) -> bytes:
    """A deflated file with so many bytes of an empty private element behind its own.

    With `long_name` the header's other entries are so long that its coding stands far behind.
    """
    plain = written(made, ExplicitVRLittleEndian)  # type: ignore[arg-type]
    (length,) = struct.unpack_from("<I", plain, 140)
    meta, rest = bytearray(plain[132 : 144 + length]), plain[144 + length :]
    old = b"\x02\x00\x10\x00UI\x14\x00" + str(ExplicitVRLittleEndian).encode().ljust(20, b"\x00")
    uid = str(DeflatedExplicitVRLittleEndian).encode().ljust(22, b"\x00")
    at = meta.index(old[:8])
    filler = b""
    if long_name:
        filler = b"\x02\x00\x03\x00UI" + struct.pack("<H", 6000) + b"1" * 6000
    meta[at : at + len(old)] = filler + b"\x02\x00\x10\x00UI\x16\x00" + uid
    meta[8:12] = struct.pack("<I", len(meta) - 12)
    private = b"\xf1\x7f\x10\x10OB\x00\x00" + struct.pack("<I", padding)
    return plain[:132] + bytes(meta) + deflated(padding >> 20, rest + private)
