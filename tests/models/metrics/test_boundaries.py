"""Lines measured, by numbers worked out by hand."""

import numpy as np
import pytest

from models.case import Case, Lines
from models.findings import Labels, Measure
from models.metrics import boundaries

LABELS = Labels(("lumen", "intima_media", "adventitia"))
X = np.arange(100, dtype=np.float64)
NOTHING = np.zeros((0, 0, 3), np.uint8)


def level(upper: float, lower: float, columns: slice = slice(None)) -> Lines:
    x = X[columns]
    return tuple(np.column_stack([x, np.full(len(x), y)]) for y in (upper, lower))  # type: ignore[return-value]


def measured(
    said: Lines, drawn: Lines | None = None, spacing: float | None = 0.06, subject: str = "s",
    readers: dict[str, Lines] | None = None,
) -> Measure:  # fmt: skip
    drawn = level(20, 30) if drawn is None else drawn
    case = Case(
        "case_000001", subject, NOTHING, lines=drawn, readers=readers or {},
        spacing_mm=None if spacing is None else (spacing, spacing),
    )  # fmt: skip
    return boundaries.measured(case, drawn, said)


def values(*rows: Measure) -> dict[str, float | None]:
    return boundaries.score(rows, LABELS).values


def test_a_line_two_pixels_off_is_120_micrometres_off_at_60_a_pixel() -> None:
    found = values(measured(level(22, 29)))
    assert found["lumen_intima_px"] == pytest.approx(2)
    assert found["lumen_intima_um"] == pytest.approx(120)
    assert found["media_adventitia_um"] == pytest.approx(60)
    assert found["imt_bias_um"] == pytest.approx(-180)


def test_agreement_is_one_less_distance_over_thickness() -> None:
    assert values(measured(level(20, 30)))["agreement"] == 1.0
    assert values(measured(level(22, 29)))["agreement"] == pytest.approx(1 - (0.2 + 0.1) / 2)
    assert values(measured(level(500, 600)))["agreement"] == 0.0


def test_columns_left_out_agree_in_nothing_and_are_in_no_distance() -> None:
    found = values(measured(level(20, 30, slice(0, 60))))
    assert found["traced"] == found["agreement"] == pytest.approx(0.6)
    assert found["lumen_intima_px"] == 0 and found["success_rate"] == 0


def test_columns_that_nobody_drew_do_not_count() -> None:
    drawn = level(20, 30, slice(10, 50))
    row = measured(level(20, 30), drawn)
    assert row.truth == 40
    assert values(row)["traced"] == values(row)["agreement"] == 1.0


def test_where_nothing_was_traced_there_is_no_distance_and_no_agreement() -> None:
    found = values(measured(level(20, 30, slice(0, 0))))
    assert found["agreement"] == found["success_rate"] == found["traced"] == 0.0
    assert found["lumen_intima_um"] is None and found["imt_bias_um"] is None


def test_without_a_spacing_there_are_pixels_and_no_micrometres() -> None:
    found = values(measured(level(22, 29), spacing=None))
    assert found["lumen_intima_px"] == pytest.approx(2)
    assert all(found[name] is None for name in found if name.endswith("_um"))


def test_limits_of_agreement_are_1_96_standard_deviations_about_the_bias() -> None:
    """Differences of 1, 2 and 6 pixels: mean 3, standard deviation sqrt(7)."""
    rows = [measured(level(20, 30 + more)) for more in (1, 2, 6)]
    found = values(*rows)
    assert found["imt_bias_px"] == pytest.approx(3)
    assert found["imt_low_px"] == pytest.approx(3 - 1.96 * np.sqrt(7))
    assert found["imt_high_um"] == pytest.approx(60 * (3 + 1.96 * np.sqrt(7)))
    assert values(rows[0])["imt_low_px"] is None


def test_a_success_has_nine_tenths_of_the_columns_and_both_lines_within_half_a_thickness() -> None:
    assert values(measured(level(20, 30, slice(0, 90))))["success_rate"] == 1
    assert values(measured(level(20, 30, slice(0, 89))))["success_rate"] == 0
    assert values(measured(level(25, 30)))["success_rate"] == 1
    assert values(measured(level(20, 36)))["success_rate"] == 0


def test_the_hausdorff_distance_is_between_curves_and_forgives_a_twentieth() -> None:
    x = np.arange(1000, dtype=np.float64)
    spiked = np.where(x < 20, 50.0, 0.0)
    assert boundaries.hausdorff_95(x, spiked, np.zeros(1000)) < 1
    assert boundaries.hausdorff_95(x, np.full(1000, 3.0), np.zeros(1000)) == pytest.approx(3)
    # On a slope of 45 degrees a curve is nearer than it is in its own column.
    assert boundaries.hausdorff_95(x, x + 4, x) == pytest.approx(4 / np.sqrt(2), abs=0.1)


def test_readers_stand_apart_by_the_mean_of_all_their_pairs() -> None:
    """Lumen-intima at 20, 21 and 24: pairs 1, 4 and 3 apart, so 8 / 3."""
    readers = {"A1": level(20, 30), "A2": level(21, 30), "A3": level(24, 33, slice(20, 80))}
    found = values(measured(level(20, 30), readers=readers))
    assert found["lumen_intima_readers_px"] == pytest.approx(8 / 3)
    assert found["media_adventitia_readers_um"] == pytest.approx(60 * 2)
    alone = values(measured(level(20, 30), readers={"A1": level(20, 30)}))
    assert alone["lumen_intima_readers_px"] is None


def test_a_resample_that_draws_a_case_twice_counts_it_twice() -> None:
    rows = [measured(level(20, 30 + more)) for more in (1, 2, 6)]
    drawn = boundaries.values(rows, LABELS, np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    twice = values(rows[0], rows[0], rows[2])
    for name, value in twice.items():
        expected = np.nan if value is None else value
        assert drawn[name][0] == pytest.approx(expected, nan_ok=True)
        assert np.isnan(drawn[name][1])


def test_a_case_has_one_row_with_empty_places_for_what_is_not_known() -> None:
    (row,) = boundaries.rows(measured(level(22, 29), spacing=None), LABELS)
    assert row["lumen_intima_px"] == 2 and row["row_mm"] == ""
    assert row["lumen_intima_readers_px"] == ""
    assert list(row) == list(boundaries.COLUMNS)


def test_two_lines_without_a_column_in_common_cannot_be_measured() -> None:
    apart = (level(20, 30, slice(0, 10))[0], level(20, 30, slice(50, 60))[1])
    with pytest.raises(ValueError, match="case_000001"):
        measured(level(20, 30), apart)


def test_no_cases_have_no_value() -> None:
    assert boundaries.score([], LABELS).values == {"agreement": None}
