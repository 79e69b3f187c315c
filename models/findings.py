"""Findings: what a task answers for one case, in the words of the HTTP contract."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OperatingPoint:
    """A named threshold and what it buys, measured on validation.

    `sensitivity` and `specificity` are fractions; `low` and `high` bound the sensitivity (95 %,
    bootstrap over subjects). A point the data cannot resolve has threshold None and a `reason`.
    """

    name: str
    threshold: float | None
    sensitivity: float | None = None
    specificity: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ClassFinding:
    """The answer of a class task: a label, its calibrated score, and the score of every class."""

    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Labels:
    """The classes in a fixed order (index = network output) and the positive one, if any."""

    names: tuple[str, ...]
    positive: str | None = None

    @property
    def positive_index(self) -> int | None:
        return None if self.positive is None else self.names.index(self.positive)


@dataclass(frozen=True)
class Measure:
    """All that a metric needs to know of one case, small enough to resample thousands of times.

    For class tasks: `truth` is the class index and `scores` [classes] float64 sums to one.
    """

    case_id: str
    subject: str
    truth: int
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """A set of cases measured: named values (headline first) and the curves behind them.

    A value is None where the cases do not determine it (one class only, say). `curves` maps a
    name to [n, 2] float64 points, x ascending (for ROC: false positive rate, sensitivity).
    """

    values: dict[str, float | None]
    curves: dict[str, NDArray[np.float64]]
