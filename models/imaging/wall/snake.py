"""Open contours: a line drawn to where the map says its edge is, and held straight by its own
stiffness (Kass et al. 1988, with free ends). Both ends are open: nothing holds them but the map.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded  # type: ignore[import-untyped]

Floats = NDArray[np.float64]
# heights [n] -> (where the edge is seen near them [n], how surely [n], 0 = not at all)
Pull = Callable[[Floats], tuple[Floats, Floats]]

ROUNDS = 4
STILL_PX = 0.01  # a line that moved less has arrived


def relaxed(line: Floats, pull: Pull, length: float) -> Floats:
    """The line [n], one height per column, after it has settled.

    Minimises sum w (y - edge)^2 + (length / 2 pi)^4 sum (y'')^2 again and again, with the edges
    as they are seen from where the line then is. Waves shorter than `length` columns are flattened
    to less than half, longer ones are kept.
    """
    if len(line) < 3:
        return line
    for _ in range(ROUNDS):
        edge, weight = pull(line)
        moved = stiffened(edge, weight, length)
        still = bool(np.abs(moved - line).max() < STILL_PX)
        line = moved
        if still:
            break
    return line


def stiffened(edge: Floats, weight: Floats, length: float) -> Floats:
    """[n] the stiff line nearest to `edge` [n] by `weight` [n]; it is straight where that is 0."""
    stiffness = (length / (2 * np.pi)) ** 4
    count = len(edge)
    weight = np.maximum(weight, 1e-6)
    # The squared second difference as a matrix has five diagonals; the ends have fewer neighbours.
    bend = np.array([1.0, -2.0, 1.0])
    bands = np.zeros((3, count))
    for near in range(3):
        for far in range(near, 3):
            entries = np.zeros(count)
            entries[far : count - 2 + far] = bend[near] * bend[far]
            bands[2 - (far - near)] += entries
    bands *= stiffness
    bands[2] += weight
    return np.asarray(solveh_banded(bands, weight * edge), dtype=np.float64)
