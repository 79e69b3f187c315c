"""Lines measured: how far each is from the one drawn, the thickness between them, and the readers'
own disagreement beside both.

Distances are vertical, column by column (paper 1.5: the mean distance between an expert's and the
system's line), over the columns that both have; those that only people traced count as left out.
`Measure.scores` is one number for each of COLUMNS, NaN where there is none; `Measure.truth` the
number of columns that people traced.

Pixels become micrometres where a spacing is known and only there. Values in micrometres are those
of the cases that have one.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

from models.case import Case, Lines
from models.findings import Labels, Measure, Scores
from models.imaging.wall.geometry import by_column, heights
from models.metrics.overlap import weighted_mean

Floats = NDArray[np.float64]

LINES = ("lumen_intima", "media_adventitia")
COLUMNS = (
    "columns", "traced",  # of those that people traced
    "agreement",  # 1 - distance over thickness, see `values`
    *(f"{line}_px" for line in LINES),  # mean absolute distance
    *(f"{line}_hd95_px" for line in LINES),  # 95th percentile of distances between the curves
    "imt_px", "imt_drawn_px",  # mean over shared columns, the model's and the people's
    *(f"{line}_readers_px" for line in LINES),  # mean absolute distance of two readers
    "row_mm",  # of a pixel
)  # fmt: skip
AT = {name: k for k, name in enumerate(COLUMNS)}
FOUND = 0.9  # of the columns that people traced: with fewer a case is no success
NEAR = 0.5  # of the thickness: neither is one with a line farther off on average
LIMITS = 1.96  # standard deviations to either side of the bias (Bland and Altman 1986)
UM = 1000.0  # in a millimetre


def measured(case: Case, drawn: Lines, said: Lines) -> Measure:
    """The case's row, for lines `said` against lines `drawn`."""
    x, upper, lower = by_column(drawn)
    if not len(x):
        raise ValueError(f"case {case.case_id}: its two lines have no column in common")
    found = [heights(line, x) for line in said]
    both = ~np.isnan(found[0]) & ~np.isnan(found[1])
    off = [np.abs(line - true) for line, true in zip(found, (upper, lower), strict=True)]
    row = np.full(len(COLUMNS), np.nan)
    row[AT["columns"]], row[AT["traced"]] = len(x), both.sum()
    row[AT["agreement"]] = _agreement(off, lower - upper)
    if both.any():
        stretch = 1.0 if case.spacing_mm is None else case.spacing_mm[1] / case.spacing_mm[0]
        for name, away, mine, true in zip(LINES, off, found, (upper, lower), strict=True):
            row[AT[f"{name}_px"]] = away[both].mean()
            row[AT[f"{name}_hd95_px"]] = hausdorff_95(x[both] * stretch, mine[both], true[both])
        row[AT["imt_px"]] = (found[1] - found[0])[both].mean()
        row[AT["imt_drawn_px"]] = (lower - upper)[both].mean()
    for name, apart in zip(LINES, readers_apart(case.readers), strict=True):
        row[AT[f"{name}_readers_px"]] = apart
    row[AT["row_mm"]] = np.nan if case.spacing_mm is None else case.spacing_mm[0]
    return Measure(case.case_id, case.subject, len(x), row)


def _agreement(off: Sequence[Floats], apart: Floats) -> float:
    """1 where both lines lie on the drawn ones in every column, 0 where they are a thickness off
    or are not there.
    """
    thickness = max(float(apart.mean()), 1.0)
    share = np.minimum(np.nan_to_num(np.stack(off), nan=np.inf) / thickness, 1.0)
    return float(1 - share.mean())


def hausdorff_95(x: Floats, one: Floats, other: Floats) -> float:
    """The 95th percentile of how far each point of either curve is from the other curve [n]."""
    curves = [np.column_stack([x, y]) for y in (one, other)]
    there = cKDTree(curves[1]).query(curves[0])[0]
    back = cKDTree(curves[0]).query(curves[1])[0]
    return float(np.percentile(np.concatenate([there, back]), 95))


