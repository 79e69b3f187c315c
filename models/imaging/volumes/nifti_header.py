"""A NIfTI file opened: what its header says, judged, and its values slice by slice.

A compressed file is inflated no further than the header promises, and the promise is judged
first: a bomb never gets to unfold. NIfTI counts in RAS, patient coordinates here are LPS.
"""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from models.imaging.volumes.bounds import SPACING_MM, VOXELS_MAX
from models.volume import VolumeError

_SIZES: dict[int, tuple[Any, bytes]] = {
    348: (nib.Nifti1Header, b"n+1\x00"),
    540: (nib.Nifti2Header, b"n+2\x00\r\n\x1a\n"),
}
_TO_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PROMISED_FREE = 2**29  # bytes of values that any file may promise
PROMISED_RATIO = 100  # beyond them, times its own size: scans never shrink so far, empty masks do
_OFFSET_MAX = 2**26  # bytes before the values; header extensions are small
_SLANT_MAX = 0.02  # cosine between two axes; about a degree
_BROKEN = (
    OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, ArithmeticError,
    zlib.error, struct.error, HeaderDataError, MemoryError,
)  # fmt: skip


class Bytes(Protocol):
    """A file, compressed or not."""

    def read(self, size: int) -> bytes: ...


@dataclass(frozen=True)
class Opened:
    """A NIfTI file before its values. `shape` is (k, j, i); `affine` takes (i, j, k) to LPS mm.

    `placed` is False where the file does not say where it lies and `affine` is made of its voxel
    sizes alone.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    placed: bool
    dtype: np.dtype[np.generic]
    slope: float
    intercept: float
    stream: Bytes

    def slices(self) -> Iterator[NDArray[np.generic]]:
        """The values [j, i] of each k as they are stored. Raises VolumeError `truncated`."""
        _, rows, columns = self.shape
        size = rows * columns * self.dtype.itemsize
        for k in range(self.shape[0]):
            piece = _read(self.stream, size)
            if len(piece) < size:
                raise VolumeError(
                    "truncated",
                    f"the file ends in slice {k + 1} of the {self.shape[0]} its header promises; "
                    "send it again",
                )
            yield np.frombuffer(piece, dtype=self.dtype).reshape(rows, columns)


def looks_like_nifti(data: bytes) -> bool:
    """Whether the bytes, inflated where they are gzip, begin as a NIfTI file."""
    try:
        start = _stream(data).read(4)
    except _BROKEN:
        return False
    return len(start) == 4 and _size_of(start) in _SIZES


def open_nifti(data: bytes, voxels_max: int = VOXELS_MAX) -> Opened:
    """Reads the header. Raises VolumeError for what is no NIfTI file, or none to be read here."""
    stream = _stream(data)
    header, read = _header(stream)
    shape = _shape(header, voxels_max)
    kind = _kind(header)
    offset = int(header["vox_offset"]) if np.isfinite(header["vox_offset"]) else 0
    offset = max(offset, read + 4)
    if offset > _OFFSET_MAX:
        raise VolumeError("bad_header", f"values begin at byte {offset:,}; the header is damaged")
    _read(stream, offset - read)
    affine, placed = _affine(header)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    scaled = np.isfinite(slope) and slope != 0
    return Opened(
        shape,
        affine,
        placed,
        kind,
        slope if scaled else 1.0,
        intercept if scaled and np.isfinite(intercept) else 0.0,
        stream,
    )


def _stream(data: bytes) -> Bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    return io.BytesIO(data)


def _read(stream: Bytes, size: int) -> bytes:
    """As many bytes as there are, `size` at most. Raises VolumeError for damaged compression."""
    try:
        return stream.read(size)
    except EOFError:
        return b""
    except _BROKEN as error:
        raise VolumeError(
            "damaged_nifti", "the compressed file is damaged; send it again"
        ) from error


def _size_of(start: bytes) -> int:
    """The header's size, which tells its version and byte order."""
    little, big = struct.unpack("<i", start)[0], struct.unpack(">i", start)[0]
    return int(little if little in _SIZES else big)


