"""Patches along a wall, and their maps laid back."""

from itertools import pairwise

import numpy as np
import pytest

from models.case import Roi
from models.imaging.wall.locating import Stretch
from models.imaging.wall.tiles import MOST, boxes, cut, strips
from tests.models.imaging.wall.pictures import frame


def wall(first: int, last: int, y: float = 300, slope: float = 0.0) -> Stretch:
    x = np.arange(first, last, dtype=np.float64)
    return Stretch(x, y + slope * (x - first), 0.5)


@pytest.mark.parametrize("width", [200, 447, 448, 449, 640, 900, 3000])
def test_patches_cover_a_wall_from_end_to_end_and_overlap(width: int) -> None:
    found = boxes(wall(0, width), (600, width))
    assert len(found) <= MOST
    assert found[0][0] == 0 and found[-1][2] == width
    for left, right in pairwise(found):
        assert right[0] < left[2]
    for x0, y0, x1, y1 in found:
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= 600
        assert all(side == int(side) for side in (x0, y0, x1, y1))


@pytest.mark.parametrize(("row_mm", "rows"), [(0.04, 336), (0.06, 224), (0.1, 134), (0.01, 448)])
def test_a_patch_shows_as_many_millimetres_of_every_image(row_mm: float, rows: int) -> None:
    found = boxes(wall(0, 900), (900, 900), (row_mm, 0.06))
    assert {y1 - y0 for _, y0, _, y1 in found} == {rows}
    assert found[0][2] - found[0][0] == 448


def test_patches_follow_a_wall_down() -> None:
    found = boxes(wall(0, 1200, y=200, slope=0.2), (700, 1200))
    middles = [(box[1] + box[3]) / 2 for box in found]
    assert middles == sorted(middles) and middles[-1] - middles[0] > 100


def test_a_short_piece_of_wall_has_one_patch_about_its_middle() -> None:
    (box,) = boxes(wall(300, 340), (600, 900))
    assert (box[0] + box[2]) / 2 == pytest.approx(320, abs=1)
    assert (box[1] + box[3]) / 2 == pytest.approx(300, abs=1)


def test_an_image_smaller_than_a_patch_is_one_patch() -> None:
    assert boxes(wall(0, 92, y=30), (60, 92)) == [(0.0, 0.0, 92.0, 60.0)]


def test_a_patchs_truth_is_as_its_pixels_are() -> None:
    pixels, lines = frame(noise=0)
    roi = cut(pixels, (96.0, 200.0, 544.0, 424.0), 224, lines)
    assert roi.mask is not None and roi.pixels.shape == (224, 224, 3)
    grey = roi.pixels[..., 0].astype(int)
    for k, level in ((1, 15), (2, 80), (3, 220)):
        inside = grey[roi.mask == k]
        assert abs(np.median(inside) - level) <= 2


def test_maps_laid_back_say_of_each_place_what_its_patches_said() -> None:
    """A ramp over the image, cut into patches and laid back, is that ramp again."""
    y, x = np.mgrid[:400, :900]
    ramp = (x / 900 + y / 400) / 2
    pixels = np.repeat((ramp * 250).astype(np.uint8)[..., None], 3, axis=2)
    rois = [cut(pixels, box, 224, None) for box in boxes(wall(0, 900, 200), (400, 900))]
    share = np.stack([roi.pixels[..., 0] / 250 for roi in rois])
    outputs = np.stack([1 - share, share], axis=1).astype(np.float32)
    (strip,) = strips(rois, outputs)
    height, width = strip.scores.shape[1:]
    expected = ramp[strip.y0 : strip.y0 + height, strip.x0 : strip.x0 + width]
    assert (strip.x0, width) == (0, 900)
    assert np.abs(strip.scores[1] - expected).max() < 0.02
    np.testing.assert_allclose(strip.scores.sum(axis=0), 1, atol=1e-5)


def test_a_patch_that_begins_left_of_the_one_before_belongs_to_another_wall() -> None:
    nothing = np.zeros((0, 0, 3), np.uint8)
    places = [(0, 100, 448, 324), (380, 110, 828, 334), (0, 300, 448, 524), (380, 300, 828, 524)]
    rois = [Roi(nothing, tuple(float(side) for side in box)) for box in places]  # type: ignore[arg-type]
    found = strips(rois, np.ones((4, 2, 32, 32), np.float32))
    assert [(strip.x0, strip.y0) for strip in found] == [(0, 100), (0, 300)]
    assert [strip.scores.shape for strip in found] == [(2, 234, 828), (2, 224, 828)]
    assert found[0].scores[:, -1, 0].max() == 0  # the first patch does not reach so far down


def test_what_lies_in_a_region_is_a_strip_of_its_own() -> None:
    roi = Roi(np.zeros((0, 0, 3), np.uint8), (100.0, 50.0, 548.0, 274.0))
    (strip,) = strips([roi], np.ones((1, 2, 32, 32), np.float32))
    part = strip.within((200.0, 0.0, 300.0, 100.0))
    assert (part.x0, part.y0, part.scores.shape) == (200, 50, (2, 50, 100))
    assert strip.within((0.0, 0.0, 10.0, 10.0)).scores.shape == (2, 1, 1)
