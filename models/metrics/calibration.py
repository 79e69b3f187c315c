"""Calibration: one temperature for the logits, and how far scores are from frequencies (Guo 2017).

Fitted on validation at its true prevalence: stratified training makes raw scores too high for the
rare class, and a score that is shown to a person must mean what it says.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped] # no types

Floats = NDArray[np.float64]
Truth = NDArray[np.int64]

TEMPERATURES = (0.05, 20.0)  # the search; beyond it the scores are constant or all but certain
BINS = 15


def temperature(logits: Floats, truth: Truth, case: NDArray[np.int64] | None = None) -> float:
    """The divisor of the logits under which the truth is most likely; 1 where nothing is known.

    logits [patches, classes]; truth [cases]; case [patches] gives each patch's index into truth
    (omitted: one patch per case). A case's score is the mean over its patches' softmax, and it is
    that mean whose likelihood counts, as it is what is reported.
    """
    logits = np.asarray(logits, dtype=np.float64)
    case = np.arange(len(truth)) if case is None else case
    if len(truth) == 0 or len(np.unique(truth)) < 2:
        return 1.0
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        lambda log_t: _loss(logits / np.exp(log_t), truth, case),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def _log_softmax(logits: Floats) -> Floats:
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def _loss(logits: Floats, truth: Truth, case: NDArray[np.int64]) -> float:
    """Mean negative log likelihood of cases whose score is the mean over their patches."""
    of_truth = _log_softmax(logits)[np.arange(len(logits)), truth[case]]
    order = np.argsort(case, kind="stable")
    groups = np.split(of_truth[order], np.cumsum(np.bincount(case, minlength=len(truth)))[:-1])
    mean = [np.logaddexp.reduce(group) - np.log(len(group)) for group in groups if len(group)]
    return -float(np.mean(mean))


def apply(scores: Sequence[Floats] | Floats, divisor: float) -> Floats:
    """Probabilities [n, classes] at another temperature: softmax(log p / divisor).

    Right for single patches; for a mean over patches the temperature belongs before the mean.
    """
    logs = np.log(np.clip(np.asarray(scores, dtype=np.float64), 1e-300, None)) / divisor
    return np.asarray(np.exp(_log_softmax(logs)))


def ece(truth: Truth, scores: Floats, bins: int = BINS) -> float:
    """Expected calibration error: |accuracy - confidence| of the top class, by bins of confidence.

    Bins are equal in width, closed above, and weighted by the cases they hold; 0 = calibrated.
    """
    confidence = scores.max(axis=1)
    right = scores.argmax(axis=1) == truth
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def brier(truth: Truth, scores: Floats) -> float:
    """Mean over cases of the squared distance to the truth, summed over classes: 0 to 2."""
    wanted = np.eye(scores.shape[1])[truth]
    return float(((scores - wanted) ** 2).sum(axis=1).mean())


def reliability(truth: Truth, scores: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Rows of a reliability diagram: mean confidence, accuracy and cases of each bin in use."""
    confidence = scores.max(axis=1)
    right = scores.argmax(axis=1) == truth
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        {
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(right[index == k].mean()),
            "cases": float((index == k).sum()),
        }
        for k in np.unique(index)
    ]
