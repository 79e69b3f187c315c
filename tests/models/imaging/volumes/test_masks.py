"""Masks come onto the grid of their volume, whatever they are written as."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.masks import read_mask
from models.imaging.volumes.nifti import read_nifti
from models.volume import LabelVoxels, Volume, VolumeError
from tests import scans

SHAPE = (7, 15, 17)  # 255 pixels a slice: frames of bits begin inside of bytes
SCAN = scans.voxels(SHAPE)
FILES = scans.series(SCAN)
VOLUME = read_series(FILES, FILES.__getitem__)
PLACES = VOLUME.to_mm(np.array([(z, 0, 0) for z in range(7)]))
THINGS = np.zeros(SHAPE, dtype=np.uint8)
THINGS[1:3, 2:5, 3:6] = 1
THINGS[4:6, 8:12, 9:14] = 2


def masked(*files: bytes, volume: Volume = VOLUME) -> LabelVoxels:
    held = {str(k): data for k, data in enumerate(files)}
    return read_mask(volume, tuple(held), held.__getitem__)


def refused(*files: bytes, volume: Volume = VOLUME) -> VolumeError:
    with pytest.raises(VolumeError) as found:
        masked(*files, volume=volume)
    return found.value


def nifti(labels: NDArray[np.generic], affine: NDArray[np.float64] = VOLUME.affine) -> bytes:
    return scans.nifti(labels, affine, packed=True)


@pytest.mark.parametrize("factor", [1, 100])
def test_labels_of_one_grid_are_taken_as_they_are_and_numbered_without_gaps(factor: int) -> None:
    labels = np.where(THINGS == 2, 3, THINGS).astype(np.int32) * factor
    np.testing.assert_array_equal(masked(nifti(labels)), THINGS)


def test_labels_are_numbered_in_the_order_of_their_values() -> None:
    labels = np.where(THINGS == 1, 9, THINGS).astype(np.int32)  # 9 is met first and comes second
    np.testing.assert_array_equal(masked(nifti(labels)), (3 - THINGS) * (THINGS > 0))


@pytest.mark.parametrize("value", [1, 7, 255])
def test_one_label_alone_is_taken_apart(value: int) -> None:
    np.testing.assert_array_equal(masked(nifti((THINGS > 0).astype(np.int16) * value)), THINGS)


def test_voxels_that_touch_by_a_corner_are_one_thing() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = labels[5, 5, 5] = 1
    found = masked(nifti(labels))
    assert (found[1, 1, 1], found[2, 2, 2], found[5, 5, 5]) == (1, 1, 2)


def test_an_empty_mask_is_a_negative() -> None:
    assert not masked(nifti(np.zeros(SHAPE, dtype=np.uint8))).any()


@pytest.mark.parametrize("turn", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_a_mask_saved_in_any_orientation_lands_on_the_same_voxels(
    turn: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    image = nib.Nifti1Image(THINGS.transpose(2, 1, 0), scans.LPS @ VOLUME.affine)
    turned = image.as_reoriented(np.array(list(zip(turn, signs, strict=True))))
    np.testing.assert_array_equal(masked(turned.to_bytes()), THINGS)


def test_a_mask_of_part_of_the_volume_or_of_finer_voxels_is_resampled() -> None:
    affine = VOLUME.affine.copy()
    affine[:3, 3] = VOLUME.to_mm((1, 2, 1))
    np.testing.assert_array_equal(masked(nifti(THINGS[1:6, 2:13, 1:15], affine)), THINGS)
    fine = np.repeat(np.repeat(np.repeat(THINGS, 3, 0), 3, 1), 3, 2)
    affine = VOLUME.affine.copy()
    affine[:3, :3] /= 3
    affine[:3, 3] = VOLUME.to_mm((-1 / 3, -1 / 3, -1 / 3))
    np.testing.assert_array_equal(masked(nifti(fine, affine)), THINGS)


def test_a_thing_smaller_than_a_voxel_is_not_lost() -> None:
    fine = np.zeros((21, 45, 51), dtype=np.uint8)
    fine[0, 0, 0], fine[10, 20, 31] = 1, 2
    affine = VOLUME.affine.copy()
    affine[:3, :3] /= 3
    affine[:3, 3] = VOLUME.to_mm((-1 / 3, -1 / 3, -1 / 3))
    found = masked(nifti(fine, affine))
    assert np.argwhere(found == 1).tolist() == [[0, 0, 0]]
    assert np.argwhere(found == 2).tolist() == [[3, 6, 10]]


@pytest.mark.parametrize("empty", [False, True])
def test_a_mask_that_lies_elsewhere_is_refused_with_the_numbers(empty: bool) -> None:
    affine = VOLUME.affine.copy()
    affine[:3, 3] += 500
    error = refused(nifti(THINGS * (not empty), affine))
    assert error.code == "mask_elsewhere"
    assert ("covers 0%" if empty else "0 of 58 marked voxels") in error.detail


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (THINGS * 0.5, "mask_not_labels"),
        (THINGS.astype(np.float32) * np.nan, "mask_not_labels"),
        (-THINGS.astype(np.int16), "mask_not_labels"),
        (np.arange(7 * 15 * 17, dtype=np.int16).reshape(SHAPE), "too_many_things"),
    ],
)
def test_what_is_no_mask_is_refused(labels: NDArray[np.generic], code: str) -> None:
    assert refused(nifti(labels)).code == code


def test_more_parts_than_can_be_counted_are_refused() -> None:
    labels = np.zeros((9, 17, 19), dtype=np.uint8)
    labels[::2, ::2, ::2] = 1
    volume = Volume(scans.voxels((9, 17, 19)), VOLUME.affine)
    assert refused(nifti(labels), volume=volume).code == "too_many_things"


def test_a_mask_without_a_place_fits_only_a_nifti_volume_of_its_shape() -> None:
    bare = scans.nifti(THINGS, VOLUME.affine, sform_code=0, qform_code=0)
    assert refused(bare).code == "mask_no_place"
    volume = read_nifti(scans.nifti(SCAN, VOLUME.affine))
    np.testing.assert_array_equal(masked(bare, volume=volume), THINGS)
    small = scans.nifti(THINGS[:6], VOLUME.affine, sform_code=0, qform_code=0)
    assert refused(small, volume=volume).code == "mask_no_place"


def test_several_masks_of_one_volume_stay_apart() -> None:
    first, second = (nifti((k == THINGS).astype(np.uint8)) for k in (1, 2))
    np.testing.assert_array_equal(masked(first, second), THINGS)
    np.testing.assert_array_equal(masked(second, first), (3 - THINGS) * (THINGS > 0))


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("segments", [1, 2])
def test_a_dicom_segmentation_is_read(segments: int, fractional: bool) -> None:
    top = 200 if fractional else 1
    marks = {1: (THINGS > 0) * top} if segments == 1 else {k: (k == THINGS) * top for k in (1, 2)}
    if fractional:
        marks[1] = np.where(marks[1] == 0, 90, marks[1])  # of 200: less than half
    data = scans.segmentation(marks, PLACES, fractional=fractional)
    np.testing.assert_array_equal(masked(data), THINGS)


def test_a_segmentation_without_positions_lies_where_it_was_drawn() -> None:
    data = scans.segmentation({1: THINGS}, PLACES, drawn_on=VOLUME.sop_uids)
    np.testing.assert_array_equal(masked(data), THINGS)
    other = scans.segmentation({1: THINGS}, PLACES, drawn_on=("9.9",) * 7)
    assert refused(other).code == "mask_no_place"


def test_of_named_segments_only_emboli_are_taken() -> None:
    lung = np.ones(SHAPE, dtype=np.uint8)
    labels = {1: "Lung", 2: "Embolus", 3: "Emboli, left"}
    marks = {1: lung, 2: THINGS == 1, 3: THINGS == 2}
    data = scans.segmentation(marks, PLACES, labels=labels)
    np.testing.assert_array_equal(masked(data), THINGS)


def test_a_segmentation_may_miss_slices_and_be_thicker_than_they() -> None:
    """Two marked slices 8 mm apart, each 2 mm thick: what lies between is not marked."""
    marks = np.zeros(SHAPE, dtype=np.uint8)
    marks[[1, 5], 3:6, 3:6] = 1
    found = masked(scans.segmentation({1: marks}, PLACES))
    np.testing.assert_array_equal(found > 0, marks > 0)
    assert found.max() == 2


def test_a_segmentation_whose_pixels_are_cut_off_is_refused() -> None:
    data = scans.segmentation({1: THINGS}, PLACES)
    bad = data[: data.index(b"\xe0\x7f\x10\x00") + 40]
    assert refused(bad).code in ("damaged_pixels", "damaged_dicom")


@pytest.mark.parametrize("tags", [{"Modality": "OT"}, {}, {"intercept": 0}])
def test_a_second_series_of_labels_is_read(tags: dict[str, object]) -> None:
    files = scans.series(THINGS, SeriesInstanceUID="1.2.5", **tags)
    np.testing.assert_array_equal(masked(*files.values()), THINGS)


def test_a_series_of_labels_without_a_place_is_refused() -> None:
    files = scans.series(THINGS, ImagePositionPatient=None, SOPInstanceUID="1.2.5.1")
    assert refused(*files.values()).code == "mask_no_place"


def test_what_is_no_mask_at_all_is_refused() -> None:
    assert refused(b"a text about a mask").code == "mask_unreadable"


@pytest.mark.parametrize("kind", ["segmentation", "series"])
def test_a_mask_of_tilted_slices_follows_its_volume(kind: str) -> None:
    """Drawn on slices of a tilted gantry with uneven gaps, it lies in the straightened volume
    where the bright block lies that it was drawn around.
    """
    angle = np.radians(18.5)
    orientation = (1, 0, 0, 0, np.cos(angle), -np.sin(angle))
    heights = np.array([0, 1, 2, 3, 4, 6, 8, 10])
    scan = np.full((8, 40, 30), -1000, dtype=np.int16)
    scan[2:6, 10:25, 8:20] = 1000
    given = {"heights": heights, "orientation": orientation, "origin": (0, 0, 0)}
    files = scans.series(scan, **given)
    volume = read_series(files, files.__getitem__)
    marks = (scan > 0).astype(np.uint8)
    if kind == "series":
        labels = masked(*scans.series(marks, **given).values(), volume=volume)
    else:
        places = np.outer(heights, (0, 0, 2.0))
        data = scans.segmentation({1: marks}, places, orientation=orientation)
        labels = masked(data, volume=volume)
    bright = volume.voxels > 0
    assert labels.max() == 1
    assert bright.sum() > 800
    shared = 2 * np.sum(bright & (labels > 0)) / (bright.sum() + (labels > 0).sum())
    assert shared > 0.85


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_masks_give_labels_or_a_reason(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 5))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(bad)), st.integers(0, len(bad))))
    try:
        labels = masked(bytes(bad[:cut]))
    except VolumeError as error:
        assert error.code.islower()
    else:
        assert labels.shape == SHAPE


WHOLE = [
    scans.segmentation({1: THINGS == 1, 2: THINGS == 2}, PLACES),
    scans.segmentation({1: THINGS * 200}, PLACES, fractional=True),
    nifti(THINGS),
    scans.nifti(THINGS, VOLUME.affine),
    scans.enhanced(THINGS),
]
