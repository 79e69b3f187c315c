"""A logistic function fitted to what candidates turned out to be, near what is believed before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped] # ships no types

Floats = NDArray[np.float64]


def fitted(
    rows: Floats, hit: NDArray[np.bool_], prior: Floats, spread: Floats,
    least: Sequence[float | None],
) -> tuple[float, ...]:  # fmt: skip
    """The coefficients [k] of `rows` [n, k] under which `hit` [n] is most likely; `prior` itself
    without any row.

    `spread` [k] is how far the data are trusted to move each from the prior (a normal one), and
    `least` how low each may go. Hits and misses count as (n + 1) / (n + 2) and 1 / (n + 2) (Platt
    1999), so that data without a single miss do not make everything certain.
    """
    hits, misses = int(hit.sum()), int((~hit).sum())
    wanted = np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        odds = rows @ coefficients
        away = (coefficients - prior) / spread
        value = np.logaddexp(0, odds).sum() - wanted @ odds + (away**2).sum() / 2
        slope = rows.T @ (1 / (1 + np.exp(-odds)) - wanted) + away / spread
        return float(value), np.asarray(slope)

    bounds = [(low, None) for low in least]
    done = minimize(loss, prior, jac=True, bounds=bounds, method="L-BFGS-B")
    return tuple(float(value) for value in done.x)
