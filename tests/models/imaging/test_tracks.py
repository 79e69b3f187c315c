"""Boxes of frame after frame are linked into tracks, by hand-worked examples."""

import numpy as np
import pytest

from models.case import Box
from models.imaging.tracks import GAP_S, Linker, overlaps


def box(x: float, y: float = 0.0, side: float = 10.0) -> Box:
    return (x, y, x + side, y + side)


def test_the_overlap_is_that_of_boxes_twice_as_large() -> None:
    # Of sides 20: shifted by 10 they share 10 x 20 of 2 x 400 - 200.
    found = overlaps([box(0)], [box(0), box(10), box(20), box(40)])
    assert found[0] == pytest.approx([1.0, 200 / 600, 0.0, 0.0])


def test_a_thing_that_moves_by_one_and_a_half_of_its_width_stays_one_track() -> None:
    linker = Linker()
    assert [linker.link(k / 5, [box(15 * k)]) for k in range(6)] == [(1,)] * 6
    assert linker.link(1.2, [box(92)]) == (2,)  # nearly two widths away is another


def test_two_things_that_cross_keep_their_numbers() -> None:
    linker = Linker()
    left, right = [0, 6, 12, 18], [40, 34, 28, 22]
    for k, (a, b) in enumerate(zip(left, right, strict=True)):
        order = [box(a), box(b, 4)] if k % 2 == 0 else [box(b, 4), box(a)]
        numbers = linker.link(k / 5, order)
        assert numbers == ((1, 2) if k % 2 == 0 else (2, 1))


def test_pairs_are_chosen_together_not_one_by_one() -> None:
    """The first box would take the second's track if it were asked first."""
    linker = Linker()
    linker.link(0.0, [box(0), box(8)])
    assert linker.link(0.2, [box(5), box(13)]) == (1, 2)


def test_a_thing_out_of_sight_for_a_moment_comes_back_as_itself() -> None:
    linker = Linker()
    linker.link(0.0, [box(0)])
    linker.link(0.2, [])
    assert linker.link(GAP_S, [box(3)]) == (1,)
    assert linker.link(2 * GAP_S + 0.01, [box(3)]) == (2,)


def test_every_box_has_a_track_of_its_own_however_many_there_are() -> None:
    rng, linker = np.random.default_rng(0), Linker()
    for k in range(30):
        corners = rng.uniform(0, 60, (rng.integers(0, 12), 2))
        numbers = linker.link(k / 5, [box(float(x), float(y)) for x, y in corners])
        assert len(set(numbers)) == len(corners)
