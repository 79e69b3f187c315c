"""The agreement of thickness: what is drawn of which cases, in which unit, and the same bytes."""

import re

import numpy as np
import pytest

from models.findings import Measure
from models.metrics import boundaries
from models.pictures import agreement_plot


def case(
    number: int, said: float | None, drawn: float = 10.0, row_mm: float | None = 0.06
) -> Measure:
    row = np.full(len(boundaries.COLUMNS), np.nan)
    row[boundaries.AT["imt_drawn_px"]] = drawn
    row[boundaries.AT["imt_px"]] = np.nan if said is None else said
    row[boundaries.AT["row_mm"]] = np.nan if row_mm is None else row_mm
    return Measure(f"case_{number}", f"subject_{number // 2}", 100, row)


def words(*measures: Measure, part: str = "test") -> list[str]:
    """What is written on it: matplotlib notes the text behind its outlines."""
    return re.findall(r"<!-- (.*?) -->", agreement_plot(measures, part, "svg").decode())


def test_bias_and_limits_are_told_in_micrometres_where_the_spacing_is_known() -> None:
    said = words(case(0, 11.0), case(1, 11.0), case(2, 10.0), case(3, 10.0))
    assert "bias +30" in said  # half of one pixel of 60 um
    reach = 1.96 * 60 * np.sqrt(1 / 3)  # standard deviation of 60, 60, 0, 0 um
    assert f"+1.96 SD {30 + reach:+.3g}" in said
    assert f"-1.96 SD {30 - reach:+.3g}" in said
    assert "model less people, µm" in said
    assert "test part: 4 cases of 2 subjects" in said


def test_without_any_spacing_it_is_drawn_in_pixels() -> None:
    said = words(case(0, 11.0, row_mm=None), case(1, 10.5, row_mm=None), part="validation")
    assert "bias +0.75" in said
    assert "model less people, px" in said and "validation part: 2 cases of 1 subject" in said


def test_cases_that_cannot_be_compared_are_counted() -> None:
    said = words(case(0, 11.0), case(1, None), case(2, 12.0, row_mm=None))
    assert (
        "test part: 1 case of 1 subject; 1 without a column that both traced; "
        "1 without a spacing left out"
    ) in said
    assert not any("SD" in text for text in said)  # one difference has no spread


@pytest.mark.parametrize("measures", [(), (case(0, None),)])
def test_with_nothing_to_compare_it_says_so(measures: tuple[Measure, ...]) -> None:
    assert "no case has a column that both traced" in words(*measures)


def test_the_same_cases_give_the_same_bytes() -> None:
    measures = [case(0, 11.0), case(1, 9.0)]
    for kind, head in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        first, again = (agreement_plot(measures, "test", kind) for _ in range(2))  # type: ignore[arg-type]
        assert first == again and first.startswith(head)
