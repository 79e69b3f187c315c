"""Lesions of masks and of boxes."""

import numpy as np
import pytest

from models.case import UNKNOWN
from models.imaging import lesions
from models.metrics.froc import IGNORED, NO_LESION


def two() -> np.ndarray:
    mask = np.zeros((100, 120), np.uint8)
    mask[10:30, 20:60] = 1
    mask[50:80, 70:90] = 1
    return mask


def test_the_parts_of_a_mask_are_its_lesions() -> None:
    found = lesions.of_mask(two())
    assert found.boxes.tolist() == [[20, 10, 60, 30], [70, 50, 90, 80]]
    assert [found.at(x, y) for x, y in ((20.0, 10.0), (59.9, 29.9), (75, 60), (5, 5))] == [
        0,
        0,
        1,
        -1,
    ]


def test_single_pixels_of_a_noisy_mask_are_no_lesion() -> None:
    mask = two()
    mask[0, 0] = mask[99, 119] = 1
    mask[99, 0:2] = 1  # 2 of 12 000 pixels: below a five-thousandth
    found = lesions.of_mask(mask)
    assert len(found) == 2
    assert found.at(0.5, 0.5) == NO_LESION
    mask[90:92, 0:2] = 1
    assert len(lesions.of_mask(mask)) == 3


def test_any_class_is_a_lesion_and_the_unknown_is_neither() -> None:
    mask = two()
    mask[10:30, 20:60] = 7
    mask[50:80, 70:90] = UNKNOWN
    found = lesions.of_mask(mask)
    assert len(found) == 1
    assert found.at(75, 60) == IGNORED
    assert found.at(1, 1) == NO_LESION


def test_an_empty_mask_has_no_lesion() -> None:
    found = lesions.of_mask(np.zeros((50, 50), np.uint8))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.overlapping((0, 0, 9, 9)) == (0.0, NO_LESION)


def test_a_point_in_two_boxes_is_in_the_smaller() -> None:
    found = lesions.of_boxes([(0, 0, 100, 100), (10, 10, 20, 20)])
    assert found.at(15, 15) == 1
    assert found.at(50, 50) == 0
    assert found.at(20, 15) == 0  # half-open
    assert found.at(100, 50) == NO_LESION
    assert len(lesions.of_boxes(())) == 0 and lesions.of_boxes(()).at(1, 1) == NO_LESION


def test_the_overlap_is_with_the_box_that_is_met_most() -> None:
    found = lesions.of_boxes([(0, 0, 10, 10), (20, 0, 30, 10)])
    assert found.overlapping((0, 0, 10, 5)) == (pytest.approx(0.5), 0)
    assert found.overlapping((22, 0, 32, 10)) == (pytest.approx(80 / 120), 1)
    assert found.overlapping((50, 50, 60, 60)) == (0.0, NO_LESION)


def test_boxes_say_lesion_well_inside_nothing_near_their_edge_and_background_outside() -> None:
    mask = lesions.drawn([(20, 10, 60, 50)], (80, 100))
    assert mask[30, 40] == 1
    assert mask[11, 21] == mask[30, 21] == mask[49, 59] == UNKNOWN
    assert mask[9, 40] == mask[30, 19] == mask[30, 60] == mask[50, 40] == 0
    ellipse, box = (mask == 1).sum(), 40 * 40
    assert ellipse == pytest.approx(np.pi / 4 * lesions.SURE**2 * box, rel=0.03)
    assert (mask != 0).sum() == box


def test_a_sure_ellipse_is_not_hidden_by_the_ring_of_another_box() -> None:
    mask = lesions.drawn([(0, 0, 40, 40), (10, 10, 30, 30)], (50, 50))
    assert mask[20, 20] == 1 and mask[8, 20] == 1


def test_boxes_beyond_the_frame_are_cut_and_none_is_a_mask_of_background() -> None:
    mask = lesions.drawn([(-30, -30, -5, -5), (40, 40, 90, 90)], (50, 50))
    assert not mask[:40, :40].any()
    assert mask[40:, 40:].all()
    assert not lesions.drawn((), (8, 8)).any()
