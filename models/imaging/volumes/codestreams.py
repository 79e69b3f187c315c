"""The size that a compressed picture claims for itself, read before it is decoded.

A decoder makes room for what the picture inside says, not for what the DICOM header around it
says; a few damaged (or wicked) bytes could ask for gigabytes.
"""

import struct

_NO_FRAME = frozenset((0xC4, 0xC8, 0xCC))  # tables and reserved, among the start-of-frame markers
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_JPEG_LS_FRAME = 0xF7
_SIZ = b"\xff\x51"


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 picture; None where none can be told."""
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:2] == b"\xff\x4f":
            return _jpeg_2000(data, 0)
        if data[4:8] == b"jP  ":
            start = data.find(b"\xff\x4f" + _SIZ)
            return _jpeg_2000(data, start) if start >= 0 else None
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at < len(data) - 9:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME):
            rows, columns = struct.unpack(">HH", data[at + 5 : at + 9])
            return rows, columns
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _jpeg_2000(data: bytes, start: int) -> tuple[int, int] | None:
    if data[start + 2 : start + 4] != _SIZ:
        return None
    right, bottom, left, top = struct.unpack(">IIII", data[start + 8 : start + 24])
    return bottom - top, right - left
