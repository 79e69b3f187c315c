"""What a place in the lungs is connected with, along the vessels: the context by which a clot (a
dark stretch of a bright artery) differs from a vein (dark as far as one can follow it).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix  # type: ignore[import-untyped] # ships no types
from scipy.sparse.csgraph import (  # type: ignore[import-untyped] # ships no types
    connected_components,
    dijkstra,
)
from scipy.spatial import cKDTree  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.ridges import Ridges

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

JUMP_MM = 2.3  # between neighbours on a ridge: a voxel's diagonal, and a gap of noise
RINGS_MM = (2.5, 6.0, 10.0, 15.0, 22.0, 32.0)  # how far along the vessel
BRIGHT = 0.35  # less dark is lumen
DARK = (0.45, 1.7)  # a clot; more is a bronchus, whose wall is taken for a vessel
LINE_MM = 7.0
CHUNK = 128
OF_RING = ("dark", "lit", "thick", "much")
FACTS = (
    "own_dark", "radius_mm", "unrest", "neighbours", "run_mm", "run_size", "run_lit", "flatness",
    "crowd", *(f"{what}_{k}" for k in range(len(RINGS_MM)) for what in OF_RING),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Paths:
    """Ridges and which of their places [n] are neighbours along a vessel. `dark` is smoothed
    over neighbours, `sources` the places that are as dark as clots, thinned.
    """

    ridges: Ridges
    places_mm: Floats
    tree: cKDTree
    graph: csr_matrix
    dark: Floats
    unrest: Floats
    sources: Index


def follow(ridges: Ridges, step_mm: Floats) -> Paths:
    """The ridges as a graph."""
    places = ridges.places * step_mm
    tree = cKDTree(places)
    pairs = tree.query_pairs(JUMP_MM, output_type="ndarray")
    length = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    graph = _sparse(length, pairs, len(places))
    near = _sparse(np.ones(len(pairs)), pairs, len(places))
    near = near + near.T
    count = np.asarray(near.sum(axis=1)).ravel() + 1
    dark = (ridges.dark + near @ ridges.dark) / count
    square = (ridges.dark**2 + near @ ridges.dark**2) / count
    unrest = np.sqrt(np.maximum(square - dark**2, 0))
    return Paths(ridges, places, tree, graph, dark, unrest, _thinned(tree, places, dark))


def _sparse(values: Floats, pairs: Index, count: int) -> csr_matrix:
    return coo_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=(count, count)).tocsr()


def _thinned(tree: cKDTree, places: Floats, dark: Floats) -> Index:
    """Dark places, none within a jump of one that is more like a clot."""
    some = np.flatnonzero((dark > DARK[0]) & (dark < DARK[1]))
    order = some[np.argsort(np.abs(dark[some] - 1), kind="stable")]
    gone = np.zeros(len(places), dtype=bool)
    kept = []
    for place, near in zip(order, tree.query_ball_point(places[order], JUMP_MM), strict=True):
        if not gone[place]:
            kept.append(int(place))
            gone[near] = True
    return np.array(kept, dtype=np.int64)


def contexts(paths: Paths, nodes: Index) -> Floats:
    """[nodes, FACTS] of places on the ridges.

    Own darkness, radius, unrest and neighbours; of the dark stretch it is part of: extent, size,
    places beside lumen; how flat the ridge is here (0 a line, 1 a sheet) and how crowded; and for
    each ring along the vessel: mean darkness, share that is lumen, radius of the thickest lumen
    over the own, and how much ridge there is (log).
    """
    own = np.stack([paths.dark, paths.ridges.radius_mm, paths.unrest], axis=1)[nodes]
    degree = np.diff((paths.graph + paths.graph.T).tocsr().indptr)[nodes][:, None]
    rows = [own, degree, _stretch(paths)[nodes], _shape(paths, nodes), _along(paths, nodes)]
    return np.concatenate(rows, axis=1)


def _stretch(paths: Paths) -> Floats:
    """[n, 3] of the connected dark stretch of each place; zeros where it is not dark."""
    facts = np.zeros((len(paths.dark), 3))
    dark = np.flatnonzero((paths.dark > DARK[0]) & (paths.dark < DARK[1]))
    if not len(dark):
        return facts
    both = (paths.graph + paths.graph.T).tocsr()
    count, part = connected_components(both[dark][:, dark], directed=False)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, part, paths.places_mm[dark])
    np.maximum.at(high, part, paths.places_mm[dark])
    touches = (both @ (paths.dark < BRIGHT).astype(np.float64))[dark] > 0
    per_part = np.stack(
        [np.linalg.norm(high - low, axis=1), np.log(np.bincount(part)),
         np.log1p(np.bincount(part, touches, count))], axis=1,
    )  # fmt: skip
    facts[dark] = per_part[part]
    return facts


def _shape(paths: Paths, nodes: Index) -> Floats:
    rows = []
    for near in paths.tree.query_ball_point(paths.places_mm[nodes], LINE_MM):
        if len(near) > 3:
            spread = np.linalg.eigvalsh(np.cov(paths.places_mm[near].T) + 0.1 * np.eye(3))
            rows.append((spread[1] / spread[2], float(len(near))))
        else:
            rows.append((1.0, float(len(near))))
    return np.array(rows).reshape(-1, 2)


def _along(paths: Paths, nodes: Index) -> Floats:
    radius = paths.ridges.radius_mm
    dark = np.clip(paths.ridges.dark, -0.5, 2.0)
    rows = []
    for chunk in np.array_split(nodes, max(1, len(nodes) // CHUNK)):
        away = dijkstra(paths.graph, directed=False, indices=chunk, limit=RINGS_MM[-1])
        rows += [
            list(_rings(line, dark, radius, radius[node]))
            for line, node in zip(away, chunk, strict=True)
        ]
    return np.array(rows).reshape(len(nodes), len(OF_RING) * len(RINGS_MM))


def _rings(away: Floats, dark: Floats, radius: Floats, own: float) -> Iterator[float]:
    reached = np.flatnonzero(np.isfinite(away))
    ring = np.searchsorted(RINGS_MM, away[reached])
    for k in range(len(RINGS_MM)):
        some = reached[ring == k]
        if not len(some):
            yield from (1.0, 0.0, 0.0, 0.0)
            continue
        lit = some[dark[some] < BRIGHT]
        thick = float(radius[lit].max() / own) if len(lit) else 0.0
        yield from (float(dark[some].mean()), len(lit) / len(some), thick, np.log1p(len(some)))
