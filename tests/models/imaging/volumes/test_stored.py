"""The packed form gives back what was packed, names nobody, and is bounded on reading."""

import json
import struct

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from models.imaging.volumes.stored import (
    pack_labels,
    pack_volume,
    unpack_labels,
    unpack_volume,
)
from models.volume import Volume, VolumeError, upright
from tests import scans

SCAN = scans.voxels()
AFFINE = np.array([[-0.5, 0, 0.01, 10], [0, 0.8, 0, -20], [0, 0, 2.0, 30], [0, 0, 0, 1.0]])
VOLUME = Volume(SCAN, AFFINE, "dicom", "1.2.3", ("1.2.3.4",) * 7, (("no_air", "a detail"),))


def test_a_volume_comes_back_with_its_grid_and_notes_and_without_uids() -> None:
    packed = pack_volume(VOLUME)
    found = unpack_volume(packed)
    np.testing.assert_array_equal(found.voxels, SCAN)
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert (found.source, found.series_uid, found.sop_uids) == ("pack", "", ())
    assert found.notes == VOLUME.notes
    assert found.voxels.dtype == np.int16
    assert b"1.2.3" not in packed
    assert pack_volume(VOLUME) == packed


def test_a_turned_volume_is_packed_as_it_is_seen() -> None:
    turned = upright(VOLUME)
    np.testing.assert_array_equal(unpack_volume(pack_volume(turned)).voxels, turned.voxels)


def test_labels_come_back() -> None:
    labels = np.random.default_rng(0).integers(0, 255, (4, 5, 6)).astype(np.uint8)
    np.testing.assert_array_equal(unpack_labels(pack_labels(labels)), labels)


def broken(data: bytes) -> None:
    with pytest.raises(VolumeError) as found:
        unpack_volume(data)
    assert found.value.code == "damaged_pack"


def headed(**facts: object) -> bytes:
    """A packed volume whose header says something else."""
    given = {"kind": "volume", "shape": [7, 6, 9], "affine": AFFINE.tolist(), "notes": [], **facts}
    header = json.dumps(given).encode()
    body = zstandard.ZstdCompressor().compress(SCAN.tobytes())
    return b"LTVOLUME" + struct.pack("<I", len(header)) + header + body


def test_what_is_no_packed_volume_is_refused() -> None:
    whole = pack_volume(VOLUME)
    same = unpack_volume(headed())
    np.testing.assert_array_equal(same.voxels, SCAN)
    for data in (b"", b"LTVOLUME", whole[:-9], whole + b"more", pack_labels(SCAN.astype(np.uint8))):
        broken(data)
    for facts in (
        {"shape": [7, 6, 8]}, {"shape": [7, 6, 10]}, {"shape": [10**6, 10**6, 10**6]},
        {"shape": [-7, -6, 9]}, {"shape": "7"}, {"shape": None}, {"affine": [[1]]},
        {"affine": [[float("nan")] * 4] * 4}, {"notes": 3}, {"notes": [["one"]]}, {"kind": "x"},
    ):  # fmt: skip
        broken(headed(**facts))
    broken(b"LTVOLUME" + struct.pack("<I", 2**31) + whole)
    broken(b"LTVOLUME" + struct.pack("<I", 6) + b'["no"]')


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_flipped_bits_never_crash(data: st.DataObject) -> None:
    bad = bytearray(pack_volume(VOLUME))
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        unpack_volume(bytes(bad))
    except VolumeError as error:
        assert error.code == "damaged_pack"
