"""Dark clusters beside lumen, by tobogganing: what slides to one summit is one cluster."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.scene import Scene
from models.imaging.vessels.toboggan import Index, toboggan

Floats = NDArray[np.float64]

LEAST_DARK = 0.45  # of a voxel of a cluster
LEAST_HEIGHT = 0.12  # darkness x lumen around
LEAST_MM3 = 4.0
SMOOTH_MM = 0.7


@dataclass(frozen=True, eq=False)
class Clusters:
    """`summits` [c, 3] (z, y, x of the fine grid) of the clusters that are large enough.

    `voxels` [v] flat, ascending, and the cluster of each, `owner` [v]; per cluster (small ones
    included, so that `owner` finds them): volume in mm3, mean HU and mean darkness.
    """

    summits: Index
    voxels: Index
    owner: Index
    volume_mm3: Floats
    mean_hu: Floats
    mean_dark: Floats

    def at(self, flat: Index) -> Index:
        """The cluster of each voxel, -1 where there is none."""
        if not len(self.voxels):
            return np.full(len(flat), -1)
        place = np.minimum(np.searchsorted(self.voxels, flat), len(self.voxels) - 1)
        return np.where(self.voxels[place] == flat, self.owner[place], -1)


def find_clusters(scene: Scene) -> Clusters:
    """All clusters of a scene."""
    voxels, ends = toboggan(_height(scene), LEAST_HEIGHT)
    tops, owner = np.unique(ends, return_inverse=True)
    size = np.bincount(owner, minlength=len(tops))
    volume = size.astype(np.float64) * float(np.prod(scene.grid.step_mm))
    mean_hu, mean_dark = (
        np.bincount(owner, picture.ravel()[voxels], len(tops)) / np.maximum(size, 1)
        for picture in (scene.grid.hu, scene.dark)
    )
    large = tops[volume >= LEAST_MM3]
    summits = np.stack(np.unravel_index(large, scene.dark.shape), axis=1)
    return Clusters(summits, voxels, owner, volume, mean_hu, mean_dark)


def _height(scene: Scene) -> NDArray[np.float32]:
    """Darkness times lumen around, where a voxel is dark enough and tissue."""
    dark = np.clip(scene.dark, 0.0, 1.1)
    dark[~(scene.tissue & scene.region)] = 0.0
    height = blurred(dark, SMOOTH_MM / scene.grid.step_mm) * scene.around
    height[(dark < LEAST_DARK) | scene.lumen] = 0.0
    return np.asarray(height, dtype=np.float32)
