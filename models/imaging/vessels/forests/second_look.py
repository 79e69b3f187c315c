"""A second look at each place, in the light of what a first one said of its neighbours.

An embolus is several places, and most of them look like one; a noisy spot of a vein stands alone,
and a volume with dark veins has many that look alike. So a first forest is asked of every place by
its own facts, and a second one by these and by what the first said of the places around (after
auto-context, Tu and Bai, IEEE TPAMI 2010).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels import places
from models.imaging.vessels.forests.forest import FIRST, SECOND, scores, shipped
from models.imaging.vessels.places import Places

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

RADII_MM = (4.0, 8.0, 16.0)
SAME_MM = 6.0  # places so near are likely on one embolus: its measures are their mean
SHARED = ("walk_mm", "walk_dark", "walk_wide", "up_lit_mm", "down_lit_mm")
FEW, MANY = 20, 100  # of a volume's places: about as many as lie on emboli, and some times more
SPREAD = tuple(f"{what}_{k}" for k in range(len(RADII_MM)) for what in ("better", "sum", "mean"))
OF_NEIGHBOURS = ("said", *SPREAD, "rank", "said_20", "over_20", "over_100",
                 *(f"near_{name}" for name in SHARED))  # fmt: skip
FACTS = (*places.FACTS, *OF_NEIGHBOURS)


def plausibility(found: Places) -> Floats:
    """[n] of a volume's places: log odds among them, roughly."""
    said = scores(found.facts, shipped(FIRST, places.FACTS))
    return scores(facts(found, said), shipped(SECOND, FACTS))


def facts(found: Places, said: Floats) -> Floats:
    """[n, FACTS]: a place's own, and of what the first forest `said` [n] of all of them.

    For each radius: how much better the best place around is, and the sum and mean of the
    probabilities there. Then the rank among the volume's places (log), what is said of its 20th,
    and how far this one is above the 20th and the 100th; the walks' measures, averaged over the
    places next to it by their probability.
    """
    if not len(said):
        return np.empty((0, len(FACTS)))
    tree = cKDTree(found.at_mm)
    likely = 1 / (1 + np.exp(-said))
    columns = [said]
    for radius in RADII_MM:
        near, first = _near(tree, found.at_mm, radius)
        total = np.add.reduceat(likely[near], first)
        best = np.maximum.reduceat(said[near], first)
        columns += [best - said, total, total / np.diff(first, append=len(near))]
    order = np.sort(said)[::-1]
    few, many = (order[min(k, len(order) - 1)] for k in (FEW, MANY))
    rank = np.log1p(np.searchsorted(-order, -said))
    columns += [rank, np.full(len(said), few), said - few, said - many]
    near, first = _near(tree, found.at_mm, SAME_MM)
    weight = np.add.reduceat(likely[near], first)
    for name in SHARED:
        value = found.facts[:, places.FACTS.index(name)]
        columns.append(np.add.reduceat((likely * value)[near], first) / weight)
    return np.concatenate([found.facts, np.stack(columns, axis=1)], axis=1)


def _near(tree: cKDTree, at_mm: Floats, radius: float) -> tuple[Index, Index]:
    """The places within the radius of each, itself among them, one row after the other; and where
    each row begins.
    """
    rows = tree.query_ball_point(at_mm, radius)
    count = np.array([len(row) for row in rows])
    return np.concatenate([np.array(row, dtype=np.int64) for row in rows]), np.cumsum(count) - count
