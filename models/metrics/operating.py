"""Operating points: thresholds found on validation, and what they buy (paper 1.4)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models import stats
from models.findings import Labels, Measure, OperatingPoint
from models.metrics.classes import arrays, positive_of
from models.metrics.roc import roc_points

Floats = NDArray[np.float64]
ROUNDING = 1e-9


class UnknownPointError(ValueError):
    """A point's name is not one of fpr=…, sensitivity=…, youden."""


def operating_points(
    measures: Sequence[Measure],
    labels: Labels,
    points: Sequence[str],
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> list[OperatingPoint]:
    """The named points of a two-class task with a positive class; [] for any other.

    fpr=x          the most sensitive threshold whose false positive rate is at most x; of several
                   that find as much, the highest: specificity is not given away for nothing
    sensitivity=x  the most specific threshold whose sensitivity is at least x
    youden         the threshold with the largest sensitivity + specificity - 1
    A point that the cases cannot resolve (x = 0.1 needs ten negatives) has threshold None and a
    reason. Thresholds lie midway between neighbouring scores, so that the last digit of a score,
    which differs between processors, decides nothing.
    """
    positive = positive_of(labels)
    if positive is None:
        return []
    truth, scores = arrays(measures) if measures else (np.empty(0, np.int64), np.empty((0, 2)))
    is_positive, score = truth == positive, scores[:, positive]
    found = []
    for name in points:
        reason, threshold = _unresolved(name, is_positive), None
        if reason is None:
            threshold = _threshold(name, is_positive, score)
            reason = "no threshold does better than to call every case negative"
        if threshold is None:
            found.append(OperatingPoint(name, None, reason=reason))
        else:
            found.append(at_threshold(measures, labels, threshold, name, n, seed))
    return found


def no_points(
    measures: Sequence[Measure],  # noqa: ARG001 - no threshold is found on them
    labels: Labels,  # noqa: ARG001 - nor for them
    points: Sequence[str],  # noqa: ARG001 - none is asked for
) -> list[OperatingPoint]:
    """Of a task whose answer has no threshold to choose, such as a label map or a line."""
    return []


def at_threshold(
    measures: Sequence[Measure],
    labels: Labels,
    threshold: float,
    name: str = "threshold",
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> OperatingPoint:
    """What a threshold buys on these cases (also on a test part, where it was not found).

    `low` and `high` bound the sensitivity: 95 %, bootstrap over subjects at the fixed threshold.
    """
    positive = positive_of(labels)
    if positive is None:
        raise ValueError("an operating point needs two classes, one of them named positive")

    def rates(rows: Sequence[Measure], weights: Floats) -> dict[str, Floats]:
        truth, scores = arrays(rows)
        called = scores[:, positive] >= threshold
        return {
            "sensitivity": _share(weights, truth == positive, called),
            "specificity": _share(weights, truth != positive, ~called),
        }

    found = stats.intervals(measures, rates, n, seed)
    sensitivity, specificity = found["sensitivity"], found["specificity"]
    return OperatingPoint(
        name=name,
        threshold=threshold,
        sensitivity=sensitivity.value,
        specificity=specificity.value,
        low=sensitivity.low,
        high=sensitivity.high,
    )


def _share(weights: Floats, among: NDArray[np.bool_], called: NDArray[np.bool_]) -> Floats:
    whole = weights @ among.astype(np.float64)
    part = weights @ (among & called).astype(np.float64)
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _parsed(name: str) -> tuple[str, float]:
    kind, _, number = name.partition("=")
    if name == "youden":
        return name, 0.0
    try:
        rate = float(number)
    except ValueError:
        rate = np.nan
    if kind not in ("fpr", "sensitivity") or not 0 < rate < 1:
        raise UnknownPointError(
            f"operating point {name!r}: use fpr=x or sensitivity=x with 0 < x < 1, or youden"
        )
    return kind, rate


def _unresolved(name: str, is_positive: NDArray[np.bool_]) -> str | None:
    """Why these cases cannot settle the point: one case must weigh no more than what is allowed."""
    kind, rate = _parsed(name)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if positives == 0 or negatives == 0:
        return (
            f"validation has {positives} positive and {negatives} negative cases: both are needed"
        )
    if kind == "fpr":
        return _too_few(rate, negatives, "negative")
    if kind == "sensitivity":
        return _too_few(1 - rate, positives, "positive")
    return None


def _too_few(allowed: float, cases: int, kind: str) -> str | None:
    if allowed * cases >= 1 - ROUNDING:
        return None
    return (
        f"validation has {cases} {kind} cases: a rate of {allowed:.4g} is less than one of them "
        f"and needs at least {int(np.ceil(1 / allowed - ROUNDING))}"
    )


def _threshold(name: str, is_positive: NDArray[np.bool_], score: Floats) -> float | None:
    """Midway between the lowest score called positive and the next; None = none is called so."""
    kind, rate = _parsed(name)
    points = roc_points(is_positive, score)
    if points is None:
        return None
    alarms, hits, lowest = points.T
    if kind == "fpr":  # of the rows that find as much, the one with the fewest alarms
        row = int(np.argmax(np.where(alarms <= rate + ROUNDING, hits, -1.0)))
    elif kind == "sensitivity":
        row = int(np.flatnonzero(hits >= rate - ROUNDING)[0])
    else:
        row = int(np.argmax(hits - alarms))
    if row == 0 or hits[row] == 0:
        return None
    above = float(lowest[row])
    below = float(lowest[row + 1]) if row + 1 < len(lowest) else 0.0
    middle = (above + below) / 2
    return middle if below < middle else above
