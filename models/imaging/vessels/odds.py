"""How likely a candidate is an embolus: what the network says of its views, and how plausible its
place is, weighed against each other on validation.

The network sees a few centimetres. The place is judged by what lies further along its vessel, by
which a vein is told from a clot.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.imaging.logistic import fitted

Floats = NDArray[np.float64]

CLIPPED = 1e-4  # a mean over views is never surer than that
FAINTEST = 12.0  # plausibility beyond it, to either side, says no more
# Intercept, weight of the network's log odds, weight of the plausibility. That is log odds among a
# volume's candidates by itself, so it stands; of the network, which sees much of the same, a part.
PRIOR = np.array([-0.3, 0.4, 1.0])
SPREAD = np.array([3.0, 0.5, 0.5])  # how far validation is trusted to move them
LEAST = (None, 0.1, 0.0)  # neither may speak against what it says


def probabilities(means: Floats, plausibility: Floats, scoring: Sequence[float]) -> Floats:
    """[n] of the means over views [n] and the plausibility [n]; without `scoring` the means."""
    if not len(scoring):
        return np.asarray(means, dtype=np.float64)
    return np.asarray(1 / (1 + np.exp(-_rows(means, plausibility) @ np.array(scoring))))


def weigh(means: Floats, plausibility: Floats, hit: NDArray[np.bool_]) -> tuple[float, ...]:
    """(intercept, weight of the network, weight of the place) under which what the candidates
    turned out to be is most likely, near the prior; without candidates the prior itself.
    """
    return fitted(_rows(means, plausibility), hit, PRIOR, SPREAD, LEAST)


def _rows(means: Floats, plausibility: Floats) -> Floats:
    kept = np.clip(np.asarray(means, dtype=np.float64), CLIPPED, 1 - CLIPPED)
    places = np.clip(np.asarray(plausibility, dtype=np.float64), -FAINTEST, FAINTEST)
    return np.column_stack([np.ones(len(kept)), np.log(kept / (1 - kept)), places])
