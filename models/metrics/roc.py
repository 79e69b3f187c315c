"""ROC curves and the area under them, ties counted half, by hand and for many resamples at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


def auc(truth: Truth, score: Floats) -> float | None:
    """The chance that a positive scores above a negative, ties half; None with one class only."""
    value = float(weighted_auc(truth, score, np.ones((1, len(truth))))[0])
    return None if np.isnan(value) else value


def weighted_auc(truth: Truth, score: Floats, weights: Floats) -> Floats:
    """The AUC of each row of `weights` [b, n] (how often a resample holds a case); NaN undefined.

    Cases are sorted once; each group of equal scores counts the negatives below it and half of
    those within it, so b resamples cost two cumulative sums instead of b sorts.
    """
    if len(truth) == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    sorted_score = score[order]
    starts = np.flatnonzero(np.r_[True, sorted_score[1:] != sorted_score[:-1]])
    drawn, positive = weights[:, order], truth[order]
    negatives = np.add.reduceat(drawn * ~positive, starts, axis=1)  # [b, groups]
    positives = np.add.reduceat(drawn * positive, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    won = (positives * below).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))


def macro_auc(truth: NDArray[np.int64], scores: Floats) -> float | None:
    """Mean over classes of one class against the rest; None unless every class and a rest occur."""
    values = [auc(truth == k, scores[:, k]) for k in range(scores.shape[1])]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def roc(truth: Truth, score: Floats) -> Floats:
    """The curve as [n, 2] of (false positive rate, sensitivity), from (0, 0) to (1, 1).

    One point for each distinct score, highest first; empty when one class is missing.
    """
    rates = roc_points(truth, score)
    return np.empty((0, 2)) if rates is None else rates[:, :2]


def roc_points(truth: Truth, score: Floats) -> Floats | None:
    """[n, 3] of (false positive rate, sensitivity, lowest score called positive), fpr ascending."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if positives == 0 or negatives == 0:
        return None
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    last = np.flatnonzero(np.r_[sorted_score[1:] != sorted_score[:-1], True])  # of each tie
    hits = np.cumsum(truth[order])[last] / positives
    alarms = np.cumsum(~truth[order])[last] / negatives
    return np.vstack([[0.0, 0.0, np.inf], np.column_stack([alarms, hits, sorted_score[last]])])


def at_fpr(truth: Truth, score: Floats, fpr: float) -> float | None:
    """The best sensitivity at a false positive rate of at most `fpr`; None with one class only."""
    points = roc_points(truth, score)
    return None if points is None else float(points[points[:, 0] <= fpr + 1e-12, 1].max())
