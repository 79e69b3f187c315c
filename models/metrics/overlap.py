"""Overlap of label maps: Dice and intersection over union by class and case, also resampled.

A case's row (`Measure.scores`, [3 K] for K classes) holds pixel counts at the case's own
resolution, class by class: intersection, predicted, truth. Pixels that nobody spoke for (UNKNOWN)
are in none of them. `Measure.truth` is the number of classes that the truth shows.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Mask
from models.findings import Labels, Measure, Scores

Floats = NDArray[np.float64]
Kind = Literal["dice", "iou"]
KINDS: tuple[Kind, ...] = ("dice", "iou")
COUNTS = 3  # intersection, predicted, truth


def counts(predicted: Mask, truth: Mask, classes: int) -> Floats:
    """[classes, 3] of intersection, predicted and truth in pixels, UNKNOWN ones left out.

    `truth` holds 0 to `classes` and UNKNOWN, `predicted` 0 to `classes`.
    """
    columns = classes + 1
    pairs = truth.astype(np.int32) * columns + predicted
    table = np.bincount(pairs.ravel(), minlength=(UNKNOWN + 1) * columns)
    table = table.reshape(-1, columns)[:UNKNOWN]  # [truth, predicted]
    shared, said, meant = np.diagonal(table), table.sum(axis=0), table.sum(axis=1)[:columns]
    return np.stack([shared, said, meant], axis=1)[1:].astype(np.float64)


def overlaps(pixels: Floats, kind: Kind) -> Floats:
    """Dice or IoU of counts [..., 3]; NaN where neither truth nor prediction shows the class,
    0 where only the prediction does.
    """
    shared, said, meant = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    part, whole = (2 * shared, said + meant) if kind == "dice" else (shared, said + meant - shared)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """For each row of `weights` [b, n] the mean of `values` [n], the undefined left out; NaN
    where none is defined.
    """
    defined = ~np.isnan(values)
    total = weights @ np.where(defined, values, 0.0)
    whole = weights @ defined.astype(np.float64)
    return np.asarray(np.divide(total, whole, out=np.full(len(total), np.nan), where=whole > 0))


def values(measures: Sequence[Measure], labels: Labels, weights: Floats) -> dict[str, Floats]:
    """Every value for every row of `weights` [b, n] (how often a resample holds a case).

    dice_<class>, iou_<class>  mean over the cases that show the class or were said to
    dice, iou                  mean over the classes that are defined
    NaN where a resample does not determine the value.
    """
    names = labels.names
    pixels = np.reshape([row.scores for row in measures], (len(measures), len(names), COUNTS))
    means: dict[str, Floats] = {}
    by_class: dict[str, Floats] = {}
    for kind in KINDS:
        cases = overlaps(pixels, kind)  # [n, classes]
        rows = [weighted_mean(cases[:, k], weights) for k in range(len(names))]
        means[kind] = _mean_defined(np.stack(rows))
        by_class |= {f"{kind}_{name}": row for name, row in zip(names, rows, strict=True)}
    return {**means, **by_class}


def _mean_defined(rows: Floats) -> Floats:
    """The mean over the classes [k, b] -> [b], the undefined left out."""
    defined = ~np.isnan(rows)
    whole = defined.sum(axis=0).astype(np.float64)
    total = np.where(defined, rows, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def score(measures: Sequence[Measure], labels: Labels) -> Scores:
    """The values of these cases, headline first; a label map has no curve."""
    if not measures:
        return Scores({"dice": None}, {})
    found = values(measures, labels, np.ones((1, len(measures))))
    known = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}
    return Scores(known, {})


def rows(measure: Measure, labels: Labels) -> list[dict[str, object]]:
    """A line for each class: its pixels shared, predicted and true."""
    pixels = measure.scores.reshape(len(labels.names), COUNTS).astype(int).tolist()
    return [
        {"class": name, "intersection_px": shared, "predicted_px": said, "truth_px": meant}
        for name, (shared, said, meant) in zip(labels.names, pixels, strict=True)
    ]
