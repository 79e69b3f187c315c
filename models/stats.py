"""Uncertainty of a metric: the bootstrap over subjects, for one run and for pairs of runs.

Whole subjects are drawn with replacement, as cases of one subject are not independent. With fewer
than eight subjects there are too few distinct draws: then the cases within each drawn subject are
resampled as well, and the result carries `few_subjects`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.findings import Labels, Measure
from models.task import Task

Floats = NDArray[np.float64]
# (measures, weights [b, n]) -> [b], NaN where undefined; a weight is how often a case was drawn
Value = Callable[[Sequence[Measure], Floats], Floats]
Values = Callable[[Sequence[Measure], Floats], dict[str, Floats]]

RESAMPLES = 1000
FEW_SUBJECTS = 8
CONFIDENCE = 0.95
DEFINED_MIN = 0.5  # of the resamples: below this an interval would describe the lucky half only
BLOCK = 2_000_000  # weights held at once


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval; None where the cases do not determine it."""

    value: float | None
    low: float | None
    high: float | None
    subjects: int
    cases: int
    few_subjects: bool

    def record(self) -> dict[str, Any]:
        """As in the HTTP contract; `few_subjects` is said only where it holds."""
        record: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high}
        return record | ({"few_subjects": True} if self.few_subjects else {})


@dataclass(frozen=True)
class Paired:
    """How much worse the second is than the first on the same cases: loss > 0 means worse.

    se   bootstrap standard error of the loss
    low, high   its 95 % interval
    p    two-sided: twice the smaller share of resamples on either side of no loss, ties in both
    """

    loss: float
    se: float
    low: float
    high: float
    p: float


def every(task: Task, labels: Labels) -> Values:
    """All of the task's values over resamples, at once if the task can, else one by one."""
    weighted = task.weighted
    if weighted is not None:
        return lambda measures, weights: weighted(measures, labels, weights)

    def one_by_one(measures: Sequence[Measure], weights: Floats) -> dict[str, Floats]:
        rows = [_scored(task, _repeated(measures, row), labels) for row in weights]
        return {name: np.array([row.get(name, np.nan) for row in rows]) for name in rows[0]}

    return one_by_one


def ticking(values: Values, tick: Callable[[], object]) -> Values:
    """The same values, with a tick at every block of resamples: they can take minutes."""

    def ticked(measures: Sequence[Measure], weights: Floats) -> dict[str, Floats]:
        tick()
        return values(measures, weights)

    return ticked


def _repeated(measures: Sequence[Measure], weights: Floats) -> list[Measure]:
    return [row for row, times in zip(measures, weights, strict=True) for _ in range(int(times))]


def _scored(task: Task, measures: Sequence[Measure], labels: Labels) -> dict[str, float]:
    found = task.score(measures, labels).values
    return {name: np.nan if value is None else value for name, value in found.items()}


def headline(task: Task, labels: Labels) -> Value:
    """The task's headline alone, as `interval`, `paired` and `models.choice.choose` want it."""
    values = every(task, labels)
    return lambda measures, weights: values(measures, weights)[task.headline]


def subjects_of(measures: Sequence[Measure]) -> int:
    return len({row.subject for row in measures})


