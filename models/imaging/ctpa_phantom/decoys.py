"""What is dark beside or in a bright artery and is no embolus."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom.grid import Points
from models.imaging.ctpa_phantom.style import Looks
from models.imaging.ctpa_phantom.tree import Branches
from models.imaging.ctpa_phantom.tubes import Tubes, joined, line
from models.imaging.ctpa_phantom.vessels import Vessels

STATIONS = ((-44, 14, -20), (-52, 22, -34), (-20, 6, 4), (-3, 12, -22), (48, 18, -14),
            (56, 30, -30), (28, 8, 14), (14, 0, 2), (-62, 22, -60), (62, 28, -50))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Decoys:
    """Lymph nodes and their density, swirls in the lumen, bronchi full of mucus."""

    nodes: Tubes
    node_hu: float
    swirls: Tubes
    swirl: float  # by how much the contrast is thinned in the middle of a swirl, a share
    plugged: NDArray[np.bool_]  # [n] of the airways
    mucus_hu: float


def nodes(rng: np.random.Generator, count: int) -> Tubes:
    """Lymph nodes at the hila and around the carina, bean-like, 4 to 14 mm; the body's mm."""
    rows = []
    for station in rng.choice(len(STATIONS), count):
        middle = np.array(STATIONS[station]) + rng.normal(0, 4, 3)
        way = rng.standard_normal(3)
        way *= rng.uniform(1, 4) / np.linalg.norm(way)
        radius = float(rng.uniform(2.2, 6.0))
        rows.append(line(np.stack([middle - way, middle + way]), np.array([radius, 0.8 * radius])))
    return joined(*rows)


def decoys(
    rng: np.random.Generator, look: Looks, arteries: Branches, tubes: Vessels, found: Tubes
) -> Decoys:
    """One patient's; `arteries` and `found` lymph nodes in the scanner's mm."""
    return Decoys(
        nodes=found, node_hu=float(rng.uniform(45, 95)),
        swirls=swirls(rng, arteries, round(look.swirls)), swirl=float(rng.uniform(0.15, 0.4)),
        plugged=_plugged(rng, tubes, round(look.plugs)), mucus_hu=float(rng.uniform(8, 40)),
    )  # fmt: skip


def swirls(rng: np.random.Generator, arteries: Branches, count: int) -> Tubes:
    """Streaks of less contrast along the larger arteries, without a border."""
    large = np.flatnonzero((arteries.radii_mm > 2.5) & (arteries.parents > 0))
    rows = []
    for node in rng.choice(large, max(count, 1)).tolist():
        row = arteries.places[[arteries.parents[arteries.parents[node]], arteries.parents[node],
                               node]]  # fmt: skip
        aside = rng.standard_normal(3)
        aside *= rng.uniform(0, 0.6) * arteries.radii_mm[node] / np.linalg.norm(aside)
        radius = arteries.radii_mm[node] * rng.uniform(0.3, 0.6)
        rows.append(line(row + aside, np.array([0.6, 1.0, 0.7]) * radius))
    return joined(*rows)


def _plugged(rng: np.random.Generator, tubes: Vessels, count: int) -> NDArray[np.bool_]:
    """Which of the airways are full: some small ones with a stretch behind each."""
    small = np.flatnonzero(tubes.owner >= 0)
    filled = np.zeros(len(tubes.owner), dtype=bool)
    if not len(small) or not count:
        return filled
    places: Points = tubes.airways.ends
    for start in rng.choice(small, count):
        near = np.linalg.norm(places[small] - places[start], axis=1) < rng.uniform(6, 14)
        filled[small[near]] = True
    return filled
