"""What all class tasks share: patches to a case's scores, scores to a label, and their values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.case import Case, Roi
from models.findings import ClassFinding, Labels, Measure, OperatingPoint, Scores
from models.metrics.roc import roc, weighted_auc

Floats = NDArray[np.float64]


def pooled(outputs: NDArray[np.float32]) -> Floats:
    """The case's class probabilities: the mean over its patches' probabilities (paper 1.4).

    `outputs` is [patches, classes], each row summing to one as far as float32 goes.
    """
    mean = np.asarray(outputs, dtype=np.float64).mean(axis=0)
    return np.asarray(mean / mean.sum())


def decide(
    case: Case,  # noqa: ARG001 - neither what the case is
    rois: Sequence[Roi],  # noqa: ARG001 - nor where its patches were matters to a class
    outputs: NDArray[np.float32],
    labels: Labels,
    point: OperatingPoint | None,
) -> ClassFinding:
    """The most probable class; with a positive class and a threshold, positive from it upwards."""
    scores = pooled(outputs)
    chosen = int(np.argmax(scores))
    positive = positive_of(labels)
    if positive is not None and point is not None and point.threshold is not None:
        chosen = positive if scores[positive] >= point.threshold else 1 - positive
    named = {name: float(value) for name, value in zip(labels.names, scores, strict=True)}
    return ClassFinding(labels.names[chosen], float(scores[chosen]), named)


def measure(
    case: Case,
    rois: Sequence[Roi],  # noqa: ARG001 - as above
    outputs: NDArray[np.float32],
    labels: Labels,
) -> Measure:
    """The case's row for metrics. Raises ValueError for a case without a known label."""
    if case.label not in labels.names:
        raise ValueError(
            f"case {case.case_id}: label {case.label!r} is none of {', '.join(labels.names)}; "
            "only labelled cases can be measured"
        )
    return Measure(case.case_id, case.subject, labels.names.index(case.label), pooled(outputs))


def positive_of(labels: Labels) -> int | None:
    """The index of the positive class, where there are two classes and one was named."""
    return labels.positive_index if len(labels.names) == 2 else None


def arrays(measures: Sequence[Measure]) -> tuple[NDArray[np.int64], Floats]:
    """truth [n] and scores [n, classes] of the measures."""
    truth = np.array([row.truth for row in measures], dtype=np.int64)
    return truth, np.array([row.scores for row in measures], dtype=np.float64)


def values(measures: Sequence[Measure], labels: Labels, weights: Floats) -> dict[str, Floats]:
    """Every value for every row of `weights` [b, n] (how often a resample holds a case).

    auc                macro mean of one class against the rest; of the positive class if two
    accuracy           of the most probable class
    balanced_accuracy  mean over classes of their recall
    auc_<class>        of each class against the rest, where there are more than two
    NaN where a resample does not determine the value.
    """
    truth, scores = arrays(measures)
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    held = [(weights * (truth == k)).sum(axis=1) for k in range(len(labels.names))]
    recall = [_ratio(weights @ (right * (truth == k)), total) for k, total in enumerate(held)]
    found = {
        "accuracy": _ratio(weights @ right, weights.sum(axis=1)),
        "balanced_accuracy": np.mean(recall, axis=0),
    }
    if len(labels.names) == 2:
        index = positive_of(labels)
        index = 1 if index is None else index
        return {"auc": weighted_auc(truth == index, scores[:, index], weights), **found}
    areas = {
        f"auc_{name}": weighted_auc(truth == k, scores[:, k], weights)
        for k, name in enumerate(labels.names)
    }
    return {"auc": np.mean(list(areas.values()), axis=0), **found, **areas}


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def score(measures: Sequence[Measure], labels: Labels) -> Scores:
    """The values of these cases, headline first, and the ROC of the positive or each class."""
    if not measures:
        return Scores({"auc": None}, {})
    found = values(measures, labels, np.ones((1, len(measures))))
    truth, scores = arrays(measures)
    indices = range(len(labels.names))
    if len(labels.names) == 2:
        positive = positive_of(labels)
        indices = range(1, 2) if positive is None else range(positive, positive + 1)
    curves = {f"roc_{labels.names[k]}": roc(truth == k, scores[:, k]) for k in indices}
    known = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}
    return Scores(known, curves)


def rows(measure: Measure, labels: Labels) -> list[dict[str, object]]:
    """One line: the true class, and the score of every class."""
    scores = {
        f"score_{name}": float(score)
        for name, score in zip(labels.names, measure.scores, strict=True)
    }
    return [{"truth": labels.names[measure.truth], **scores}]