def _header(stream: Bytes) -> tuple[Any, int]:
    """The header, and how many bytes of the stream it took."""
    start = _read(stream, 4)
    size = _size_of(start) if len(start) == 4 else 0
    if size not in _SIZES:
        raise VolumeError("not_nifti", "the file does not begin as a NIfTI file")
    block = start + _read(stream, size - 4)
    kind, magic = _SIZES[size]
    if len(block) < size:
        raise VolumeError("truncated", "the file ends within its header; send it again")
    try:
        header = kind(block, check=False)
        found = bytes(header["magic"].tobytes())
    except _BROKEN as error:
        raise VolumeError("bad_header", "the NIfTI header cannot be parsed") from error
    if found[:3] != magic[:3]:
        raise VolumeError(
            "not_nifti",
            "no single NIfTI file by its magic (a pair .hdr/.img?); save it as one .nii or .nii.gz",
        )
    return header, size


def check_promise(opened: Opened, packed: int) -> None:
    """Raises VolumeError for a scan whose file is far too small for the values it promises."""
    promised = math.prod(opened.shape) * opened.dtype.itemsize
    if promised > max(PROMISED_FREE, PROMISED_RATIO * packed):
        raise VolumeError(
            "archive_bomb",
            f"{packed:,} bytes that promise {promised:,} bytes of values: no scan shrinks so far",
        )


def _shape(header: Any, voxels_max: int) -> tuple[int, int, int]:
    """(k, j, i). Raises VolumeError for what is no single volume, or too large a one."""
    dims = [int(side) for side in header["dim"]]
    count = dims[0]
    sides = dims[1 : count + 1]
    if not 1 <= count <= 7 or any(side < 1 for side in sides):
        raise VolumeError("bad_header", f"dimensions {dims} make no volume")
    sides += [1] * (3 - count)
    if np.prod(sides[3:], dtype=object) > 1:
        raise VolumeError(
            "several_frames", f"{sides} voxels: several volumes in one file; send one of them"
        )
    columns, rows, slices = sides[:3]
    if columns * rows * slices > voxels_max:
        raise VolumeError(
            "too_large", f"{slices} x {rows} x {columns} voxels; at most {voxels_max:,} are read"
        )
    return slices, rows, columns


def _kind(header: Any) -> np.dtype[np.generic]:
    """The type of the values. Raises VolumeError where it is no plain number."""
    code = int(header["datatype"])
    try:
        kind: np.dtype[np.generic] = np.dtype(header.get_data_dtype())
    except _BROKEN as error:
        raise VolumeError("bad_header", f"datatype {code} is unknown") from error
    plain = kind.kind in "iuf" and kind.itemsize <= 8
    if not plain or int(header["bitpix"]) != 8 * kind.itemsize:
        raise VolumeError(
            "unsupported_type",
            f"values are of datatype {code} with {int(header['bitpix'])} bits; save the volume as "
            "16-bit integers",
        )
    return kind


def _affine(header: Any) -> tuple[NDArray[np.float64], bool]:
    """(i, j, k) to LPS millimetres, and whether the file itself says where it lies."""
    scale = _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    for code, ask in (("sform_code", header.get_sform), ("qform_code", header.get_qform)):
        if int(header[code]) <= 0:
            continue
        try:
            affine = np.asarray(ask(), dtype=np.float64)
        except _BROKEN:
            continue
        if np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0:
            return _judged(affine, scale), True
    sides = [abs(float(side)) for side in header["pixdim"][1:4]]
    return _judged(np.diag([*sides, 1.0]), scale), False


def _judged(affine: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """In LPS millimetres. Raises VolumeError for voxels no scanner makes, and slanted grids."""
    made = _LPS @ affine
    made[:3] *= scale
    sides = np.linalg.norm(made[:3, :3], axis=0)
    if (
        not np.isfinite(made).all()
        or (sides < SPACING_MM[0]).any()
        or (sides > SPACING_MM[1]).any()
    ):
        shown = " x ".join(f"{side:g}" for side in sides)
        raise VolumeError(
            "no_spacing",
            f"voxels of {shown} mm; {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm are read: set the "
            "voxel size and its unit in the header",
        )
    axes = made[:3, :3] / sides
    slant = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if slant > _SLANT_MAX:
        degrees = np.degrees(np.arcsin(min(slant, 1.0)))
        raise VolumeError(
            "slanted",
            f"the axes are {degrees:.1f} degrees off from right angles; resample it",
        )
    return made
