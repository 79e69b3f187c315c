"""Detection in volumes measured: sensitivity per embolus against false positives per volume.

Hit rule (paper 1.3): a candidate hits the embolus whose voxels its centre lies in. Of several on
one embolus the best hits; the others are neither hits nor false positives. A candidate where
nobody said what is there is neither as well. The events and their curve are those of
models/metrics/froc.py, a case being a volume.

`Measure.marks` has one row for each candidate: MARKS. `Measure.scores` is the best candidate's
score alone, `Measure.truth` the number of emboli.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models import stats
from models.findings import Labels, Measure, OperatingPoint, Scores
from models.metrics import froc, froc_points
from models.metrics.roc import roc, weighted_auc

Floats = NDArray[np.float64]

# score; index of the embolus that the centre lies in, froc.NO_LESION or froc.IGNORED; the centre
# in voxels; the diameter
MARKS = ("score", "embolus", "z", "y", "x", "diameter_mm")
RATES = (1, 2, 3, 4, 5)  # false positives per volume at which sensitivity is told
VOLUMES = froc_points.Price("fp_per_volume", "volume", "embolus")


def values(
    measures: Sequence[Measure],
    labels: Labels,  # noqa: ARG001 - one kind of thing is looked for
    weights: Floats,
) -> dict[str, Floats]:
    """Every value for every row of `weights` [b, n] (how often a resample holds a volume).

    froc                mean of the sensitivities per embolus at 1, 2, 3, 4 and 5 false positives
                        per volume
    sensitivity_at_<x>  the best sensitivity at no more than x false positives per volume
    volume_auc          best score of volumes with an embolus against those without
    NaN where a resample does not determine the value.
    """
    found = froc.events(measures)
    truth, best = froc.case_truth(measures)
    emboli = np.array([row.truth for row in measures], dtype=np.float64)

    def of(rows: Floats) -> dict[str, Floats]:
        curve = froc.curve(found, measures, rows)
        known = rows @ emboli > 0
        told = [np.where(known, froc.sensitivity_at(curve, rate), np.nan) for rate in RATES]
        return {
            "froc": np.mean(told, axis=0),
            **{f"sensitivity_at_{rate}": at for rate, at in zip(RATES, told, strict=True)},
            "volume_auc": weighted_auc(truth, best, rows),
        }

    return froc.in_blocks(of, weights, len(found.score))


def score(measures: Sequence[Measure], labels: Labels) -> Scores:
    """The values of these volumes, headline first; the curves froc and roc where defined."""
    if not measures:
        return Scores({"froc": None}, {})
    whole = np.ones((1, len(measures)))
    found = values(measures, labels, whole)
    known = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}
    truth, best = froc.case_truth(measures)
    curves = {}
    if truth.any():
        line = froc.curve(froc.events(measures), measures, whole)
        steps = np.column_stack([line.fp_per_case[0], line.sensitivity[0]])
        curves["froc"] = np.vstack([np.zeros((1, 2)), steps])
        if not truth.all():
            curves["roc"] = roc(truth, best)
    return Scores(known, curves)


def rows(measure: Measure, labels: Labels) -> list[dict[str, object]]:  # noqa: ARG001 - one class
    """A line for each candidate, best first, the volume's number of emboli repeated; a volume
    without a candidate has a line too. `embolus` is the one hit, 0 the first: -1 none, -2 where
    nobody said what is there.
    """
    volume: dict[str, object] = {"emboli": measure.truth}
    found = froc.ranked(measure)
    if not len(found):
        return [{**volume, **dict.fromkeys(MARKS, "")}]
    return [
        {**volume, **{name: float(x) for name, x in zip(MARKS, mark, strict=False)}}
        | {"embolus": int(mark[1])}
        for mark in found
    ]


def operating_points(
    measures: Sequence[Measure],
    labels: Labels,
    points: Sequence[str],
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> list[OperatingPoint]:
    """`fp_per_volume=x`: see models/metrics/froc_points.py."""
    return froc_points.operating_points(measures, labels, points, n, seed, VOLUMES)


def at_threshold(
    measures: Sequence[Measure],
    threshold: float,
    name: str = "threshold",
    n: int = stats.RESAMPLES,
    seed: int = 0,
) -> OperatingPoint:
    """What a threshold buys on these volumes (also on a test part, where it was not found)."""
    return froc_points.at_threshold(measures, threshold, name, n, seed, VOLUMES)
