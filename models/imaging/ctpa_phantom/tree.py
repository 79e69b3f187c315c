"""Trees that grow into a cloud of places: vessels that fill a lung, their radii by Murray's law."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom.grid import Points, Stance
from models.imaging.ctpa_phantom.tubes import Tubes

REACH = 0.42  # of the way to the middle of its places that a branch goes before it divides
PIECE_MM = 5.0  # a bend every so often
TIP = 0.45  # of its radius that an ending has left


@dataclass
class Tree:
    """A tree under construction: places and parents; the first place is the root."""

    bend: float = 0.08
    places: list[NDArray[np.float64]] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def add(self, parent: int, place: NDArray[np.float64]) -> int:
        self.places.append(np.asarray(place, dtype=np.float64))
        self.parents.append(parent)
        return len(self.places) - 1

    def follow(self, parent: int, row: Points) -> int:
        """A branch through given places; the last of them."""
        for place in row:
            parent = self.add(parent, place)
        return parent

    def reach(self, rng: np.random.Generator, parent: int, place: NDArray[np.float64]) -> int:
        """A slightly bent branch to a place."""
        start = self.places[parent]
        way = place - start
        length = float(np.linalg.norm(way))
        pieces = max(1, round(length / PIECE_MM))
        side = _cross(way, rng.standard_normal(3))
        side *= self.bend * length * rng.normal() / (np.linalg.norm(side) + 1e-9)
        for t in np.arange(1, pieces + 1) / pieces:
            parent = self.add(parent, start + t * way + np.sin(np.pi * t) * side)
        return parent

    def grow(self, rng: np.random.Generator, parent: int, cloud: Points) -> None:
        """Branches from `parent` to every place of the cloud, dividing it in two time and again."""
        open_ends = [(parent, cloud)]
        while open_ends:
            node, places = open_ends.pop()
            if len(places) == 0:
                continue
            if len(places) == 1:
                self.reach(rng, node, places[0])
                continue
            middle = places.mean(axis=0)
            way = (middle - self.places[node]) * rng.uniform(REACH - 0.08, REACH + 0.08)
            end = self.reach(rng, node, self.places[node] + way)
            one = _halved(rng, places, way)
            open_ends += [(end, places[one]), (end, places[~one])]

    def done(self, trunk_mm: float, exponent: float) -> "Branches":
        """Radii by r^exponent = sum of the children's, so that the trunk's is `trunk_mm`."""
        parents = np.array(self.parents)
        endings = np.zeros(len(parents))
        for node in range(len(parents) - 1, 0, -1):
            endings[node] = max(endings[node], 1)
            endings[parents[node]] += endings[node]
        radii = trunk_mm * (endings / endings[0]) ** (1 / exponent)
        return Branches(np.array(self.places), parents, radii, endings.astype(int))


def _halved(
    rng: np.random.Generator, places: Points, way: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which places go to the first of two branches: cut across their longest spread."""
    spread = places - places.mean(axis=0)
    ahead = way / (np.linalg.norm(way) + 1e-9)
    spread = spread - 0.7 * (spread @ ahead)[:, None] * ahead
    along = spread @ np.linalg.eigh(spread.T @ spread)[1][:, -1]
    first = int(np.clip(round(rng.uniform(0.3, 0.7) * len(places)), 1, len(places) - 1))
    one = np.zeros(len(places), dtype=bool)
    one[np.argsort(along, kind="stable")[:first]] = True
    return one


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """np.cross, which takes ten times as long for two vectors."""
    (x, y, z), (u, v, w) = a.tolist(), b.tolist()
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u])


@dataclass(frozen=True, eq=False)
class Branches:
    """A finished tree: each node ends a tube that comes from its parent (the root's is none)."""

    places: Points  # [n, 3] mm
    parents: NDArray[np.int_]  # [n]; -1 of the root
    radii_mm: NDArray[np.float64]  # [n] of the tube that ends at the node
    endings: NDArray[np.int_]  # [n] how many of the tree's ends lie behind it

    def placed(self, stance: Stance) -> "Branches":
        """In the scanner's millimetres."""
        size = float(stance.size.mean())
        return Branches(
            stance.to_scanner(self.places), self.parents, self.radii_mm * size, self.endings
        )

    def children(self) -> list[list[int]]:
        behind: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                behind[parent].append(node)
        return behind

    def tubes(self, wanted: NDArray[np.bool_] | None = None) -> Tubes:
        """The tubes to all nodes, or to those wanted."""
        nodes = np.flatnonzero(self.parents >= 0)
        if wanted is not None:
            nodes = nodes[wanted[nodes]]
        before = self.parents[nodes]
        last = self.radii_mm[nodes].copy()
        first = np.minimum(self.radii_mm[before], 1.15 * last)
        has_child = np.zeros(len(self.parents), dtype=bool)
        has_child[self.parents[self.parents >= 0]] = True
        last[~has_child[nodes]] *= TIP
        return Tubes(self.places[before], self.places[nodes], first, last)
