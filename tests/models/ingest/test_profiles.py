"""Profile and calibration files as programs write them, and what is said of those that are none."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.door.lines.calibration import CalibrationError, read_calibration
from models.door.lines.cells import CellError, read_line
from models.door.lines.complexes import ComplexError, lines_of
from models.door.lines.profile import ProfileError, read_profile

POINTS = [[10.5, 200.25], [11.5, 201.0], [12.5, 201.5], [13.5, 202.0]]


@pytest.mark.parametrize(
    "written",
    [
        "10.5 200.25\n11.5 201\n12.5 201.5\n13.5 202\n",
        "10.5\t200.25\r\n11.5\t201.0\r\n12.5\t201.5\r\n13.5\t202\r\n",
        "10.5,200.25\n11.5,201\n12.5,201.5\n13.5,202",
        "10.5, 200.25\n11.5, 201\n12.5, 201.5\n13.5, 202",
        "10,5 200,25\n11,5 201\n12,5 201,5\n13,5 202",
        "10,5;200,25\n11,5;201,0\n12,5;201,5\n13,5;202,0",
        "10.5 11.5 12.5 13.5 \n200.25 201.0 201.5 202.0 \n",
        "10,5 11,5 12,5 13,5\n200,25 201,0 201,5 202,0\n",
        "10.5,11.5,12.5,13.5\r\n200.25,201,201.5,202\r\n",
        "  1.05e+01   2.0025e+02\n  1.15E+01   2.01d+02\n12.5 201.5\n13.5 202\n",
        "x y\n10.5 200.25\n11.5 201\n12.5 201.5\n13.5 202\n",
        "% drawn by hand\n10.5 200.25\n11.5 201\n\n12.5 201.5\n13.5 202\n",
        "13.5 202\n12.5 201.5\n11.5 201\n10.5 200.25\n",
        "10.5 200.25\nNaN NaN\n11.5 201\n12 nan\n12.5 201.5\n13.5 202\n",
        "10.5 200.25\n11.5 200\n11.5 202\n12.5 201.5\n13.5 202\n",
        "[10.5 200.25]\n[11.5 201]\n[12.5 201.5]\n[13.5 202]",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_is_one_line_however_it_is_written(written: str, encoding: str) -> None:
    line, notes = read_profile(written.encode(encoding))
    assert line.tolist() == POINTS
    assert notes == (("profile_gaps",) if "nan" in written.lower() else ())


def test_two_points_are_read_in_the_way_that_makes_a_wall() -> None:
    for written in ("10 200\n90 204", "10 90\n200 204"):
        assert read_profile(written.encode())[0].tolist() == [[10, 200], [90, 204]]


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("", "empty_profile", "no numbers"),
        ("\n \r\n", "empty_profile", "no numbers"),
        ("x y\n", "empty_profile", "no numbers"),
        ("10.5 200\n", "empty_profile", "1 point"),
        ("nan nan\nnan nan\nnan nan\n", "empty_profile", "0 point"),
        ("10 200\n10 201\n10 202\n", "empty_profile", "1 point"),
        ("1 2 3\n4 5 6\n7 8 9\n", "bad_profile", "row 1 of 3 has 3"),
        ("1 2\n3 4\n5\n", "bad_profile", "row 3 of 3 has 1"),
        ("1 2 3 4\n5 6 7\n", "bad_profile", "4 values of x and 3 of y"),
        ("1 2\n3 four\n5 6\n", "bad_profile", "line 2: 'four'"),
        ("\x89PNG\r\n\x1a\n", "bad_profile", "no number"),
    ],
)
def test_what_is_no_line_is_refused_with_the_way_to_write_one(
    written: str, code: str, said: str
) -> None:
    with pytest.raises(ProfileError) as error:
        read_profile(written.encode("latin-1"))
    assert error.value.code == code
    assert said in error.value.detail


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32).map(str)
blanks = st.sampled_from([" ", "\t", ",", ";", ", ", "\n", "\r\n", "\n\n", " ; "])


@given(
    st.lists(st.tuples(numbers, blanks), max_size=40).map(lambda p: "".join(a + b for a, b in p))
)
def test_no_text_of_numbers_breaks_the_reader(written: str) -> None:
    _line_or_refusal(written.encode())


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    _line_or_refusal(data)
    try:
        side = read_calibration(data)
    except CalibrationError as error:
        assert "CF file" in str(error)
    else:
        assert 0.005 <= side <= 2


def _line_or_refusal(data: bytes) -> None:
    try:
        line, _ = read_profile(data)
    except ProfileError as error:
        assert error.code in ("empty_profile", "bad_profile")
        assert len(error.detail) < 250
    else:
        assert line.shape == (len(line), 2)
        assert len(line) >= 2
        assert (np.diff(line[:, 0]) > 0).all()
        assert np.isfinite(line).all()


drawn = st.lists(
    st.tuples(st.integers(0, 900), st.floats(0, 900).map(lambda y: round(y, 3))),
    min_size=3, max_size=60, unique_by=lambda point: point[0],
)  # fmt: skip


@given(drawn, st.booleans(), st.booleans())
def test_what_was_written_is_read(
    points: list[tuple[int, float]], in_lines: bool, decimal_comma: bool
) -> None:
    rows = [list(axis) for axis in zip(*points, strict=True)] if in_lines else points
    text = "\n".join(" ".join(f"{value:.3f}" for value in row) for row in rows)
    found, _ = read_profile((text.replace(".", ",") if decimal_comma else text).encode())
    assert found.tolist() == [list(point) for point in sorted(points)]


@pytest.mark.parametrize("written", ["0.06", "0.060000\n", "0,06", "6.0e-02\r\n", "﻿0.06 "])
def test_a_calibration_is_millimetres_a_pixel(written: str) -> None:
    assert read_calibration(written.encode()) == 0.06


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "no numbers"), ("nan", "nan mm"), ("0", "0 mm"), ("-0.06", "-0.06 mm"),
        ("16.7", "16.7 mm"), ("0.06 0.07", "2 numbers"), ("CF: six", "no numbers"),
        ("0.06\nmm", "'mm' is no number"),
    ],
)  # fmt: skip
def test_a_calibration_that_tells_no_size_is_not_guessed(written: str, said: str) -> None:
    with pytest.raises(CalibrationError, match=said):
        read_calibration(written.encode())


@pytest.mark.parametrize(
    "cell",
    [
        "10.5 200.25 11.5 201 12.5 201.5 13.5 202",
        "10.5 200.25; 11.5 201; 12.5 201.5; 13.5 202",
        "10.5,200.25,11.5,201,12.5,201.5,13.5,202",
        json.dumps(POINTS),
        json.dumps([list(axis) for axis in zip(*POINTS, strict=True)]),
        json.dumps([value for point in POINTS for value in point]),
    ],
)
def test_a_cell_holds_a_line_as_numbers_or_json(cell: str) -> None:
    assert read_line(cell).tolist() == POINTS


@pytest.mark.parametrize(
    "cell", ["[", "[[1, 2], [3]]", "1 2 3", "1 2", "a b c d", "[[1, NaN], [2, 3]]", "[]", "{}"]
)
def test_a_cell_that_holds_no_line_says_how_to_write_one(cell: str) -> None:
    with pytest.raises(CellError, match="a line is x y x y"):
        read_line(cell)


@given(st.text(max_size=80))
def test_no_cell_breaks_the_reader(cell: str) -> None:
    try:
        assert len(read_line(cell)) >= 2
    except CellError as error:
        assert "a line is" in str(error)


def band(value: int = 1) -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    for x in range(5, 55):
        mask[10 + x // 10 : 16 + x // 10, x] = value
    return mask


def test_the_edges_of_a_mask_are_the_lines_half_a_pixel_from_its_rows() -> None:
    (upper, lower), notes = lines_of(band())
    assert notes == ()
    assert upper[0].tolist() == [5, 9.5]
    assert lower[0].tolist() == [5, 15.5]
    assert upper[-1].tolist() == [54, 14.5]


def test_of_a_map_of_three_the_second_is_the_wall_and_crumbs_are_nothing() -> None:
    mask = band(2)
    mask[30:] = 3
    mask[:5] = 1
    mask[8, 5] = 2
    (upper, _), notes = lines_of(mask)
    assert (upper[0].tolist(), notes) == ([5, 9.5], ())
    mask[25:28, 5:40] = 2
    assert lines_of(mask)[1] == ("mask_parts",)


def test_a_mask_without_a_wall_is_refused() -> None:
    with pytest.raises(ComplexError, match="empty"):
        lines_of(np.zeros((9, 9), np.uint8))
    with pytest.raises(ComplexError, match="values 1, 3"):
        lines_of(np.where(band() > 0, 3, 1).astype(np.uint8))
