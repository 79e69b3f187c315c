"""Places in a CT volume that might be emboli (after Liang and Bi's tobogganing, IPMI 2007): what
is dark and has contrast-filled lumen around it, one place for each summit of both together.

Sensitive rather than sure: the network decides. The best by a cheap measure of plausibility stay.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.axis import find_axes
from models.imaging.vessels.clusters import Cluster, clusters
from models.imaging.vessels.scene import Scene, see
from models.volume import Volume

MOST = 60  # of a volume
APART_MM = 5.0  # two places nearer to each other are one


@dataclass(frozen=True)
class Candidate:
    """A place that might be an embolus, in the volume as it was given.

    `centre_voxel` (z, y, x) lies in the dark part itself; `axis` is the vessel's direction, a
    unit vector (z, y, x) in patient millimetres; `diameter_mm` that of a ball as large as the
    dark cluster; `mean_hu` the cluster's; `lumen_hu` how bright the volume's arteries are;
    `plausibility` orders the candidates of a volume, and means no more than that.
    """

    centre_voxel: tuple[float, float, float]
    axis: tuple[float, float, float]
    diameter_mm: float
    mean_hu: float
    lumen_hu: float = 350.0
    plausibility: float = 0.0


def _quiet(stage: str) -> None:
    """Nobody watches."""


def find(volume: Volume, tell: Callable[[str], None] = _quiet) -> tuple[Candidate, ...]:
    """The candidates of a volume, most plausible first; none where no contrast is to be seen."""
    tell("vessels")
    scene = see(volume)
    if scene is None:
        return ()
    tell("candidates")
    chosen = _apart(clusters(scene), scene)
    axes = find_axes(scene, [cluster.summit for cluster in chosen])
    return tuple(
        _candidate(volume, scene, cluster, axis) for cluster, axis in zip(chosen, axes, strict=True)
    )


def _apart(found: list[Cluster], scene: Scene) -> list[Cluster]:
    """The most plausible, none of them near to a better one."""
    kept: list[Cluster] = []
    places = np.empty((0, 3))
    for cluster in found:
        place = np.array(cluster.summit) * scene.grid.step_mm
        if len(kept) < MOST and (np.linalg.norm(places - place, axis=1) >= APART_MM).all():
            kept.append(cluster)
            places = np.vstack([places, place])
    return kept


def _candidate(
    volume: Volume, scene: Scene, cluster: Cluster, axis: NDArray[np.float64]
) -> Candidate:
    place = volume.to_voxel(scene.grid.to_mm(cluster.summit))
    z, y, x = (float(value) for value in place)
    along = scene.grid.directions_mm(axis)
    return Candidate(
        (z, y, x),
        (float(along[0]), float(along[1]), float(along[2])),
        cluster.diameter_mm,
        cluster.mean_hu,
        scene.contrast.lumen_hu,
        cluster.plausibility,
    )
