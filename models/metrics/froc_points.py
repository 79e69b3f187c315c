"""Operating points of a detector: thresholds for so many false positives per frame."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models import stats
from models.findings import Labels, Measure, OperatingPoint
from models.metrics.froc import ROUNDING, curve, events, sensitivity_at_threshold
from models.metrics.operating import UnknownPointError

Floats = NDArray[np.float64]
PREFIX = "fp_per_image"


def operating_points(
    measures: Sequence[Measure],
    labels: Labels,  # noqa: ARG001 - one kind of thing is looked for
    points: Sequence[str],
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> list[OperatingPoint]:
    """`fp_per_image=x`: the best sensitivity at no more than x false positives per frame, at the
    highest threshold that buys it.

    A point that these frames cannot resolve (x = 0.01 needs a hundred) has threshold None and a
    reason. Thresholds lie midway between neighbouring scores, so that the last digit of a score,
    which differs between processors, decides nothing.
    """
    found = []
    for name in points:
        rate = _parsed(name)
        reason, threshold = _unresolved(rate, measures), None
        if reason is None:
            threshold = _threshold(rate, measures)
            reason = f"no threshold finds a lesion at {rate:g} false positives per frame"
        if threshold is None:
            found.append(OperatingPoint(name, None, reason=reason))
        else:
            found.append(at_threshold(measures, threshold, name, n, seed))
    return found


def at_threshold(
    measures: Sequence[Measure],
    threshold: float,
    name: str = "threshold",
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> OperatingPoint:
    """What a threshold buys on these frames (also on a test part, where it was not found).

    `low` and `high` bound the sensitivity: 95 %, bootstrap over subjects at the fixed threshold.
    """

    def rates(rows: Sequence[Measure], weights: Floats) -> dict[str, Floats]:
        return sensitivity_at_threshold(rows, weights, threshold)

    found = stats.intervals(measures, rates, n, seed)
    sensitivity = found["sensitivity"]
    return OperatingPoint(
        name=name,
        threshold=threshold,
        sensitivity=sensitivity.value,
        low=sensitivity.low,
        high=sensitivity.high,
        fp_per_image=found[PREFIX].value,
    )


def _parsed(name: str) -> float:
    kind, _, number = name.partition("=")
    try:
        rate = float(number)
    except ValueError:
        rate = np.nan
    if kind != PREFIX or not 0 < rate < np.inf:
        raise UnknownPointError(f"operating point {name!r}: use {PREFIX}=x with 0 < x")
    return rate


def _unresolved(rate: float, measures: Sequence[Measure]) -> str | None:
    """Why these frames cannot settle the point: one false positive must be allowed on them."""
    frames, lesions = len(measures), sum(row.truth for row in measures)
    if lesions == 0:
        return "validation has no lesion, so no sensitivity is known"
    if rate * frames >= 1 - ROUNDING:
        return None
    return (
        f"validation has {frames} frames: {rate:g} false positives per frame is less than one on "
        f"all of them and needs at least {int(np.ceil(1 / rate - ROUNDING))}"
    )


def _threshold(rate: float, measures: Sequence[Measure]) -> float | None:
    """Midway between the lowest score that is let through and the next; None = none finds any."""
    found = events(measures)
    line = curve(found, measures, np.ones((1, len(measures))))
    hits = line.hits[0][line.fp_per_image[0] <= rate + ROUNDING]
    if hits.max(initial=0.0) == 0:
        return None
    row = int(np.argmax(hits))  # the first of equal ones: the highest threshold
    levels = found.score[found.last]
    above = float(levels[row])
    below = float(levels[row + 1]) if row + 1 < len(levels) else 0.0
    middle = (above + below) / 2
    return middle if below < middle else above
