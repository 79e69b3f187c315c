"""A frame in a DICOM file is read at once where it lies there plainly, and else in a cell."""

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from models.imaging.frames import UnreadableError
from models.imaging.scanned import cell, reading
from models.imaging.scanned.cell import Limits
from tests.sonograms import FILE, FRAME, changed, written


def packed() -> bytes:
    data = dcmread(io.BytesIO(FILE))
    data.compress(RLELossless)
    return written(data)


@pytest.fixture
def no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, limits: Limits) -> None:
        raise AssertionError("a cell was asked")

    monkeypatch.setattr(cell, "read", refuse)


@pytest.mark.usefixtures("no_cell")
def test_plain_pixels_are_read_without_a_cell(tmp_path: Path) -> None:
    found = reading.open_frame(FILE, tmp_path, Limits())
    assert np.array_equal(found.pixels[..., 1], FRAME.pixels)
    assert found.spacing_mm == pytest.approx(FRAME.spacing_mm)
    assert found.source == "dicom"


def test_compressed_pixels_come_from_a_cell_and_are_the_same(tmp_path: Path) -> None:
    assert not reading.is_plain(packed())
    found = reading.open_frame(packed(), tmp_path, Limits())
    assert np.array_equal(found.pixels[..., 1], FRAME.pixels)
    assert found.spacing_mm == pytest.approx(FRAME.spacing_mm)
    assert (found.source, found.notes) == ("dicom", ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [FILE[:-2000], changed(Rows=60000, Columns=60000), FILE[:100], FILE + bytes(1 << 19)],
    ids=["cut", "lying", "stump", "trailing"],
)
def test_what_is_not_as_its_header_tells_is_nothing_plain(data: bytes) -> None:
    assert not reading.is_plain(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (changed(Rows=60000, Columns=60000), "too_large"),
        (changed(NumberOfFrames=2), "several_frames"),
    ],
)
def test_what_is_wrong_is_told_from_inside_the_cell(data: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        reading.open_frame(data, tmp_path, Limits())
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_may_not_have_the_memory_ends_alone(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        reading.open_frame(packed(), tmp_path, Limits(memory_bytes=64 << 20))
    assert refused.value.code in ("decoder_stopped", "too_large")


@pytest.mark.usefixtures("no_cell")
def test_plain_pixels_too_many_are_refused_before_they_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="at most 1,000 pixels"):
        reading.open_frame(FILE, tmp_path, Limits(pixels_max=1000))
