"""A DICOM series is read as the volume it is, whatever its files are called or packed with."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from models.imaging.volumes.dicom import read_series, series_in
from models.volume import AIR_HU, Volume, VolumeError
from tests import scans

SCAN = scans.voxels()
WIDE = scans.voxels((5, 40, 33))  # JPEG 2000 is no format for stamps


def read(files: dict[str, bytes], series_uid: str | None = None) -> Volume:
    return read_series(files, files.__getitem__, series_uid=series_uid)


def refused(files: dict[str, bytes], series_uid: str | None = None) -> VolumeError:
    with pytest.raises(VolumeError) as found:
        read(files, series_uid)
    return found.value


def codes(volume: Volume) -> list[str]:
    return [code for code, _ in volume.notes]


def test_a_series_is_sorted_by_position_whatever_its_files_are_called() -> None:
    volume = read(scans.series(SCAN))
    np.testing.assert_array_equal(volume.voxels, SCAN)
    assert volume.spacing_mm == pytest.approx((2.0, 0.8, 0.5))
    np.testing.assert_allclose(volume.to_mm((0, 0, 0)), (10, -20, 30))
    np.testing.assert_allclose(volume.to_mm((3, 2, 1)), (10.5, -18.4, 36))
    assert (volume.source, volume.series_uid, volume.notes) == ("dicom", "1.2.3", ())
    assert volume.sop_uids == tuple(f"1.2.3.{k}" for k in range(1, 8))


@settings(max_examples=30, deadline=None)
@given(
    st.permutations(range(7)),
    st.sampled_from(list(permutations(range(3)))),
    st.tuples(*[st.sampled_from((-1.0, 1.0))] * 2),
    st.sampled_from((-1.0, 1.0)),
)
def test_a_voxel_keeps_its_place_in_any_order_of_files_and_any_orientation(
    order: list[int],
    turn: tuple[int, int, int],
    signs: tuple[float, float],
    way: float,
) -> None:
    """Slices are written along or against their normal; the marked voxel stays where it is."""
    across, down = np.eye(3)[turn[0]] * signs[0], np.eye(3)[turn[1]] * signs[1]
    normal = np.cross(across, down)
    origin, steps = np.array([3.0, -4.0, 5.0]), np.arange(7) * 1.5 * way
    marked = np.full((7, 6, 9), -1000)
    marked[2, 1, 7] = 555
    files = {
        f"f{order[k]}": scans.piece(
            marked[k],
            origin + normal * steps[k],
            orientation=(*across, *down),
            sop_uid=f"1.2.3.{k + 1}",
        )
        for k in range(7)
    }
    volume = read(files)
    place = origin + normal * steps[2] + down * 0.8 + across * 0.5 * 7
    found = np.argwhere(volume.voxels == 555)
    assert len(found) == 1
    np.testing.assert_allclose(volume.to_mm(found[0]), place, atol=1e-4)
    np.testing.assert_allclose(volume.to_voxel(place), found[0], atol=1e-4)
    assert volume.affine[:3, 2] @ normal > 0  # slices ascend along row x column
    assert volume.sop_uids[found[0][0]] == "1.2.3.3"


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
    ],
    ids=lambda syntax: syntax.name,
)  # fmt: skip
def test_every_transfer_syntax_gives_the_same_values(syntax: object) -> None:
    np.testing.assert_array_equal(read(scans.series(WIDE, syntax=syntax)).voxels, WIDE)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_files_without_a_meta_header_are_read(syntax: object) -> None:
    files = scans.series(SCAN, syntax=syntax, meta=False)
    np.testing.assert_array_equal(read(files).voxels, SCAN)


def test_signed_pixels_and_a_slope_of_each_slice_give_hounsfield_units() -> None:
    files = scans.series(SCAN, intercept=0)
    np.testing.assert_array_equal(read(files).voxels, SCAN)
    files["005"] = scans.piece(
        np.full((6, 9), 100), (10, -20, 44), intercept=0, RescaleSlope="2.5", sop_uid="1.2.3.99"
    )
    assert (read(files).voxels[7] == 250).all()


@pytest.mark.parametrize("intercept", [0, -1024])
@pytest.mark.parametrize("far", [None, -1990])
def test_padding_becomes_air(intercept: int, far: int | None) -> None:
    scan = SCAN.astype(np.int32)
    scan[2, :2] = -1000 if far is None else -2000
    value, limit = -1000 - intercept if far is None else -2000 - intercept, None
    if intercept and far is not None:
        value = 0  # unsigned pixels hold no -2000: padding of 0 up to 5
        scan[2, :2], limit = -1022, 5
    tags = {"PixelPaddingValue": value}
    if limit is not None:
        tags["PixelPaddingRangeLimit"] = limit
    volume = read(scans.series(scan, intercept=intercept, **tags))
    assert (volume.voxels[2, :2] == AIR_HU).all()
    np.testing.assert_array_equal(volume.voxels[3], np.where(SCAN[3] == -1000, AIR_HU, SCAN[3]))


def test_unused_bits_of_a_pixel_are_not_part_of_its_value() -> None:
    scan = np.clip(SCAN, -1000, 1000)
    dirty = scan.astype(np.int32) - 2**14  # bits 14 and 15 are somebody's overlay
    files = scans.series(dirty, intercept=-1024, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read(files).voxels, scan)


def test_an_enhanced_ct_object_is_read_by_its_frames_in_any_order() -> None:
    for order in (None, [3, 0, 6, 2, 1, 5, 4]):
        volume = read({"one": scans.enhanced(SCAN, order)})
        np.testing.assert_array_equal(volume.voxels, SCAN)
        np.testing.assert_allclose(volume.to_mm((1, 0, 0)), (10, -20, 32))


def test_values_beyond_sixteen_bits_are_cut() -> None:
    files = scans.series(SCAN, intercept=0, RescaleSlope="100")
    volume = read(files)
    assert (volume.voxels.min(), volume.voxels.max()) == (-32768, 32767)


def test_slices_that_occur_twice_alike_are_taken_once() -> None:
    files = scans.series(SCAN)
    again = {f"copy/{name}": data for name, data in list(files.items())[:3]}
    volume = read(files | again)
    np.testing.assert_array_equal(volume.voxels, SCAN)
    assert codes(volume) == ["doubled_slices"]
    assert volume.notes[0][1].startswith("3 slices")


def test_slices_that_differ_at_one_place_are_refused_with_the_numbers() -> None:
    files = scans.series(SCAN)
    files["other"] = scans.piece(SCAN[0], (10, -20, 34), sop_uid="1.2.3.77")
    error = refused(files)
    assert error.code == "doubled_slices"
    assert "8 slices lie at 7 places" in error.detail
    assert "34.00 mm" in error.detail


def test_a_missing_slice_is_interpolated_and_said() -> None:
    files = scans.series(SCAN[[0, 1, 2, 4, 5, 6]], heights=[0, 1, 2, 4, 5, 6])
    volume = read(files)
    assert volume.voxels.shape[0] == 7
    kept = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(volume.voxels[kept], SCAN[kept])
    middle = (SCAN[2].astype(float) + SCAN[4]) / 2
    assert np.abs(volume.voxels[3] - middle).max() <= 0.5
    assert codes(volume) == ["missing_slices", "coarse_slices"]
    assert "1 slices are missing" in volume.notes[0][1]
    assert len(volume.sop_uids) == 7


def test_irregular_gaps_are_interpolated_onto_even_ones() -> None:
    """A ramp along z stays the same ramp in millimetres."""
    heights = np.array([0, 1.0, 2.0, 3.0, 4.6, 6.2, 7.8])
    ramp = np.round(-900 + 100 * heights)[:, None, None] * np.ones((7, 6, 9))
    volume = read(scans.series(ramp, heights=heights, step=(0, 0, 1.0)))
    assert volume.spacing_mm[0] == pytest.approx(1.0)
    assert codes(volume) == ["uneven_slices"]
    for z in range(volume.voxels.shape[0]):
        height = volume.to_mm((z, 0, 0))[2] - 30
        assert np.abs(volume.voxels[z] - (-900 + 100 * height)).max() <= 1


def test_positions_rounded_to_a_tenth_of_a_millimetre_count_as_even() -> None:
    heights = np.round(np.arange(7) * 0.625, 1)
    volume = read(scans.series(SCAN, heights=heights, step=(0, 0, 1.0)))
    np.testing.assert_array_equal(volume.voxels, SCAN)
    assert volume.notes == ()


@pytest.mark.parametrize(
    ("heights", "numbers"),
    [([0, 1, 2, 9, 10, 11, 12], ("7.00 mm", "1.00 mm")), (np.arange(7) * 25, ("25.00 mm",))],
)
def test_a_gap_that_would_have_to_be_made_up_is_refused(
    heights: list[float], numbers: tuple[str, ...]
) -> None:
    error = refused(scans.series(SCAN, heights=heights, step=(0, 0, 1.0)))
    assert error.code == "gap_too_wide"
    assert all(number in error.detail for number in numbers)


def tilted(degrees: float, scan: np.ndarray) -> dict[str, bytes]:
    """Slices whose planes are turned about x while the table moves along z."""
    angle = np.radians(degrees)
    down = (0.0, np.cos(angle), -np.sin(angle))
    return scans.series(scan, step=(0, 0, 2.0), orientation=(1, 0, 0, *down))


def test_a_tilted_gantry_is_straightened_where_things_stay_where_they_are() -> None:
    """Values are a linear function of the place in the patient, before and after."""
    angle = np.radians(18.5)
    z, y, x = np.mgrid[:12, :40, :9].astype(float)
    place_y = -20 + y * 0.8 * np.cos(angle)
    place_z = 30 + z * 2.0 - y * 0.8 * np.sin(angle)
    scan = np.round(20 * (place_y + 20) + 10 * (place_z - 30) + 5 * x)
    scan[0, 0, 0] = -1000
    volume = read(tilted(18.5, scan))
    assert "tilted_slices" in codes(volume)
    assert "18.5 degrees" in dict(volume.notes)["tilted_slices"]
    steps = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    np.testing.assert_allclose(steps.T @ steps, np.eye(3), atol=1e-6)
    inside = np.argwhere(volume.voxels > AIR_HU + 300)
    inner = [at for at in inside if _surrounded(volume.voxels, at)]
    assert len(inner) > 1000
    places = volume.to_mm(np.array(inner))
    expected = 20 * (places[:, 1] + 20) + 10 * (places[:, 2] - 30) + 5 * (places[:, 0] - 10) / 0.5
    found = volume.voxels[tuple(np.array(inner).T)]
    assert np.abs(found - expected).max() < 2


def _surrounded(scan: np.ndarray, at: np.ndarray) -> bool:
    z, y, x = at
    around = scan[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    return bool((around > AIR_HU + 300).all())


def test_a_slight_slant_stays_in_the_affine_and_nothing_is_resampled() -> None:
    volume = read(scans.series(SCAN, step=(0.01, 0, 2.0)))
    np.testing.assert_array_equal(volume.voxels, SCAN)
    np.testing.assert_allclose(volume.to_mm((6, 0, 0)), (10.06, -20, 42))


def test_a_tilt_that_no_gantry_has_is_refused_with_its_angle() -> None:
    error = refused(scans.series(scans.voxels((7, 60, 60)), step=(0, 2.0, 2.0)))
    assert error.code == "tilted"
    assert "45.0 degrees" in error.detail


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("not_ct", {"Modality": "MR"}),
        ("colour", {"PhotometricInterpretation": "PALETTE COLOR"}),
        ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        ("no_position", {"ImagePositionPatient": None}),
        ("no_position", {"ImageOrientationPatient": None}),
        ("no_spacing", {"PixelSpacing": None}),
        ("no_spacing", {"pixel_mm": (0, 0)}),
        ("bad_orientation", {"orientation": (1, 0, 0, 1, 0, 0)}),
        ("not_hu", {"RescaleType": "MGML"}),
        ("no_image", {"Modality": "SR"}),
        ("no_pixels", {"PixelData": None}),
        ("damaged_pixels", {"Rows": 600}),
        ("damaged_pixels", {"BitsAllocated": 12}),
        ("too_large", {"Rows": 60000}),
        ("too_large", {"NumberOfFrames": 10**6}),
    ],
)
def test_what_is_no_ct_volume_is_refused_with_the_reason(
    code: str, tags: dict[str, object]
) -> None:
    if code == "no_image":
        tags = {**tags, "Rows": None, "Columns": None}
    error = refused(scans.series(SCAN, **tags))
    assert error.code == code
    assert "Somebody" not in str(error)
    assert "4711" not in str(error)


def test_too_few_slices_are_no_volume() -> None:
    error = refused(scans.series(SCAN[:4]))
    assert (error.code, "4 slices" in error.detail) == ("few_slices", True)


def test_a_volume_too_large_is_refused_before_a_pixel_is_decoded() -> None:
    files = scans.series(SCAN, Rows=16000, Columns=16000)
    error = refused(files)
    assert (error.code, "16000 x 16000" in error.detail) == ("too_large", True)


def test_missing_rescale_is_noted_when_values_are_plainly_hounsfield_units_else_refused() -> None:
    bare = {"RescaleSlope": None, "RescaleIntercept": None}
    volume = read(scans.series(SCAN, intercept=0, **bare))
    np.testing.assert_array_equal(volume.voxels, SCAN)
    assert codes(volume) == ["no_rescale"]
    assert refused(scans.series(SCAN, intercept=-1024, **bare)).code == "no_rescale"


def test_other_series_are_listed_and_left_out_never_mixed() -> None:
    scout = scans.piece(
        SCAN[0], (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], sop_uid="1.2.3.55"
    )
    files = scans.series(SCAN) | {
        "scout": scout,
        "DICOMDIR": b"no image at all",
        "report": scans.piece(
            SCAN[0], (0, 0, 0), Modality="SR", SeriesInstanceUID="1.2.8", Rows=None, Columns=None,
            PixelData=None,
        ),
    }  # fmt: skip
    files |= scans.series(SCAN[:3], prefix="mr/", Modality="MR", SeriesInstanceUID="1.2.7")
    found = series_in(files, files.__getitem__)
    assert [one.flaw and one.flaw[0] for one in found] == [None, "not_ct", "localizer", "no_image"]
    assert (found[0].count, found[0].size) == (7, (6, 9))
    assert found[0].spacing_mm == pytest.approx((2.0, 0.8, 0.5))
    volume = read(files)
    np.testing.assert_array_equal(volume.voxels, SCAN)
    assert ("left_out", "3 other series were left out") in volume.notes


def two_series() -> dict[str, bytes]:
    thin = scans.series(SCAN + 1, prefix="b/", SeriesInstanceUID="1.2.9", step=(0, 0, 1.0))
    return scans.series(SCAN, prefix="a/") | thin


def test_several_volumes_are_asked_about_and_chosen_by_uid() -> None:
    error = refused(two_series())
    assert error.code == "several_series"
    for fact in ("1.2.3 (CT, 7 slices 6 x 9, 2.00 mm apart)", "1.2.9", "series_uid"):
        assert fact in error.detail
    np.testing.assert_array_equal(read(two_series(), "1.2.9").voxels, SCAN + 1)
    assert refused(two_series(), "1.2.10").code == "unknown_series"


def test_a_bolus_watched_at_one_place_is_no_volume() -> None:
    watched = scans.series(
        SCAN + 1, prefix="b/", SeriesInstanceUID="1.2.9", step=(0, 0, 0), AcquisitionNumber=4
    )
    volume = read(scans.series(SCAN) | watched)
    np.testing.assert_array_equal(volume.voxels, SCAN)
    error = refused(watched)
    assert (error.code, "1 slices at different places" in error.detail) == ("few_slices", True)


@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionNumber": 2},
        {"ConvolutionKernel": "SHARP"},
        {"pixel_mm": (0.7, 0.7)},
        {"orientation": (1, 0, 0, 0, 0, -1), "step": (0, 2.0, 0)},
    ],
)
def test_one_uid_that_holds_two_volumes_is_divided(tags: dict[str, object]) -> None:
    files = scans.series(SCAN, prefix="a/", AcquisitionNumber=1, ConvolutionKernel="SOFT")
    usual = {"AcquisitionNumber": 1, "ConvolutionKernel": "SOFT"}
    files |= scans.series(SCAN[:6] + 1, prefix="b/", **(usual | tags))
    error = refused(files)
    assert error.code == "several_series"
    assert "1.2.3 (" in error.detail
    assert "1.2.3#2 (" in error.detail
    np.testing.assert_array_equal(read(files, "1.2.3#2").voxels, SCAN[:6] + 1)


def test_slices_of_many_acquisitions_that_lie_on_one_grid_stay_together() -> None:
    files = {}
    for k, picture in enumerate(SCAN):
        files[str(k)] = scans.piece(picture, (0, 0, 2 * k), AcquisitionNumber=k)
    np.testing.assert_array_equal(read(files).voxels, SCAN)


def test_reading_says_that_it_goes_on() -> None:
    heard: list[str] = []
    files = scans.series(SCAN)
    read_series(files, files.__getitem__, heard.append)
    assert heard == ["reading"] * 14


def test_nothing_of_the_patient_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    files = scans.series(SCAN)
    files["003"] = files["003"].replace(b"1.2.840.10008.1.2.1", b"1.2.840.1x008.1.2.1")
    with pytest.raises(VolumeError):
        read(files)
    assert caplog.text == ""
