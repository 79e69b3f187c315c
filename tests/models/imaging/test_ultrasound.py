"""A DICOM ultrasound image gives its pixels, and millimetres only where its regions tell them."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from models.imaging.frames import UnreadableError
from models.imaging.ultrasound import frame_in
from tests.sonograms import FILE, FRAME, changed, written


def region(delta_cm: float = 0.006, **tags: object) -> Dataset:
    made = Dataset()
    made.RegionSpatialFormat, made.RegionDataType, made.RegionFlags = 1, 1, 0
    made.RegionLocationMinX0 = made.RegionLocationMinY0 = 0
    made.RegionLocationMaxX1 = made.RegionLocationMaxY1 = 100
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = 3
    made.PhysicalDeltaX = made.PhysicalDeltaY = delta_cm
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def told(data: bytes) -> tuple[object, object]:
    found = frame_in(data)
    return found.spacing_mm, found.source


def test_a_phantom_comes_back_with_its_pixels_and_its_calibration() -> None:
    found = frame_in(FILE)
    assert np.array_equal(found.pixels[..., 0], FRAME.pixels)
    assert np.array_equal(found.pixels[..., 0], found.pixels[..., 2])
    assert found.spacing_mm == pytest.approx(FRAME.spacing_mm)
    assert found.source == "dicom"


def test_row_and_column_are_not_mistaken_for_each_other() -> None:
    data = changed(SequenceOfUltrasoundRegions=[region(PhysicalDeltaX=0.01)])
    assert frame_in(data).spacing_mm == pytest.approx((0.06, 0.1))


def test_an_axis_that_points_up_has_a_negative_delta_and_the_same_size() -> None:
    data = changed(SequenceOfUltrasoundRegions=[region(PhysicalDeltaY=-0.006)])
    assert frame_in(data).spacing_mm == pytest.approx((0.06, 0.06))


@pytest.mark.parametrize(
    "other",
    [
        {"RegionDataType": 10, "RegionSpatialFormat": 4, "PhysicalUnitsXDirection": 4},  # Doppler
        {"RegionDataType": 1, "RegionSpatialFormat": 2, "PhysicalUnitsXDirection": 4},  # M-mode
        {"RegionDataType": 2},  # colour flow over the tissue
        {"PhysicalUnitsYDirection": 0},
    ],
)
def test_only_a_region_of_tissue_in_centimetres_tells_the_spacing(other: dict[str, int]) -> None:
    strip = region(0.5, **other)
    assert told(changed(SequenceOfUltrasoundRegions=[strip, region()])) == (
        pytest.approx((0.06, 0.06)), "dicom",
    )  # fmt: skip
    assert told(changed(SequenceOfUltrasoundRegions=[strip])) == (None, None)


def test_two_regions_that_agree_tell_it_and_two_that_do_not_tell_nothing() -> None:
    alike = frame_in(changed(SequenceOfUltrasoundRegions=[region(), region(0.00601)]))
    assert alike.spacing_mm == pytest.approx((0.06, 0.06))
    apart = frame_in(changed(SequenceOfUltrasoundRegions=[region(), region(0.009)]))
    assert (apart.spacing_mm, apart.source, apart.notes) == (None, None, ("regions_disagree",))


@pytest.mark.parametrize("delta", [0.0, 1e-9, 5.0])
def test_a_size_that_no_scanner_has_is_not_believed(delta: float) -> None:
    found = frame_in(changed(SequenceOfUltrasoundRegions=[region(delta)]))
    assert (found.spacing_mm, found.notes) == (None, ("odd_spacing",))


def test_pixel_spacing_without_a_region_is_not_taken_for_a_calibration() -> None:
    data = dcmread(io.BytesIO(FILE))
    del data.SequenceOfUltrasoundRegions
    data.PixelSpacing = [0.06, 0.06]
    assert told(written(data)) == (None, None)


def test_a_header_that_names_several_codings_is_read_as_it_is_written() -> None:
    uid = b"1.2.840.10008.1.2.1\0"
    assert FILE.count(uid) == 1
    found = frame_in(FILE.replace(uid, uid.replace(b".1000", b"\\1000")))
    assert np.array_equal(found.pixels[..., 0], FRAME.pixels)


def test_monochrome_1_is_turned_over() -> None:
    pixels = frame_in(changed(PhotometricInterpretation="MONOCHROME1")).pixels
    assert np.array_equal(pixels[..., 0], 255 - FRAME.pixels)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"NumberOfFrames": 12}, "several_frames"),
        ({"Modality": "CT", "SequenceOfUltrasoundRegions": []}, "not_ultrasound"),
        ({"Rows": 9000}, "damaged_pixels"),
        ({"Rows": 60_000, "Columns": 60_000}, "too_large"),
        ({"Rows": 2}, "too_small"),
        ({"PixelData": b"\0\0"}, "damaged_pixels"),
    ],
)
def test_what_is_no_single_frame_is_refused_by_name(tags: dict[str, object], code: str) -> None:
    with pytest.raises(UnreadableError) as error:
        frame_in(changed(**tags))
    assert error.value.code == code
    assert "Phantom" not in error.value.detail


def test_a_file_without_pixels_and_one_that_is_no_dicom_are_told_apart() -> None:
    data = dcmread(io.BytesIO(FILE))
    del data.PixelData
    for sent, code in ((written(data), "no_pixels"), (b"no dicom", "not_dicom")):
        with pytest.raises(UnreadableError) as error:
            frame_in(sent)
        assert error.value.code == code


@given(st.integers(0, len(FILE) - 1), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    at: int, bytes_: bytes, cut: bool
) -> None:
    at = at % 3000 if not cut else at  # the header is at the start
    data = FILE[:at] if cut else FILE[:at] + bytes_ + FILE[at + len(bytes_) :]
    try:
        pixels = frame_in(data).pixels
    except UnreadableError as error:
        assert error.code
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
