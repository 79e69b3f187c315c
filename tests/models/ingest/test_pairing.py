"""Two lines become a wall only where they fit the image and each other; readers become one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.case import Lines, Points
from models.door.lines.pairing import PairingError, consensus, judged, sparse

SIZE = (200, 150)


def line(first: float, last: float, y: float, step: float = 1.0) -> Points:
    x = np.arange(first, last + 1e-9, step)
    return np.column_stack([x, np.full_like(x, y)])


def refusal(upper: Points, lower: Points) -> PairingError:
    with pytest.raises(PairingError) as error:
        judged((upper, lower), SIZE)
    return error.value


def test_the_columns_that_both_cover_are_kept_and_between_points_lines_are_straight() -> None:
    upper, lower = line(10.3, 90.3, 60, 16), np.array([[20.0, 70.0], [120.0, 80.0]])
    (first, second), notes = judged((upper, lower), SIZE)
    assert notes == ()
    assert first[0].tolist() == [20, 60]
    assert first[:, 0].tolist() == second[:, 0].tolist() == list(range(20, 91))
    assert second[10, 1] == pytest.approx(71)


def test_points_beyond_the_frame_are_cut_off_and_that_is_said() -> None:
    found, notes = judged((line(-20, 150, 60), line(-20, 150, 70)), SIZE)
    assert notes == ("lines_clipped",)
    assert found[0][0, 0] == 0


@pytest.mark.parametrize(
    ("upper", "lower", "code", "said"),
    [
        (line(300, 400, 60), line(300, 400, 70), "lines_outside", "101 of 101 points"),
        (line(10, 90, 600), line(10, 90, 610), "lines_outside", "200 x 150"),
        (line(10, 40, 60), line(60, 90, 70), "lines_apart", "share 0 column"),
        (line(10, 15, 60), line(10, 15, 70), "lines_apart", "share 6 column"),
        (line(10, 90, 70), line(10, 90, 60), "lines_crossed", "exchange"),
        (line(10, 90, 70), line(10, 90, 70), "lines_crossed", "exchange"),
    ],
)
def test_lines_that_make_no_wall_are_refused(
    upper: Points, lower: Points, code: str, said: str
) -> None:
    error = refusal(upper, lower)
    assert error.code == code
    assert said in error.detail


def test_few_columns_that_cross_are_left_out_and_many_refuse_the_pair() -> None:
    upper, lower = line(10, 109, 60), line(10, 109, 70)
    upper[40:45, 1] = 71
    found, notes = judged((upper, lower), SIZE)
    assert notes == ("lines_crossing",)
    assert len(found[0]) == 95
    upper[40:60, 1] = 71
    assert "20 of 100 columns" in refusal(upper, lower).detail


def wall(first: int, last: int, y: float) -> Lines:
    return line(first, last, y), line(first, last, y + 10)


def test_readers_are_averaged_where_two_or_more_drew() -> None:
    found = consensus([wall(10, 100, 60), wall(30, 120, 62), wall(50, 80, 70)])
    assert found is not None
    upper, lower = found
    assert (upper[0, 0], upper[-1, 0]) == (30, 100)
    at = dict(upper.tolist())
    assert at[40] == pytest.approx(61)
    assert at[60] == pytest.approx(64)
    assert (lower[:, 1] - upper[:, 1]).tolist() == pytest.approx([10] * len(upper))


def test_readers_who_share_no_stretch_agree_on_nothing() -> None:
    assert consensus([wall(10, 60, 60), wall(70, 120, 62)]) is None


def test_of_two_shared_stretches_the_longer_is_taken() -> None:
    found = consensus([wall(10, 120, 60), wall(10, 30, 60), wall(60, 120, 60)])
    assert found is not None
    assert found[0][0, 0] == 60


heights = st.lists(st.floats(0, 500), min_size=2, max_size=120)


@given(heights)
def test_a_stored_line_is_the_line_to_a_hundredth_of_a_pixel(ys: list[float]) -> None:
    drawn = np.column_stack([np.arange(len(ys), dtype=np.float64), ys])
    kept = np.array(sparse(drawn))
    again = np.interp(drawn[:, 0], kept[:, 0], kept[:, 1])
    assert np.abs(again - drawn[:, 1]).max() <= 0.0111
    assert kept[0, 0] == 0
    assert kept[-1, 0] == len(ys) - 1


def test_a_smooth_line_is_stored_in_few_points() -> None:
    x = np.arange(500.0)
    assert len(sparse(np.column_stack([x, 200 + 8 * np.sin(x / 90)]))) < 60
