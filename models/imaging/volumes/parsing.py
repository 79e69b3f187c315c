"""DICOM bytes to a data set: a data set or a VolumeError, whatever the bytes are.

Values are read one by one through `text`, `number` and `numbers`, since pydicom converts a value
when it is asked for and fails then, not when the file is opened.
"""

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from models.volume import VolumeError

# What pydicom logs quotes the values that it finds fault with, and a patient's name is one. We
# judge values by what comes out of them.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
config.settings.reading_validation_mode = config.IGNORE

BROKEN = (
    InvalidDicomError, BytesLengthException, OSError, ValueError, TypeError, AttributeError,
    LookupError, EOFError, ArithmeticError, AssertionError, RuntimeError, MemoryError, BufferError,
    ImportError, struct.error, zlib.error,
)  # fmt: skip  # what pydicom and its decoders let out when fed with damaged files
INFLATED_MAX = 2**31  # bytes of a deflated data set
INFLATED_FREE = 2**26  # bytes that any of them may have: an empty slice shrinks a thousandfold
INFLATED_RATIO = 100  # beyond them, times its own size; pictures never shrink so far
_PIECE = 2**16
_MAGIC_AT = 128


def looks_like_dicom(data: bytes) -> bool:
    """Whether the bytes begin as a DICOM file should; a file without a preamble does not."""
    return data[_MAGIC_AT : _MAGIC_AT + 4] == b"DICM"


@contextmanager
def quiet() -> Iterator[None]:
    """pydicom warns of much that is not quite as the standard has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def parse(data: bytes, name: str, pixels: bool) -> tuple[FileDataset, int]:
    """The data set, and from where on in `data` its pixels lie (0 where that cannot be told).

    Without a meta header bytes are taken for DICOM only if what they parse to says of which kind
    of object it is, or has rows and columns. Raises VolumeError `not_dicom` or `damaged_dicom`.
    """
    known = looks_like_dicom(data)
    stream = _Stream(data, name)
    try:
        with quiet():
            found = dcmread(stream, stop_before_pixels=not pixels, force=not known)
            offset = stream.tell() if stream.tell() < len(data) else 0
            if not known and not _means_something(found):
                raise VolumeError("not_dicom", "the file is no DICOM object", name)
            _complete(found)
    except BROKEN as error:
        if not known:
            raise VolumeError("not_dicom", "the file is no DICOM object", name) from error
        raise VolumeError(
            "damaged_dicom", "the file begins as DICOM and cannot be parsed; send it again", name
        ) from error
    return found, offset


class _Stream(io.BytesIO):
    """The file as pydicom may see it. It asks for all that is left where it means to inflate it at
    once: then what is left has to be no bomb, whatever the header says of lengths and codings.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self._name = name

    def read(self, size: int | None = -1, /) -> bytes:
        rest = super().read(size)
        if size is None or size < 0:
            _check_inflated(rest, self._name)
        return rest


def _check_inflated(packed: bytes, name: str) -> None:
    """Raises VolumeError for a bomb; bytes that are not deflated say so elsewhere."""
    most = min(INFLATED_MAX, max(INFLATED_FREE, INFLATED_RATIO * len(packed)))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    for start in range(0, len(packed), _PIECE):
        rest = packed[start : start + _PIECE]
        while rest and not inflater.eof:
            total += len(inflater.decompress(rest, 2**20))
            rest = inflater.unconsumed_tail
            if total > most:
                detail = f"the deflated file inflates to more than {most:,} bytes"
                raise VolumeError("too_large", detail, name)


def _means_something(found: FileDataset) -> bool:
    kind = text(found, "SOPClassUID").startswith("1.2.840.10008.")
    return kind or (number(found, "Rows") is not None and number(found, "Columns") is not None)


def _complete(found: FileDataset) -> None:
    """A file without one transfer syntax gets the one that its bytes turned out to be written in:
    where it names none, and where a damaged header names several.
    """
    if isinstance(found.file_meta.get("TransferSyntaxUID"), str):
        return
    implicit, little = found.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    found.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def value(found: Dataset, keyword: str) -> Any:
    """What the data set has under the keyword; None where there is nothing or nothing readable."""
    try:
        with quiet():
            return found.get(keyword)
    except BROKEN:
        return None


def text(found: Dataset, keyword: str) -> str:
    read = value(found, keyword)
    return "" if read is None else str(read).strip().strip("\x00")


def texts(found: Dataset, keyword: str) -> tuple[str, ...]:
    """The parts of a value of several, in capitals."""
    read = value(found, keyword)
    if read is None:
        return ()
    parts = [read] if isinstance(read, str) else list(read) if _is_row(read) else [read]
    return tuple(str(part).strip().upper() for part in parts)


def _is_row(read: Any) -> bool:
    return hasattr(read, "__iter__")


def number(found: Dataset, keyword: str) -> float | None:
    """A finite number, or None."""
    several = numbers(found, keyword)
    return several[0] if len(several) == 1 else None


def numbers(found: Dataset, keyword: str) -> tuple[float, ...]:
    """Finite numbers; () where there are none or one of them is not."""
    read = value(found, keyword)
    if read is None or isinstance(read, str | bytes):
        parts = []
    else:
        parts = list(read) if _is_row(read) else [read]
    try:
        made = tuple(float(part) for part in parts)
    except BROKEN:
        return ()
    return made if all(abs(part) < 1e12 for part in made) else ()


def first_item(found: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence, if there is one."""
    items = value(found, keyword)
    return items[0] if items and isinstance(items[0], Dataset) else None


def items_of(found: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; [] where it is missing or no sequence."""
    items = value(found, keyword)
    return [item for item in items if isinstance(item, Dataset)] if _is_row(items) else []
