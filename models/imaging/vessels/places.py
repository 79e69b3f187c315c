"""The places of a scene that are worth a look, and the facts by which they are ranked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels import beside, paths, surroundings, walks
from models.imaging.vessels.blur import blurred
from models.imaging.vessels.clusters import Clusters, find_clusters
from models.imaging.vessels.lumen import share_of_lumen
from models.imaging.vessels.paths import Paths, contexts, follow
from models.imaging.vessels.ridges import Ridges, find_ridges
from models.imaging.vessels.scene import Scene
from models.imaging.vessels.surroundings import FAR_MM

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

FACTS = (*surroundings.FACTS, "cluster_mm", "cluster_grey", "cluster_dark", "off_ridge_mm",
         *paths.FACTS, *walks.FACTS, *beside.FACTS)  # fmt: skip
MOST_TISSUE = 0.6  # of the surroundings, where a ridge is a vessel's
MOST_DARK = 2.2  # of a ridge: darker is no vessel
SAME_MM = 2.0  # a summit so near to a dark ridge's place is not asked twice
OFF_MM = 4.0  # further from any ridge, its context says nothing


@dataclass(frozen=True, eq=False)
class Places:
    """`at` [n, 3] (z, y, x on the fine grid, and the same in mm), `facts` [n, FACTS], and of the
    dark cluster there the diameter of a ball of its volume and the mean HU. Where none is, the
    clot may fill its vessel: then the vessel's diameter. `vessel`: the way through each place, as
    walks.through has it.
    """

    at: Index
    at_mm: Floats
    facts: Floats
    diameter_mm: Floats
    mean_hu: Floats
    vessel: Floats


NONE = Places(
    np.empty((0, 3), np.int64), np.empty((0, 3)), np.empty((0, len(FACTS))), np.empty(0),
    np.empty(0), np.empty((0, 2 * walks.STEPS + 1, 5)),
)  # fmt: skip


def find_places(scene: Scene) -> Places:
    """Summits of dark clusters, and dark places on the ridges of the lungs' vessels."""
    step_mm = scene.grid.step_mm
    found = find_clusters(scene)
    ways = follow(_of_vessels(scene), step_mm)
    on_ridge = ways.ridges.places[ways.sources]
    at = np.concatenate([on_ridge, _apart(found.summits, on_ridge, scene, ways)])
    if not len(at):
        return NONE
    of_cluster, diameter, mean_hu = _cluster_facts(scene, found, at)
    alone = np.flatnonzero(of_cluster[: len(on_ridge), 0] == 0)
    diameter[alone] = 2 * ways.ridges.radius_mm[ways.sources[alone]]
    rows = [surroundings.surroundings(scene, at), of_cluster, _ridge_facts(ways, at, scene)]
    walked = walks.walk(ways.ridges.shown, at, step_mm)
    picture = beside.greys(scene.grid.hu, scene.contrast)
    rows += [walks.facts(walked), beside.facts(picture, ways.ridges.shown, walked, step_mm)]
    facts, vessel = np.concatenate(rows, axis=1), walks.through(walked)
    return Places(at, at * step_mm, facts, diameter, mean_hu, vessel)


def _of_vessels(scene: Scene) -> Ridges:
    """Ridges with enough lung around them."""
    step = scene.grid.step_mm
    ridges = find_ridges(scene.grid.hu, step, scene.contrast, scene.region)
    small = np.ascontiguousarray(scene.tissue[::2, ::2, ::2]).astype(np.float32)
    share = blurred(small, FAR_MM / step / 2)
    at = tuple(np.minimum(ridges.places // 2, np.array(share.shape) - 1).T)
    kept = (share[at] < MOST_TISSUE) & (ridges.dark < MOST_DARK)
    return Ridges(ridges.flat[kept], ridges.places[kept], ridges.radius_mm[kept],
                  ridges.dark[kept], ridges.shown)  # fmt: skip


def _apart(summits: Index, on_ridge: Index, scene: Scene, ways: Paths) -> Index:
    if not len(on_ridge) or not len(summits):
        return summits
    tree = type(ways.tree)(on_ridge * scene.grid.step_mm)
    away, _ = tree.query(summits * scene.grid.step_mm)
    return np.asarray(summits[away > SAME_MM])


def _cluster_facts(scene: Scene, found: Clusters, at: Index) -> tuple[Floats, Floats, Floats]:
    flat = np.ravel_multi_index(tuple(at.T), scene.dark.shape)
    owner = found.at(flat)
    none = owner < 0
    volume, mean_hu, dark = (
        np.where(none, missing, values[owner] if len(values) else missing)
        for values, missing in (
            (found.volume_mm3, float(np.prod(scene.grid.step_mm))),
            (found.mean_hu, scene.grid.hu.ravel()[flat]),
            (found.mean_dark, 0.0),
        )
    )
    diameter = (6 * volume / np.pi) ** (1 / 3)
    grey = share_of_lumen(mean_hu, scene.contrast)
    return np.stack([np.where(none, 0.0, diameter), grey, dark], axis=1), diameter, mean_hu


def _ridge_facts(ways: Paths, at: Index, scene: Scene) -> Floats:
    """The context of the nearest place on a ridge, and how far off that is."""
    facts = np.zeros((len(at), 1 + len(paths.FACTS)))
    facts[:, 0] = OFF_MM
    if not len(ways.dark):
        return facts
    away, node = ways.tree.query(at * scene.grid.step_mm)
    near = np.flatnonzero(away < OFF_MM)
    nodes, back = np.unique(node[near], return_inverse=True)
    facts[near, 0] = away[near]
    facts[near, 1:] = contexts(ways, nodes)[back]
    return facts
