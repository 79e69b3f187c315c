"""What is around a place: how much tissue and how much of it is lumen, near and further off; on
how many lines through it lumen lies to one side and to both; the darkest and brightest nearby.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.lumen import CLOT_HU, share_of_lumen
from models.imaging.vessels.scene import BLUR_MM, Scene

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

NEAR_MM = (1.5, 2.5)
FAR_MM = 7.0
REACH = 9  # steps along a line
SHORT, LONG = 4, 8
CUBE = tuple(product((-2, -1, 0, 1, 2), repeat=3))
LINES = tuple(step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
FACTS = (
    "inside", "around", "grey", "local_dark", "tissue_1", "lumen_1", "tissue_2", "lumen_2",
    "tissue_7", "lumen_7", "darkest", "brightest", "both_4", "one_4", "both_8", "one_8", "span",
)  # fmt: skip


def surroundings(scene: Scene, places: Index) -> Floats:
    """[places, FACTS] of places [n, 3] (z, y, x) on the fine grid."""
    at = tuple(places.T)
    step = scene.grid.step_mm
    tissue, lumen = scene.tissue.astype(np.float32), scene.lumen.astype(np.float32)
    seen = blurred(scene.grid.hu, BLUR_MM / step)
    grey = (seen[at] - CLOT_HU) / (scene.contrast.lumen_hu - CLOT_HU)
    columns = [scene.inside[at], scene.around[at], grey, _local_dark(scene, tissue, places)]
    for radius in NEAR_MM:
        share = blurred(tissue, radius / step)[at]
        columns += [share, blurred(lumen, radius / step)[at] / np.maximum(share, 0.02)]
    columns += _far(tissue, lumen, places, FAR_MM / step)
    columns += _extremes(scene, seen, places)
    columns += _lines(scene, places)
    return np.stack(columns, axis=1).astype(np.float64)


def _local_dark(scene: Scene, tissue: NDArray[np.float32], places: Index) -> Floats:
    sigma = BLUR_MM / scene.grid.step_mm
    dark = blurred(np.clip(scene.dark, 0.0, 1.2) * tissue, sigma)[tuple(places.T)]
    return np.asarray(dark / np.maximum(blurred(tissue, sigma)[tuple(places.T)], 0.05))


def _far(
    tissue: NDArray[np.float32], lumen: NDArray[np.float32], places: Index, sigma: Floats
) -> list[Floats]:
    """At half the resolution."""
    share, bright = (
        blurred(np.ascontiguousarray(picture[::2, ::2, ::2]), sigma / 2)
        for picture in (tissue, lumen)
    )
    at = tuple(np.minimum(places // 2, np.array(share.shape) - 1).T)
    return [share[at], bright[at] / np.maximum(share[at], 0.02)]


def _extremes(scene: Scene, seen: NDArray[np.float32], places: Index) -> list[Floats]:
    """Darkest and brightest of the cube around, as shares of the way from lung to lumen."""
    last = np.array(seen.shape) - 1
    low, high = np.full(len(places), np.inf), np.full(len(places), -np.inf)
    for step in CUBE:
        values = seen[tuple(np.clip(places + step, 0, last).T)]
        low, high = np.minimum(low, values), np.maximum(high, values)
    return [share_of_lumen(low, scene.contrast), share_of_lumen(high, scene.contrast)]


def _lines(scene: Scene, places: Index) -> list[Floats]:
    """On how many of 13 lines lumen is met on both sides, and how often at all, within the short
    and the long reach; and the shortest way from lumen to lumen through the place.
    """
    wide = np.pad(scene.lumen, REACH + 1)
    met = np.full((2, len(LINES), len(places)), 2.0 * REACH)
    for line, way in enumerate(LINES):
        unit = np.array(way) / np.linalg.norm(way)
        for side, sign in enumerate((1, -1)):
            for away in range(REACH, 0, -1):
                there = np.round(places + REACH + 1 + sign * away * unit).astype(int)
                met[side, line, wide[tuple(there.T)]] = away
    columns = []
    for reach in (SHORT, LONG):
        columns += [(met <= reach).all(axis=0).sum(axis=0), (met <= reach).sum(axis=(0, 1))]
    return [*columns, met.sum(axis=0).min(axis=0)]
