"""Detection measured: FROC, average precision, frame ROC and Dice, also for many resamples.

Hit rule: a candidate hits the lesion whose mask (or box, where boxes are all there is) its
centroid lies in. Of several on one lesion the best hits; the others are neither hits nor false
positives. A candidate on pixels that nobody spoke for is neither as well.

`Measure.marks` has one row for each candidate: MARKS, then whatever features the task keeps.
`Measure.scores` has one number for each of FRAME, `Measure.truth` is the number of lesions.

Events and their curve are those of volumes too (models/metrics/froc_volumes.py): only the first
two columns of the marks take part in them, and a case is a frame or a volume.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Labels, Measure, Scores
from models.metrics.overlap import KINDS, Kind, overlaps, weighted_mean
from models.metrics.roc import roc, weighted_auc

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# score; index of the lesion the centroid lies in, NO_LESION or IGNORED; IoU of the box with the
# box it overlaps most, and that lesion's index or NO_LESION
MARKS = ("score", "lesion", "iou", "lesion_of_box")
# pixel counts of the label map, all 0 where the truth is boxes alone; the best candidate's score
FRAME = ("intersection_px", "predicted_px", "truth_px", "score")
NO_LESION, IGNORED = -1, -2

IOU = 0.5  # from which a box is the lesion's, for the average precision
SPAN = (0.1, 1.0)  # false positives per frame between which the headline averages
RATES = (0.01, 0.1, 1.0)  # false positives per frame at which sensitivity is told
ROUNDING = 1e-9
HELD = 2_000_000  # resamples times candidates at once: a dozen arrays of so many are in use
_NONE = np.empty((0, len(MARKS)))


@dataclass(frozen=True)
class Events:
    """All candidates that count, best first; `last` marks the last one of each tied score.

    case [n] index of the frame or volume, score [n], hit [n] whether it found a lesion.
    """

    case: Integers
    score: Floats
    hit: NDArray[np.bool_]

    @property
    def last(self) -> Integers:
        ends = np.append(self.score[1:] != self.score[:-1], True)
        return np.flatnonzero(ends[: len(self.score)])


def events(measures: Sequence[Measure]) -> Events:
    """Hits and false positives by the centroid rule."""
    rows = [_counted(row) for row in measures]
    return _sorted(measures, [(marks[:, 0], marks[:, 1] >= 0) for marks in rows])


def box_events(measures: Sequence[Measure]) -> Events:
    """Hits and false positives by box: a box whose lesion a better one has taken is false."""
    return _sorted(measures, [_by_box(row) for row in measures])


def _sorted(
    measures: Sequence[Measure], counted: Sequence[tuple[Floats, NDArray[np.bool_]]]
) -> Events:
    case = np.repeat(np.arange(len(measures)), [len(score) for score, _ in counted])
    score = np.concatenate([np.empty(0), *(score for score, _ in counted)])
    hit = np.concatenate([np.empty(0), *(hit for _, hit in counted)]).astype(bool)
    order = np.argsort(-score, kind="stable")
    return Events(case[order], score[order], hit[order])


def ranked(row: Measure) -> Floats:
    """The marks, best first."""
    marks = row.marks if len(row.marks) else _NONE
    return np.asarray(marks[np.argsort(-marks[:, 0], kind="stable")])


def _counted(row: Measure) -> Floats:
    """The marks of hits and false positives, best first, by the centroid rule."""
    marks = ranked(row)
    lesion = marks[:, 1]
    return np.asarray(marks[_first(lesion) | (lesion == NO_LESION)])


def _first(lesion: Floats) -> NDArray[np.bool_]:
    """Which rows are the first of their lesion."""
    found = np.zeros(len(lesion), dtype=bool)
    found[np.unique(lesion, return_index=True)[1]] = True
    return found & (lesion >= 0)


def outcomes(measures: Sequence[Measure]) -> tuple[Floats, NDArray[np.bool_]]:
    """Of all candidates that count: the features kept beside MARKS [n, k], and whether they hit."""
    rows = np.concatenate([_counted(row) for row in measures if len(row.marks)] or [_NONE])
    return np.asarray(rows[:, len(MARKS) :]), np.asarray(rows[:, 1] >= 0)


def _by_box(row: Measure) -> tuple[Floats, NDArray[np.bool_]]:
    marks = ranked(row)
    lesion = np.where(marks[:, 2] >= IOU, marks[:, 3], NO_LESION)
    hit = _first(lesion)
    kept = hit | (marks[:, 1] != IGNORED)
    return marks[kept, 0], hit[kept]


@dataclass(frozen=True)
class Curve:
    """Every threshold of every resample: sensitivity [b, t], false positives per case [b, t],
    hits and false positives as counts [b, t]; a column for each distinct score, highest first.
    """

    sensitivity: Floats
    fp_per_case: Floats
    hits: Floats
    alarms: Floats


def curve(found: Events, measures: Sequence[Measure], weights: Floats) -> Curve:
    """`weights` [b, n] is how often a resample holds a case; sensitivity NaN without lesions."""
    lesions = weights @ np.array([row.truth for row in measures], dtype=np.float64)
    drawn, last = weights[:, found.case], found.last
    hits = np.cumsum(drawn * found.hit, axis=1)[:, last]
    alarms = np.cumsum(drawn * ~found.hit, axis=1)[:, last]
    return Curve(_over(hits, lesions), _over(alarms, weights.sum(axis=1)), hits, alarms)


def _over(parts: Floats, whole: Floats) -> Floats:
    """[b, t] / [b], NaN where the whole is 0."""
    wide = np.broadcast_to(whole[:, None], parts.shape)
    return np.asarray(np.divide(parts, wide, out=np.full(parts.shape, np.nan), where=wide > 0))


def sensitivity_at(found: Curve, rate: float) -> Floats:
    """[b]: the best sensitivity at no more than `rate` false positives per case, 0 with none."""
    allowed = found.fp_per_case <= rate + ROUNDING
    best = np.where(allowed, found.sensitivity, 0.0)
    return np.asarray(best.max(axis=1, initial=0.0))


def mean_sensitivity(found: Curve, span: tuple[float, float] = SPAN) -> Floats:
    """[b]: the mean height of the step curve over the logarithm of false positives per frame.

    From each threshold's false positives to the next one's the curve is as high as that
    threshold's sensitivity; before the first it is 0, after the last it stays.
    """
    low, high = np.log(span)
    rows = len(found.fp_per_case)
    ends = np.column_stack([found.fp_per_case, np.full(rows, np.inf)])
    at = np.clip(np.log(np.maximum(ends, 1e-300)), low, high)
    mean = (found.sensitivity * np.diff(at, axis=1)).sum(axis=1) / (high - low)
    return np.asarray(np.minimum(mean, 1.0))  # or the last bit of a logarithm would make it more


def average_precision(found: Curve) -> Floats:
    """[b]: the area under precision over recall, each precision the best at that recall or more
    (all-point interpolation); 0 where nothing was found.
    """
    total = found.hits + found.alarms
    precision = np.divide(found.hits, total, out=np.zeros_like(total), where=total > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = np.column_stack([np.zeros(len(total)), found.sensitivity])
    return np.asarray(np.minimum((np.diff(recall, axis=1) * best).sum(axis=1), 1.0))


def sensitivity_at_threshold(
    measures: Sequence[Measure], weights: Floats, threshold: float
) -> dict[str, Floats]:
    """What candidates at or above a threshold buy: sensitivity and fp_per_case, each [b]."""
    found = events(measures)
    kept = found.score >= threshold
    lesions = weights @ np.array([row.truth for row in measures], dtype=np.float64)
    hits, alarms = (
        weights @ np.bincount(found.case[kept & part], minlength=len(measures)).astype(np.float64)
        for part in (found.hit, ~found.hit)
    )
    return {
        "sensitivity": _over(hits[:, None], lesions)[:, 0],
        "fp_per_case": _over(alarms[:, None], weights.sum(axis=1))[:, 0],
    }


def case_truth(measures: Sequence[Measure]) -> tuple[NDArray[np.bool_], Floats]:
    """Whether each case has a lesion [n], and its best candidate's score [n], its last number."""
    truth = np.array([row.truth > 0 for row in measures], dtype=bool)
    return truth, np.array([row.scores[-1] for row in measures])


