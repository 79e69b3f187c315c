"""Volumes and labels as a pack keeps them: a JSON header and zstd, bounded on reading.

Nothing but the grid and the notes is kept beside the voxels: no UIDs, no names, no dates.
"""

import io
import json
import math
import struct
from typing import Any, Literal

import numpy as np
import zstandard
from numpy.typing import NDArray

from models.imaging.volumes.bounds import VOXELS_MAX
from models.volume import LabelVoxels, Volume, VolumeError

_MAGIC = b"LTVOLUME"
_HEADER_MAX = 2**20
_LEVEL = 3
_WINDOW_MAX = 2**27  # bounds what a damaged header can ask of the decompressor
_TYPES: dict[str, np.dtype[Any]] = {"volume": np.dtype("<i2"), "labels": np.dtype("u1")}
Kind = Literal["volume", "labels"]


def pack_volume(volume: Volume) -> bytes:
    """The volume as bytes that depend on nothing but its voxels, grid and notes."""
    facts = {"affine": volume.affine.tolist(), "notes": [list(note) for note in volume.notes]}
    return _packed("volume", volume.voxels, facts)


def unpack_volume(data: bytes) -> Volume:
    """What `pack_volume` packed. Raises VolumeError `damaged_pack`."""
    voxels, facts = _unpacked("volume", data)
    try:
        affine = np.array(facts["affine"], dtype=np.float64)
        notes = tuple((str(code), str(detail)) for code, detail in facts["notes"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise _damaged()
    return Volume(voxels.astype(np.int16, copy=False), affine, notes=notes)


def pack_labels(labels: LabelVoxels) -> bytes:
    """Labels [z, y, x] as bytes."""
    return _packed("labels", labels, {})


def unpack_labels(data: bytes) -> LabelVoxels:
    """What `pack_labels` packed. Raises VolumeError `damaged_pack`."""
    return _unpacked("labels", data)[0].astype(np.uint8, copy=False)


def _packed(kind: Kind, voxels: NDArray[Any], facts: dict[str, Any]) -> bytes:
    header = json.dumps({"kind": kind, "shape": list(voxels.shape), **facts}).encode()
    sink = io.BytesIO()
    sink.write(_MAGIC + struct.pack("<I", len(header)) + header)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with compressor.stream_writer(sink, closefd=False) as writer:
        for piece in voxels:  # a turned volume is made contiguous slice by slice, not as a whole
            writer.write(np.ascontiguousarray(piece, dtype=_TYPES[kind]).data)
    return sink.getvalue()


def _unpacked(kind: Kind, data: bytes) -> tuple[NDArray[Any], dict[str, Any]]:
    facts, start = _header(data)
    shape = facts.get("shape")
    if facts.get("kind") != kind or not isinstance(shape, list) or not _is_shape(shape):
        raise _damaged()
    voxels = np.empty(tuple(shape), dtype=_TYPES[kind])
    rest = voxels.reshape(-1).view(np.uint8).data
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
    try:
        with decompressor.stream_reader(memoryview(data)[start:]) as reader:
            while rest and (count := reader.readinto(rest)):
                rest = rest[count:]
            left = reader.read(1)
    except zstandard.ZstdError as error:
        raise _damaged() from error
    if rest or left:
        raise _damaged()
    return voxels, facts


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """The facts, and where the voxels begin."""
    start = len(_MAGIC) + 4
    if not data.startswith(_MAGIC) or len(data) < start:
        raise _damaged()
    size = struct.unpack("<I", data[start - 4 : start])[0]
    if size > _HEADER_MAX:
        raise _damaged()
    try:
        facts = json.loads(data[start : start + size])
    except (ValueError, RecursionError) as error:
        raise _damaged() from error
    if not isinstance(facts, dict):
        raise _damaged()
    return facts, start + size


def _is_shape(shape: list[object]) -> bool:
    sides = [side for side in shape if isinstance(side, int) and side > 0]
    return len(sides) == len(shape) == 3 and math.prod(sides) <= VOXELS_MAX


def _damaged() -> VolumeError:
    return VolumeError("damaged_pack", "the packed volume is damaged; make the pack anew")
