"""Dark clusters beside lumen, and how plausible each of them is as an embolus."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.scene import Scene
from models.imaging.vessels.toboggan import Index, toboggan

LEAST_DARK = 0.45  # of a voxel of a cluster
LEAST_HEIGHT = 0.12  # darkness x lumen around
LEAST_MM3 = 4.0
SMOOTH_MM = 0.7


@dataclass(frozen=True)
class Cluster:
    """Voxels that slid to one `summit` (z, y, x of the fine grid)."""

    summit: tuple[int, int, int]
    diameter_mm: float
    mean_hu: float
    darkness: float
    around: float
    plausibility: float


def clusters(scene: Scene) -> list[Cluster]:
    """All clusters of a scene that are large enough, most plausible first."""
    height = _height(scene)
    voxels, summits = toboggan(height, LEAST_HEIGHT)
    if not len(voxels):
        return []
    places, members = np.unique(summits, return_inverse=True)
    facts = _facts(scene, voxels, members, len(places))
    found = [
        _cluster(scene, height, int(place), row)
        for place, row in zip(places, facts, strict=True)
        if row[0] >= LEAST_MM3
    ]
    return sorted(found, key=lambda cluster: (-cluster.plausibility, cluster.summit))


def _height(scene: Scene) -> NDArray[np.float32]:
    """Darkness times lumen around, where a voxel is dark enough and tissue."""
    sigma = SMOOTH_MM / scene.grid.step_mm
    dark = np.clip(scene.dark, 0.0, 1.1)
    dark[~(scene.tissue & scene.region)] = 0.0
    smooth = blurred(dark, sigma)
    height = smooth * scene.around
    height[(dark < LEAST_DARK) | scene.lumen] = 0.0
    return np.asarray(height, dtype=np.float32)


def _facts(scene: Scene, voxels: Index, members: Index, count: int) -> NDArray[np.float64]:
    """Per cluster: volume mm3, mean HU, mean darkness."""
    size = np.bincount(members, minlength=count)
    hu = np.bincount(members, scene.grid.hu.ravel()[voxels], count) / size
    dark = np.bincount(members, scene.dark.ravel()[voxels], count) / size
    volume = size * float(np.prod(scene.grid.step_mm))
    return np.stack([volume, hu, dark], axis=1)


def _cluster(
    scene: Scene, height: NDArray[np.float32], place: int, facts: NDArray[np.float64]
) -> Cluster:
    z, y, x = (int(i) for i in np.unravel_index(place, height.shape))
    volume, hu, dark = (float(value) for value in facts)
    around = float(scene.around[z, y, x])
    plausible = float(height[z, y, x])
    diameter = float((6 * volume / np.pi) ** (1 / 3))
    return Cluster((z, y, x), diameter, hu, dark, around, plausible)
