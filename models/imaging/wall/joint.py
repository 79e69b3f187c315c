"""Both lines of a wall at once by dynamic programming, so that they can never cross.

A state is a pair of rows, one for each line, of which only pairs in order are allowed. What a pair
gains is told by each line's own row; so is what it costs to climb. That makes a step from one
column to the next the work of two lines instead of their product (Li et al., IEEE TPAMI 2006, find
the same surfaces by graph cuts).
"""

import numpy as np
from numpy.typing import NDArray

Gains = NDArray[np.float32]  # [rows, columns]
Rows = NDArray[np.int64]  # [columns]


def joint_paths(
    upper: Gains, lower: Gains, allowed: NDArray[np.bool_],
    climbs: tuple[int, int], costs: tuple[float, float],
) -> tuple[Rows, Rows]:  # fmt: skip
    """The rows of both lines in every column, of the largest sum of gains less climbs.

    upper [a, x] and lower [b, x] are gains by row, each in its own band; `allowed` [a, b] says
    which pairs may be together; a line climbs at most `climbs` rows a column, at `costs` a row.
    """
    columns = upper.shape[1]
    barred = np.where(allowed, np.float32(0), np.float32(-np.inf))
    totals = np.empty((columns, *allowed.shape), np.float32)
    totals[0] = upper[:, None, 0] + lower[None, :, 0] + barred
    for x in range(1, columns):
        reached = _spread(_spread(totals[x - 1], climbs[0], costs[0]).T, climbs[1], costs[1]).T
        np.add(reached, barred, out=totals[x])
        totals[x] += upper[:, x, None]
        totals[x] += lower[None, :, x]
    return _back(totals, climbs, costs)


def _spread(totals: Gains, climb: int, cost: float) -> Gains:
    """[a, b] the best that can be reached along the first axis: one step up, then another."""
    best = totals.copy()
    for step in range(1, climb + 1):
        less = totals - np.float32(cost * step)
        np.maximum(best[step:], less[:-step], out=best[step:])
        np.maximum(best[:-step], less[step:], out=best[:-step])
    return best


def _back(
    totals: NDArray[np.float32], climbs: tuple[int, int], costs: tuple[float, float]
) -> tuple[Rows, Rows]:
    """From the best last pair back to the first."""
    columns, rows_a, rows_b = totals.shape
    a, b = (np.empty(columns, np.int64) for _ in range(2))
    a[-1], b[-1] = divmod(int(np.argmax(totals[-1])), rows_b)
    for x in range(columns - 1, 0, -1):
        near_a = np.arange(max(0, a[x] - climbs[0]), min(rows_a, a[x] + climbs[0] + 1))
        near_b = np.arange(max(0, b[x] - climbs[1]), min(rows_b, b[x] + climbs[1] + 1))
        fees = costs[0] * np.abs(near_a - a[x])[:, None] + costs[1] * np.abs(near_b - b[x])
        window = totals[x - 1, near_a[0] : near_a[-1] + 1, near_b[0] : near_b[-1] + 1] - fees
        best_a, best_b = divmod(int(np.argmax(window)), len(near_b))
        a[x - 1], b[x - 1] = near_a[best_a], near_b[best_b]
    return a, b
