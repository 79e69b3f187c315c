"""NIfTI files: the same place in any orientation, and headers that lie are found out."""

import gzip
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.imaging.volumes.nifti import read_nifti
from models.volume import AIR_HU, Volume, VolumeError, upright
from tests import scans

SCAN = scans.voxels()
AFFINE = np.array([[0.5, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 2.0, 30], [0, 0, 0, 1.0]])
ORIENTATIONS = [
    (turn, signs) for turn in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def refused(data: bytes) -> VolumeError:
    with pytest.raises(VolumeError) as found:
        read_nifti(data)
    return found.value


def same(volume: Volume) -> None:
    np.testing.assert_array_equal(volume.voxels, SCAN)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_gives_its_voxels_and_their_place_in_lps(packed: bool) -> None:
    volume = read_nifti(scans.nifti(SCAN, AFFINE, packed=packed))
    same(volume)
    assert (volume.source, volume.notes, volume.series_uid) == ("nifti", (), "")
    np.testing.assert_allclose(volume.to_mm((3, 2, 1)), (10.5, -18.4, 36), atol=1e-5)


@pytest.mark.parametrize(("turn", "signs"), ORIENTATIONS)
def test_all_48_orientations_put_a_marked_voxel_at_one_place(
    turn: tuple[int, int, int], signs: tuple[int, int, int]
) -> None:
    """Axes permuted and flipped in the file by nibabel, undone by `upright`."""
    image = nib.Nifti1Image(SCAN.transpose(2, 1, 0), scans.LPS @ AFFINE)
    order = np.array([[axis, sign] for axis, sign in zip(turn, signs, strict=True)])
    turned = image.as_reoriented(order)
    volume = read_nifti(turned.to_bytes())
    mark = np.argwhere(volume.voxels == SCAN[5, 1, 7])
    place = AFFINE @ (7, 1, 5, 1)
    assert len(mark) == 1
    np.testing.assert_allclose(volume.to_mm(mark[0]), place[:3], atol=1e-4)
    same(upright(volume))


def test_a_multi_member_gzip_and_nifti_2_are_read() -> None:
    plain = scans.nifti(SCAN, AFFINE)
    same(read_nifti(gzip.compress(plain[:500]) + gzip.compress(plain[500:])))
    second = nib.Nifti2Image(SCAN.transpose(2, 1, 0), scans.LPS @ AFFINE)
    same(read_nifti(second.to_bytes()))


def test_a_big_endian_file_is_read() -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nib.Nifti1Image(SCAN.transpose(2, 1, 0).astype(">i2"), scans.LPS @ AFFINE, header)
    assert image.to_bytes()[:4] == b"\x00\x00\x01\x5c"
    same(read_nifti(image.to_bytes()))


@pytest.mark.parametrize(("unit", "scale"), [(1, 0.001), (2, 1.0), (3, 1000.0), (0, 1.0)])
def test_units_of_length_are_honoured(unit: int, scale: float) -> None:
    affine = AFFINE.copy()
    affine[:3] *= scale
    same(read_nifti(scans.nifti(SCAN, affine, xyzt_units=unit)))


def test_the_qform_is_taken_where_there_is_no_sform() -> None:
    image = nib.Nifti1Image(SCAN.transpose(2, 1, 0), None)
    image.set_qform(scans.LPS @ AFFINE, code=1)
    image.set_sform(None, code=0)
    same(read_nifti(image.to_bytes()))


def test_a_singular_sform_gives_way_to_the_qform() -> None:
    image = nib.Nifti1Image(SCAN.transpose(2, 1, 0), scans.LPS @ AFFINE)
    image.set_qform(scans.LPS @ AFFINE, code=1)
    image.set_sform(np.zeros((4, 4)), code=2)
    same(read_nifti(image.to_bytes()))


def test_a_file_that_does_not_say_where_it_lies_is_noted() -> None:
    volume = read_nifti(scans.nifti(SCAN, AFFINE, sform_code=0, qform_code=0))
    assert [code for code, _ in volume.notes] == ["no_place"]
    assert volume.spacing_mm == pytest.approx((2.0, 0.8, 0.5))


def test_slope_and_intercept_scale_and_values_are_rounded_and_cut() -> None:
    stored = np.array(SCAN / 4, dtype=np.int16)
    volume = read_nifti(scans.nifti(stored, AFFINE, scl_slope=4.0, scl_inter=-24.5))
    np.testing.assert_array_equal(volume.voxels, np.rint(stored * 4.0 - 24.5))
    scan = SCAN.astype(np.float32) + 0.4
    scan[0, 0, :3] = np.nan, np.inf, -1e9
    volume = read_nifti(scans.nifti(scan, AFFINE))
    assert volume.voxels[0, 0, :3].tolist() == [AIR_HU, 32767, -32768]
    np.testing.assert_array_equal(volume.voxels[1:], SCAN[1:])


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i4", "u4", "f8", "i8"])
def test_other_types_of_numbers_are_read(kind: str) -> None:
    scan = np.clip(SCAN, 0, 100).astype(kind)
    image = nib.Nifti1Image(scan.transpose(2, 1, 0), scans.LPS @ AFFINE, dtype=kind)
    np.testing.assert_array_equal(read_nifti(image.to_bytes()).voxels, scan)


def test_one_frame_of_four_dimensions_is_a_volume_and_two_are_not() -> None:
    four = nib.Nifti1Image(SCAN.transpose(2, 1, 0)[..., None], scans.LPS @ AFFINE)
    same(read_nifti(four.to_bytes()))
    two = nib.Nifti1Image(np.stack([SCAN.transpose(2, 1, 0)] * 2, axis=3), scans.LPS @ AFFINE)
    error = refused(two.to_bytes())
    assert (error.code, "[9, 6, 7, 2]" in error.detail) == ("several_frames", True)


def test_values_without_air_are_noted() -> None:
    volume = read_nifti(scans.nifti(np.clip(SCAN, 0, 255), AFFINE))
    assert volume.notes == (
        ("no_air", "values run from 0 to 255: no air in it, or no Hounsfield units"),
    )


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("bad_header", {"dim": [3, 9, -6, 7, 1, 1, 1, 1]}),
        ("bad_header", {"dim": [9, 9, 6, 7, 1, 1, 1, 1]}),
        ("too_large", {"dim": [3, 32000, 32000, 32000, 1, 1, 1, 1]}),
        ("truncated", {"dim": [3, 9, 6, 700, 1, 1, 1, 1]}),
        ("few_slices", {"dim": [3, 9, 6, 4, 1, 1, 1, 1]}),
        ("several_frames", {"dim": [5, 9, 6, 7, 1, 3, 1, 1]}),
        ("unsupported_type", {"datatype": 128, "bitpix": 24}),
        ("unsupported_type", {"bitpix": 8}),
        ("bad_header", {"datatype": 77}),
        ("bad_header", {"vox_offset": 1e9}),
        ("no_spacing", {"sform_code": 0, "pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}),
        ("no_spacing", {"xyzt_units": 1}),
        ("slanted", {"srow_y": [0.3, -0.8, 0, 20]}),
        ("not_nifti", {"magic": b"ni1"}),
    ],
)
def test_a_header_that_lies_is_refused(code: str, fields: dict[str, object]) -> None:
    assert refused(scans.nifti(SCAN, AFFINE, **fields)).code == code


@pytest.mark.parametrize("data", [b"", b"\x5c", b"no volume at all" * 40, b"\x1f\x8b\x08junk" * 9])
def test_other_bytes_are_no_nifti(data: bytes) -> None:
    assert refused(data).code in ("not_nifti", "damaged_nifti")


def test_a_bomb_is_refused_by_its_header_and_one_that_lies_is_not_inflated_further() -> None:
    """A gigabyte of zeros behind an honest header is never asked for."""
    header = scans.nifti(SCAN, AFFINE, dim=[3, 2000, 2000, 2000, 1, 1, 1, 1])[:352]
    bomb = gzip.compress(header) + gzip.compress(bytes(2**24)) * 64
    assert refused(bomb).code == "too_large"
    plain = scans.nifti(SCAN, AFFINE)
    same(read_nifti(gzip.compress(plain) + gzip.compress(bytes(2**24)) * 64))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_give_a_volume_or_a_reason(data: st.DataObject) -> None:
    whole = scans.nifti(SCAN, AFFINE, packed=data.draw(st.booleans()))
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 5))):
        bad[data.draw(st.integers(0, min(len(bad) - 1, 400)))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(bad)), st.integers(0, len(bad))))
    try:
        volume = read_nifti(bytes(bad[:cut]))
    except VolumeError as error:
        assert error.code.islower()
    else:
        assert volume.voxels.ndim == 3
