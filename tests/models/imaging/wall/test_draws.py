"""Training patches: about the wall, of any scale, with their truth."""

import numpy as np

from models.case import UNKNOWN, Case
from models.imaging.wall.draws import ELSEWHERE, drawn
from models.imaging.wall.truth import ADVENTITIA, INTIMA_MEDIA, LUMEN
from tests.models.imaging.wall.pictures import frame


def case() -> Case:
    pixels, lines = frame()
    return Case("case_000001", "s", pixels, lines=lines)


def test_most_draws_show_the_wall_and_some_lie_elsewhere() -> None:
    rng, one = np.random.default_rng(0), case()
    shown = [(drawn(one, 64, rng).mask == INTIMA_MEDIA).any() for _ in range(120)]
    assert 1 - 2 * ELSEWHERE < np.mean(shown) < 1


def test_a_draw_is_bright_where_its_truth_says_adventitia_and_dark_in_the_lumen() -> None:
    rng, one = np.random.default_rng(1), case()
    darker = []
    while len(darker) < 30:
        roi = drawn(one, 96, rng)
        grey = roi.pixels.mean(axis=2)
        parts = [grey[roi.mask == k] for k in (LUMEN, INTIMA_MEDIA, ADVENTITIA)]
        if min(len(part) for part in parts) > 50:
            lumen, wall, adventitia = (float(part.mean()) for part in parts)
            darker.append(lumen < wall < adventitia)
    assert np.mean(darker) > 0.95


def test_the_wall_appears_both_thinner_and_thicker_than_it_is() -> None:
    rng, one, thick = np.random.default_rng(2), case(), []
    while len(thick) < 60:
        counts = (drawn(one, 224, rng).mask == INTIMA_MEDIA).sum(axis=0)
        if counts.max():
            thick.append(float(np.median(counts[counts > 0])))
    assert min(thick) < 8 and max(thick) > 14  # 11 pixels in the frame


def test_a_case_without_lines_shows_its_mask_or_that_nothing_is_known() -> None:
    rng, one = np.random.default_rng(3), case()
    bare = Case("case_000001", "s", one.pixels)
    assert (drawn(bare, 64, rng).mask == UNKNOWN).all()
    masked = Case("case_000001", "s", one.pixels, mask=np.ones(one.pixels.shape[:2], np.uint8))
    assert set(np.unique(np.asarray(drawn(masked, 64, rng).mask))) <= {1, UNKNOWN}
