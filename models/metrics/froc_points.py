"""Operating points of a detector: thresholds for so many false positives per frame or volume."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models import stats
from models.findings import Labels, Measure, OperatingPoint
from models.metrics.froc import ROUNDING, curve, events, sensitivity_at_threshold
from models.metrics.operating import UnknownPointError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Price:
    """What a threshold costs: the field of an OperatingPoint that tells it and that points are
    named after; and what a case is called, and what is looked for in it.
    """

    name: Literal["fp_per_image", "fp_per_volume"]
    case: str
    thing: str


FRAMES = Price("fp_per_image", "frame", "lesion")


def operating_points(
    measures: Sequence[Measure],
    labels: Labels,  # noqa: ARG001 - one kind of thing is looked for
    points: Sequence[str],
    n: int = stats.RESAMPLES,
    seed: int = 0,
    price: Price = FRAMES,
) -> list[OperatingPoint]:
    """`fp_per_image=x`: the best sensitivity at no more than x false positives per frame, at the
    highest threshold that buys it; the same for another price.

    A point that these cases cannot resolve (x = 0.01 needs a hundred) has threshold None and a
    reason. Thresholds lie midway between neighbouring scores, so that the last digit of a score,
    which differs between processors, decides nothing.
    """
    found = []
    for name in points:
        rate = _parsed(name, price)
        reason, threshold = _unresolved(rate, measures, price), None
        if reason is None:
            threshold = _threshold(rate, measures)
            per = f"{rate:g} false positives per {price.case}"
            reason = f"no threshold finds any {price.thing} at {per}"
        if threshold is None:
            found.append(OperatingPoint(name, None, reason=reason))
        else:
            found.append(at_threshold(measures, threshold, name, n, seed, price))
    return found


def at_threshold(
    measures: Sequence[Measure],
    threshold: float,
    name: str = "threshold",
    n: int = stats.RESAMPLES,
    seed: int = 0,
    price: Price = FRAMES,
) -> OperatingPoint:
    """What a threshold buys on these cases (also on a test part, where it was not found).

    `low` and `high` bound the sensitivity: 95 %, bootstrap over subjects at the fixed threshold.
    """

    def rates(rows: Sequence[Measure], weights: Floats) -> dict[str, Floats]:
        return sensitivity_at_threshold(rows, weights, threshold)

    found = stats.intervals(measures, rates, n, seed)
    sensitivity, cost = found["sensitivity"], {price.name: found["fp_per_case"].value}
    return OperatingPoint(
        name=name,
        threshold=threshold,
        sensitivity=sensitivity.value,
        low=sensitivity.low,
        high=sensitivity.high,
        fp_per_image=cost.get("fp_per_image"),
        fp_per_volume=cost.get("fp_per_volume"),
    )


def _parsed(name: str, price: Price) -> float:
    kind, _, number = name.partition("=")
    try:
        rate = float(number)
    except ValueError:
        rate = np.nan
    if kind != price.name or not 0 < rate < np.inf:
        raise UnknownPointError(f"operating point {name!r}: use {price.name}=x with 0 < x")
    return rate


def _unresolved(rate: float, measures: Sequence[Measure], price: Price) -> str | None:
    """Why these cases cannot settle the point: one false positive must be allowed on them."""
    cases, things = len(measures), sum(row.truth for row in measures)
    if things == 0:
        return f"validation has no {price.thing}, so no sensitivity is known"
    if rate * cases >= 1 - ROUNDING:
        return None
    each = price.case
    return (
        f"validation has {cases} {each}s: {rate:g} false positives per {each} is less than one on "
        f"all of them and needs at least {int(np.ceil(1 / rate - ROUNDING))}"
    )


def _threshold(rate: float, measures: Sequence[Measure]) -> float | None:
    """Midway between the lowest score that is let through and the next; None = none finds any."""
    found = events(measures)
    line = curve(found, measures, np.ones((1, len(measures))))
    hits = line.hits[0][line.fp_per_case[0] <= rate + ROUNDING]
    if hits.max(initial=0.0) == 0:
        return None
    row = int(np.argmax(hits))  # the first of equal ones: the highest threshold
    levels = found.score[found.last]
    above = float(levels[row])
    below = float(levels[row + 1]) if row + 1 < len(levels) else 0.0
    middle = (above + below) / 2
    return middle if below < middle else above