def readers_apart(readers: Mapping[str, Lines]) -> tuple[float, float]:
    """The mean absolute distance of two readers' lines, mean of all pairs; NaN with one reader."""
    pairs: list[tuple[float, float]] = []
    for one, other in combinations(readers.values(), 2):
        x, upper, lower = by_column(one)
        apart = [heights(line, x) - true for line, true in zip(other, (upper, lower), strict=True)]
        if len(x) and all((~np.isnan(line)).any() for line in apart):
            pairs.append((float(np.nanmean(np.abs(apart[0]))), float(np.nanmean(np.abs(apart[1])))))
    if not pairs:
        return np.nan, np.nan
    upper_px, lower_px = np.mean(pairs, axis=0)
    return float(upper_px), float(lower_px)


def values(
    measures: Sequence[Measure],
    labels: Labels,  # noqa: ARG001 - a wall has two lines
    weights: Floats,
) -> dict[str, Floats]:
    """Every value for every row of `weights` [b, n] (how often a resample holds a case).

    agreement     mean over columns and lines of 1 - distance / thickness (the case's mean), at
                  least 0; 0 in columns left out: all lines on the drawn ones give 1
    success_rate  cases with 0.9 of the columns traced and no line half a thickness off on average
    traced        share of the columns that people traced
    <line>_um, _px           mean absolute distance, mean of cases
    <line>_hd95_um, _px      Hausdorff distance, 95th percentile
    <line>_readers_um, _px   two readers' mean absolute distance, to hold the model's against
    imt_bias_um, _px         the model's mean thickness less the people's, mean of cases
    imt_low_um, imt_high_um, _px   limits of agreement: bias less and plus 1.96 standard deviations
    NaN where a resample does not determine the value.
    """
    row = {name: np.array([case.scores[k] for case in measures]) for name, k in AT.items()}
    means = {
        "agreement": row["agreement"],
        "success_rate": _success(row),
        "traced": row["traced"] / row["columns"],
    }
    told = {name: weighted_mean(value, weights) for name, value in means.items()}
    bias = row["imt_px"] - row["imt_drawn_px"]
    for unit, scale in (("um", row["row_mm"] * UM), ("px", np.ones(len(measures)))):
        for kind in ("", "_hd95", "_readers"):
            for line in LINES:
                told[f"{line}{kind}_{unit}"] = weighted_mean(
                    row[f"{line}{kind}_px"] * scale, weights
                )
        for name, value in zip(("bias", "low", "high"), limits(bias * scale, weights), strict=True):
            told[f"imt_{name}_{unit}"] = value
    return told


def _success(row: Mapping[str, Floats]) -> Floats:
    """[n] 1 or 0."""
    near = np.stack([row[f"{line}_px"] <= NEAR * row["imt_drawn_px"] for line in LINES])
    return np.asarray(near.all(axis=0) & (row["traced"] >= FOUND * row["columns"]), np.float64)


def limits(difference: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Bias and both limits of agreement [b] of differences [n], the undefined left out."""
    defined = ~np.isnan(difference)
    known = np.where(defined, difference, 0.0)
    count = weights @ defined.astype(np.float64)
    bias = weighted_mean(difference, weights)
    spread = weights @ known**2 - count * np.nan_to_num(bias) ** 2
    enough = count > 1
    variance = np.divide(spread, count - 1, out=np.full(len(count), np.nan), where=enough)
    reach = LIMITS * np.sqrt(np.maximum(variance, 0.0))
    return bias, bias - reach, bias + reach


def score(measures: Sequence[Measure], labels: Labels) -> Scores:
    """The values of these cases, headline first; lines have no curve."""
    if not measures:
        return Scores({"agreement": None}, {})
    found = values(measures, labels, np.ones((1, len(measures))))
    known = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}
    return Scores(known, {})


def rows(measure: Measure, labels: Labels) -> list[dict[str, object]]:  # noqa: ARG001 - two lines
    """One line: the case's numbers in pixels, and the pixel's height; "" where there is none."""
    return [
        {
            name: "" if np.isnan(value) else float(value)
            for name, value in zip(COLUMNS, measure.scores, strict=True)
        }
    ]
