"""The best path from column to column of a picture of gains (dynamic programming, Bellman 1957)."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Gains = NDArray[np.float32]  # [y, x]
Rows = NDArray[np.int64]  # [x]


def best_path(gains: Gains, climb: int, cost: float) -> Rows:
    """[x] the row in each column of the path of the largest sum of gains, less `cost` for every
    row that it climbs or falls from one column to the next, which are at most `climb`.
    """
    height, width = gains.shape
    fees = (cost * np.abs(np.arange(-climb, climb + 1))).astype(np.float32)
    totals = np.full((width, height + 2 * climb), -np.inf, np.float32)
    inner = slice(climb, climb + height)
    # [x, y, steps]: a view, which sees what is written below
    reach = sliding_window_view(totals, 2 * climb + 1, axis=1)
    totals[0, inner] = gains[:, 0]
    for column in range(1, width):
        before = reach[column - 1] - fees
        np.add(before.max(axis=1), gains[:, column], out=totals[column, inner])
    path = np.empty(width, np.int64)
    path[-1] = np.argmax(totals[-1, inner])
    for column in range(width - 1, 0, -1):
        row = path[column]
        path[column - 1] = row + int(np.argmax(reach[column - 1, row] - fees)) - climb
    return path
