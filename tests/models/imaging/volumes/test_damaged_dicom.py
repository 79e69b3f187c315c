"""Damaged and hostile DICOM files give a volume or a reason, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from models.imaging.volumes.dicom import read_series
from models.volume import Volume, VolumeError
from tests import scans

SCAN = scans.voxels()
WIDE = scans.voxels((5, 40, 33))  # JPEG 2000 is no format for stamps


def read(files: dict[str, bytes]) -> Volume:
    return read_series(files, files.__getitem__)


def refused(files: dict[str, bytes]) -> VolumeError:
    with pytest.raises(VolumeError) as found:
        read(files)
    return found.value


def test_a_truncated_slice_is_refused_by_its_name() -> None:
    files = scans.series(SCAN)
    files["003"] = files["003"][:-20]
    error = refused(files)
    assert (error.code, error.file) == ("damaged_pixels", "003")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_give_a_volume_or_a_reason(data: st.DataObject) -> None:
    """Bits flipped, bytes cut off: nothing but VolumeError leaves."""
    syntax = data.draw(
        st.sampled_from(
            [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian,
             RLELossless, JPEG2000Lossless]
        )
    )  # fmt: skip
    files = WHOLE[str(syntax)]
    name = data.draw(st.sampled_from(sorted(files)))
    bad = bytearray(files[name])
    for _ in range(data.draw(st.integers(0, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(bad)), st.integers(0, len(bad))))
    given = {**files, name: bytes(bad[:cut])}
    try:
        volume = read(given)
    except VolumeError as error:
        assert error.code.islower()
    else:
        assert volume.voxels.ndim == 3


WHOLE = {
    str(syntax): scans.series(WIDE, syntax=syntax)
    for syntax in (
        ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian,
        RLELossless, JPEG2000Lossless,
    )
} | {"enhanced": {"one": scans.enhanced(SCAN[:5])}}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_multi_frame_file_gives_a_volume_or_a_reason(data: st.DataObject) -> None:
    bad = bytearray(WHOLE["enhanced"]["one"])
    for _ in range(data.draw(st.integers(1, 6))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read({"one": bytes(bad)})
    except VolumeError as error:
        assert error.code.islower()


def test_a_deflated_bomb_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.imaging.volumes.parsing.INFLATED_MAX", 2**20)
    picture = np.zeros((1500, 1500), dtype=np.int16)
    files = {"bomb": scans.piece(picture, (0, 0, 0), syntax=DeflatedExplicitVRLittleEndian)}
    assert len(files["bomb"]) < 2**16
    assert refused(files).code == "too_large"


def test_a_picture_that_claims_another_size_than_its_header_is_not_decoded() -> None:
    files = scans.series(WIDE, syntax=JPEG2000Lossless)
    bad = bytearray(files["003"])
    start = bad.index(b"\xff\x4f\xff\x51")
    bad[start + 8 : start + 12] = (60000).to_bytes(4, "big")  # columns
    files["003"] = bytes(bad)
    assert refused(files).code == "damaged_pixels"