def resamples(measures: Sequence[Measure], n: int, seed: int) -> Iterator[Floats]:
    """`n` bootstrap draws as blocks of weights [b, cases]; the same for the same subjects."""
    names, subject = np.unique([row.subject for row in measures], return_inverse=True)
    rng = np.random.default_rng([seed, 0xB007])
    block = max(1, BLOCK // max(1, len(measures)))
    for start in range(0, n, block):
        count = min(block, n - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
        if len(names) >= FEW_SUBJECTS:
            yield drawn[:, subject].astype(np.float64)
        else:
            yield _within(drawn, subject, rng)


def _within(drawn: NDArray[np.int64], subject: NDArray[Any], rng: np.random.Generator) -> Floats:
    """Resamples the cases of each drawn subject too: as many as it has, each time it is drawn."""
    weights = np.empty((len(drawn), len(subject)))
    for k in range(drawn.shape[1]):
        cases = np.flatnonzero(subject == k)
        share = np.full(len(cases), 1 / len(cases))
        weights[:, cases] = rng.multinomial(drawn[:, k] * len(cases), share)
    return weights


def intervals(
    measures: Sequence[Measure], values: Values, n: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """An interval for each of the values, in their order: `intervals(m, every(task, labels))`."""
    if not measures:
        return {}
    points = values(measures, np.ones((1, len(measures))))
    blocks = [values(measures, weights) for weights in resamples(measures, n, seed)]
    subjects = subjects_of(measures)
    found = {}
    for name, point in points.items():
        low, high = _bounds(np.concatenate([block[name] for block in blocks]))
        value = None if np.isnan(point[0]) else float(point[0])
        if value is None:
            low = high = None
        found[name] = Interval(value, low, high, subjects, len(measures), subjects < FEW_SUBJECTS)
    return found


def interval(
    measures: Sequence[Measure], value: Value, n: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The interval of one value: `interval(measures, headline(task, labels))`."""
    if not measures:
        return Interval(None, None, None, 0, 0, few_subjects=True)
    named = intervals(measures, lambda rows, weights: {"": value(rows, weights)}, n, seed)
    return named[""]


def _bounds(replicates: Floats) -> tuple[float | None, float | None]:
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < DEFINED_MIN * len(replicates):
        return None, None
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Replicates:
    """One run's value on all cases and on each resample; NaN where undefined."""

    point: float
    drawn: Floats


def replicates(
    runs: Mapping[str, Sequence[Measure]], value: Value, n: int = RESAMPLES, seed: int = 0
) -> dict[str, Replicates]:
    """The same resamples of the same cases for every run, which is what makes them pairs.

    Raises ValueError naming a run that was measured on other cases than the first.
    """
    if not runs:
        return {}
    ordered = {name: sorted(rows, key=lambda row: row.case_id) for name, rows in runs.items()}
    first = next(iter(ordered))
    cases = [(row.case_id, row.subject, row.truth) for row in ordered[first]]
    for name, rows in ordered.items():
        if [(row.case_id, row.subject, row.truth) for row in rows] != cases:
            raise ValueError(f"runs {first} and {name} were measured on different cases")
    blocks: dict[str, list[Floats]] = {name: [] for name in ordered}
    for weights in resamples(ordered[first], n, seed):
        for name, rows in ordered.items():
            blocks[name].append(value(rows, weights))
    whole = np.ones((1, len(cases)))
    return {
        name: Replicates(float(value(rows, whole)[0]), np.concatenate(blocks[name]))
        for name, rows in ordered.items()
    }


def mean(runs: Sequence[Replicates]) -> Replicates:
    """An arm's value: the mean over its seeds, of the points and resample by resample."""
    drawn = np.mean([run.drawn for run in runs], axis=0)
    return Replicates(float(np.mean([run.point for run in runs])), drawn)


def compare(best: Replicates, other: Replicates) -> Paired:
    """The loss of `other` to `best`; resamples that leave either undefined are left out.

    Where hardly any resample determines both, nothing is known but the loss: SE 0, p 1.
    """
    losses = best.drawn - other.drawn
    losses = losses[~np.isnan(losses)]
    loss = best.point - other.point
    if len(losses) < 2:
        return Paired(loss=loss, se=0.0, low=loss, high=loss, p=1.0)
    low, high = np.quantile(losses, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    tail = int(min(np.count_nonzero(losses <= 0), np.count_nonzero(losses >= 0)))
    p = min(1.0, 2 * (tail + 1) / (len(losses) + 1))
    return Paired(
        loss=loss,
        se=float(losses.std(ddof=1)),
        low=float(low),
        high=float(high),
        p=p,
    )


def paired(
    best: Sequence[Measure],
    other: Sequence[Measure],
    value: Value,
    n: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """The loss of one run to another on the same cases."""
    found = replicates({"best": best, "other": other}, value, n, seed)
    return compare(found["best"], found["other"])


def bounds(replicates: Replicates) -> tuple[float | None, float | None]:
    """The 95 % interval of a run or an arm."""
    return _bounds(replicates.drawn)
