"""Polygons, run lengths and boxes come to lie on the pixels they were drawn on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.door.outlines import OutlineError, follows_border, label_map, marked, region
from models.layout import Outline, Runs

# In 64ths of a pixel: finer than exporters write, and the slopes of the count below stay finite.
PLACES = st.integers(-20 * 64, 40 * 64).map(lambda place: place / 64)
POINTS = st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=9).map(
    lambda points: tuple(value for point in points for value in point)
)


def test_corners_a_hair_apart_break_nothing() -> None:
    for polygon in ((0.0, 0.0, 0.0, 1.2e-308, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0, 2.3e-311)):
        assert not filled(polygon).any()


def filled(*polygons: tuple[float, ...], width: int = 12, height: int = 9) -> NDArray[np.bool_]:
    return region(Outline(polygons=polygons), width, height)


def test_a_polygon_of_whole_pixels_fills_exactly_those() -> None:
    found = filled((2, 3, 7, 3, 7, 6, 2, 6))
    expected = np.zeros((9, 12), np.bool_)
    expected[3:6, 2:7] = True  # half-open, as a box
    assert np.array_equal(found, expected)


def test_a_pixel_belongs_to_a_polygon_by_its_centre() -> None:
    assert filled((0.4, 0.4, 0.6, 0.4, 0.6, 0.6, 0.4, 0.6))[0, 0]
    assert not filled((0.6, 0.6, 1.4, 0.6, 1.4, 1.4, 0.6, 1.4)).any()


@given(POINTS)
def test_a_polygon_holds_the_pixels_whose_centres_it_winds_around_oddly(
    polygon: tuple[float, ...],
) -> None:
    """Against the crossing number of every centre, counted one by one; corners may lie outside."""
    y, x = np.mgrid[:9, :12] + 0.5
    crossings = np.zeros(x.shape, np.int64)
    points = np.array(polygon).reshape(-1, 2)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        beside = (y0 <= y) != (y1 <= y)
        step = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
        crossings += beside & (x0 + (y - y0) * step <= x)
    assert np.array_equal(filled(polygon), crossings % 2 == 1)


def test_several_polygons_are_one_thing() -> None:
    found = filled((0, 0, 2, 0, 2, 2, 0, 2), (1, 1, 4, 1, 4, 4, 1, 4))
    assert found.sum() == 4 + 9 - 1


def runs(counts: str | tuple[int, ...], width: int = 4, height: int = 3) -> NDArray[np.bool_]:
    return region(Outline(runs=Runs(height, width, counts)), width, height)


def test_run_lengths_go_down_the_columns() -> None:
    found = runs((2, 3, 7))
    assert np.array_equal(found.T.ravel(), [0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("text", "counts"),
    [("237", (2, 3, 7)), ("<", (12,)), ("0<", (0, 12)), ("1221O0", (1, 2, 2, 3, 1, 3))],
)
def test_packed_run_lengths_are_unpacked(text: str, counts: tuple[int, ...]) -> None:
    assert np.array_equal(runs(text), runs(counts))  # the texts are pycocotools'


def test_a_disc_is_unpacked_as_pycocotools_packed_it() -> None:
    y, x = np.mgrid[:30, :40]
    disc = (x - 20) ** 2 + (y - 15) ** 2 <= 81
    assert np.array_equal(runs("i:1i08K2N2N2N2O00000O20N1000001N2N2N2N5HQ9", 40, 30), disc)


@pytest.mark.parametrize("counts", [(2, 3, 6), (2, 3, 8), (15, -3), "237", "~~", "g", "", ()])
def test_run_lengths_that_do_not_fill_their_image_are_refused(
    counts: str | tuple[int, ...],
) -> None:
    with pytest.raises(OutlineError):
        runs(counts, 5)


def test_run_lengths_of_an_absurd_size_are_refused_unfilled() -> None:
    outline = Outline(runs=Runs(10**6, 10**6, (10**12,)))
    with pytest.raises(OutlineError, match="1000000 x 1000000 pixels on an image of 4 x 3"):
        region(outline, 4, 3)


@pytest.mark.parametrize(
    ("box", "kept", "clipped"),
    [
        ((2, 3, 7, 6), (2, 3, 7, 6), False),
        ((0, 0, 12, 9), (0, 0, 12, 9), False),
        ((-0.6, 2, 5, 9.8), (0, 2, 5, 9), False),  # rounding
        ((-4, 2, 5, 6), (0, 2, 5, 6), True),
        ((4, 4, 40, 40), (4, 4, 12, 9), True),
        ((-5, -5, 50, 50), (0, 0, 12, 9), True),
    ],
)
def test_a_box_ends_at_the_frame(
    box: tuple[float, float, float, float], kept: tuple[float, ...], clipped: bool
) -> None:
    found = marked(Outline(box=box), 12, 9)
    assert found is not None
    assert (found.box, found.clipped) == (kept, clipped)


@pytest.mark.parametrize(
    "box", [(12, 0, 20, 9), (-5, 0, 0, 9), (3, 3, 3, 6), (3, 3, 3.5, 6), (11.5, 2, 20, 6)]
)
def test_a_box_without_a_pixel_in_the_frame_is_nothing(
    box: tuple[float, float, float, float],
) -> None:
    assert marked(Outline(box=box), 12, 9) is None


def test_fractions_become_pixels_and_regions_have_a_box() -> None:
    found = marked(Outline(box=(0.25, 0.5, 0.5, 1.0), relative=True), 12, 8)
    assert found is not None and found.box == (3, 4, 6, 8)
    found = marked(Outline(polygons=((0.25, 0.5, 0.5, 0.5, 0.5, 1.0),), relative=True), 12, 8)
    assert found is not None and found.box == (3, 4, 6, 8)
    found = marked(Outline(runs=Runs(3, 4, (2, 3, 7))), 4, 3)
    assert found is not None and found.box == (0, 0, 2, 3)
    assert marked(Outline(runs=Runs(3, 4, (12,))), 4, 3) is None
    assert marked(Outline(), 4, 3) is None


def test_a_polygon_of_four_corners_is_a_box_and_one_of_five_a_border() -> None:
    four = (0.0, 0.0, 5.0, 0.0, 5.0, 5.0, 0.0, 5.0)
    assert not follows_border(Outline(polygons=(four,)))
    assert not follows_border(Outline(polygons=((*four, 0.0, 0.0),)))  # closed
    assert follows_border(Outline(polygons=((*four, -1.0, 2.0),)))
    assert follows_border(Outline(runs=Runs(3, 4, (12,))))
    assert not follows_border(Outline(box=(0, 0, 5, 5)))


def test_the_smaller_thing_lies_on_top() -> None:
    small = marked(Outline(polygons=((2, 2, 4, 2, 4, 4, 2, 4),)), 12, 9)
    large = marked(Outline(polygons=((0, 0, 8, 0, 8, 8, 0, 8),)), 12, 9)
    assert small is not None and large is not None
    for order in ([(small, 1), (large, 2)], [(large, 2), (small, 1)]):
        drawn = label_map(order, 12, 9)
        assert (drawn[2:4, 2:4] == 1).all()
        assert (drawn == 2).sum() == 60


def test_a_region_beside_a_box_without_a_size_has_the_box_around_it() -> None:
    found = marked(Outline(box=(0, 0, 0, 0), polygons=((2, 3, 7, 3, 7, 6, 2, 6),)), 12, 9)
    assert found is not None and found.box == (2, 3, 7, 6)
    assert marked(Outline(box=(0, 0, 0, 0)), 12, 9) is None