def in_blocks(
    compute: Callable[[Floats], dict[str, Floats]], weights: Floats, candidates: int
) -> dict[str, Floats]:
    """`compute` of all rows of `weights` [b, n], so many at a time as memory holds."""
    block = max(1, HELD // max(1, candidates))
    parts = [compute(weights[start : start + block]) for start in range(0, len(weights), block)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def values(
    measures: Sequence[Measure],
    labels: Labels,  # noqa: ARG001 - one kind of thing is looked for
    weights: Floats,
) -> dict[str, Floats]:
    """Every value for every row of `weights` [b, n] (how often a resample holds a frame).

    froc                mean sensitivity per lesion, over the logarithm of 0.1 to 1 false
                        positives per frame
    sensitivity_at_<x>  at x false positives per frame; NaN where x is less than one of these frames
    ap50                average precision at box IoU 0.5
    dice, iou           mean over the frames whose mask shows a lesion
    frame_auc           best score of frames with a lesion against those without
    NaN where a resample does not determine the value.
    """
    found = events(measures), box_events(measures)
    return in_blocks(
        lambda rows: _values(measures, *found, rows),
        weights,
        max(len(of.score) for of in found),
    )


def _values(
    measures: Sequence[Measure], by_centroid: Events, by_box: Events, weights: Floats
) -> dict[str, Floats]:
    lesions = weights @ np.array([row.truth for row in measures], dtype=np.float64)
    found = curve(by_centroid, measures, weights)
    boxes = curve(by_box, measures, weights)
    truth, score = case_truth(measures)
    rows = {"froc": mean_sensitivity(found)}
    for rate in RATES:
        resolved = rate * len(measures) >= 1 - ROUNDING
        value = sensitivity_at(found, rate) if resolved else np.full(len(weights), np.nan)
        rows[f"sensitivity_at_{rate:g}"] = value
    rows["ap50"] = average_precision(boxes)
    return {
        **{name: np.where(lesions > 0, value, np.nan) for name, value in rows.items()},
        **{kind: weighted_mean(_overlap(measures, kind), weights) for kind in KINDS},
        "frame_auc": weighted_auc(truth, score, weights),
    }


def _overlap(measures: Sequence[Measure], kind: Kind) -> Floats:
    """[n]; NaN for frames whose mask shows no lesion, or that have boxes alone."""
    pixels = np.array([row.scores[:3] for row in measures])
    return np.where(pixels[:, 2] > 0, overlaps(pixels, kind), np.nan)


def score(measures: Sequence[Measure], labels: Labels) -> Scores:
    """The values of these frames, headline first; the curves froc, pr and roc where defined."""
    if not measures:
        return Scores({"froc": None}, {})
    whole = np.ones((1, len(measures)))
    found = values(measures, labels, whole)
    known = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}
    curves = {}
    if any(row.truth for row in measures):
        points = curve(events(measures), measures, whole)
        start = np.zeros((1, 2))
        steps = np.column_stack([points.fp_per_case[0], points.sensitivity[0]])
        boxes = curve(box_events(measures), measures, whole)
        precision = boxes.hits[0] / (boxes.hits[0] + boxes.alarms[0])
        curves["froc"] = np.vstack([start, steps])
        curves["pr"] = np.column_stack([boxes.sensitivity[0], precision])
    truth, best = case_truth(measures)
    if truth.any() and not truth.all():
        curves["roc"] = roc(truth, best)
    return Scores(known, curves)


def rows(measure: Measure, labels: Labels) -> list[dict[str, object]]:  # noqa: ARG001 - one class
    """A line for each candidate, best first, its frame's numbers repeated; a frame without one
    has a line too. `lesion` is the one hit: -1 none, -2 where nobody said what is there.
    """
    frame: dict[str, object] = {"lesions": measure.truth}
    frame |= {name: int(px) for name, px in zip(FRAME[:-1], measure.scores[:-1], strict=True)}
    found = ranked(measure)[:, : len(MARKS) - 1]
    if not len(found):
        return [{**frame, "score": "", "lesion": "", "iou": ""}]
    return [
        {**frame, "score": float(score), "lesion": int(lesion), "iou": float(iou)}
        for score, lesion, iou in found
    ]
