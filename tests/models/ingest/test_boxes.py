"""Boxes in the cell of a table are read in either way of writing them, or refused with the way."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.door.boxes import BoxesError, read_boxes

TWO = ((10.0, 20.0, 30.5, 40.0), (0.0, 0.0, 5.0, 6.0))


@pytest.mark.parametrize(
    "written",
    ["[[10, 20, 30.5, 40], [0, 0, 5, 6]]", "10 20 30.5 40; 0 0 5 6", "10,20,30.5,40;0,0,5,6;",
     "10  20 30.5 40 ;0 0 5 6"],
)  # fmt: skip
def test_two_boxes_are_two_boxes_however_they_are_written(written: str) -> None:
    assert read_boxes(written) == TWO


def test_one_box_needs_no_second_bracket_and_an_empty_list_says_that_nothing_is_there() -> None:
    assert read_boxes("[1, 2, 3, 4]") == read_boxes("1 2 3 4") == ((1.0, 2.0, 3.0, 4.0),)
    assert read_boxes("[]") == ()


def test_a_box_outside_every_image_is_read_for_the_image_to_judge() -> None:
    assert read_boxes("-5 -5 2000 2000") == ((-5.0, -5.0, 2000.0, 2000.0),)


@pytest.mark.parametrize(
    "written",
    ["yes", "1 2 3", "1 2 3 4 5", "[[1, 2, 3]]", "[[1, 2, 3, null]]", "[1, 2", "[[1, 2, 3, true]]",
     "nan 1 2 3", "1 2 inf 4", "[[1e400, 2, 3, 4]]", '["1 2 3 4"]', "1e9 0 2e9 5", "[[[1,2,3,4]]]"],
)  # fmt: skip
def test_what_is_no_box_is_refused_with_the_way_to_write_one(written: str) -> None:
    with pytest.raises(BoxesError, match="x0 y0 x1 y1"):
        read_boxes(written)


def test_width_and_height_instead_of_a_corner_are_suspected() -> None:
    with pytest.raises(BoxesError, match=r"100 50 30 20 ends before it begins \(x y width height"):
        read_boxes("100 50 30 20")


@given(st.text(max_size=12) | st.text('[]{},;.-+0123456789e"', max_size=20))
def test_no_cell_whatever_breaks_the_door(written: str) -> None:
    with suppress(BoxesError):
        assert all(x0 <= x1 and y0 <= y1 for x0, y0, x1, y1 in read_boxes(written))
