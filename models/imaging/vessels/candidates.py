"""Places in a CT volume that might be emboli.

Summits of dark clusters beside contrast-filled lumen (after Liang and Bi's tobogganing, IPMI 2007)
and dark places in the middle of the lungs' vessels, which a clot may fill altogether. Sensitive
rather than sure: the network decides. Those most plausible by their facts stay.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.axis import find_axes
from models.imaging.vessels.places import Places, find_places
from models.imaging.vessels.plausible import plausibility
from models.imaging.vessels.scene import Scene, see
from models.volume import Volume

Floats = NDArray[np.float64]

MOST = 150  # of a volume: more than these hold no more of phantoms' emboli, at four views each
ON_MM = 2.0  # of a voxel of an embolus: what is so near lies on it; about a voxel's diagonal
BESIDE_MM = 6.0  # and what is so near, right beside it: neither an embolus nor none
APART_MM = 8.0  # two places nearer to each other are one
AROUND_MM = 5.0  # the likely places so near are one clot's: a candidate's centre is their middle


@dataclass(frozen=True)
class Candidate:
    """A place that might be an embolus, in the volume as it was given.

    `centre_voxel` (z, y, x) is the middle of the likely places there; `axis` the vessel's way, a
    unit vector (z, y, x) in patient millimetres; `diameter_mm` that of a ball as large as the
    dark cluster, or the vessel's where none is; `mean_hu` the cluster's, or the place's; `lumen_hu`
    how bright the volume's arteries are; `plausibility` orders the candidates of a volume, and
    means no more than that.
    """

    centre_voxel: tuple[float, float, float]
    axis: tuple[float, float, float]
    diameter_mm: float
    mean_hu: float
    lumen_hu: float = 350.0
    plausibility: float = 0.0


def _quiet(stage: str) -> None:
    """Nobody watches."""


def find(
    volume: Volume, tell: Callable[[str], None] = _quiet, most: int = MOST
) -> tuple[Candidate, ...]:
    """The candidates of a volume, most plausible first; none where no contrast is to be seen."""
    tell("vessels")
    scene = see(volume)
    if scene is None:
        return ()
    tell("candidates")
    places = find_places(scene)
    if not len(places.at):
        return ()
    scores = plausibility(scene, places)
    chosen = _apart(places.at_mm, scores, most)
    axes = find_axes(scene, places.at[chosen])
    middles = _middles(places.at_mm, scores, chosen) / scene.grid.step_mm
    return tuple(
        _candidate(volume, scene, places, int(number), float(scores[number]), axis, middle)
        for number, axis, middle in zip(chosen, axes, middles, strict=True)
    )


def _apart(at: Floats, scores: Floats, most: int) -> NDArray[np.int64]:
    """The most plausible places, none of them near to a better one."""
    kept: list[int] = []
    for number in np.argsort(-scores, kind="stable"):
        away = np.linalg.norm(at[kept] - at[number], axis=1)
        if away.min(initial=np.inf) >= APART_MM:
            kept.append(int(number))
        if len(kept) == most:
            break
    return np.array(kept, dtype=np.int64)


def _middles(at: Floats, scores: Floats, chosen: NDArray[np.int64]) -> Floats:
    """[chosen, 3]: of each the mean of the places around, each as heavy as it is likely and counted
    for the nearest of the chosen alone. The best place of a clot may lie at its end, a coarse
    voxel outside.
    """
    likely = 1 / (1 + np.exp(-scores))
    away, nearest = cKDTree(at[chosen]).query(at)
    likely[away > AROUND_MM] = 0.0
    total = np.bincount(nearest, likely)
    sums = [np.bincount(nearest, likely * side) for side in at.T]
    return np.stack(sums, axis=1) / total[:, None]


def _candidate(
    volume: Volume, scene: Scene, places: Places, number: int, score: float, axis: Floats,
    middle: Floats,
) -> Candidate:  # fmt: skip
    z, y, x = (float(side) for side in volume.to_voxel(scene.grid.to_mm(middle)))
    along = scene.grid.directions_mm(axis)
    return Candidate(
        (z, y, x),
        (float(along[0]), float(along[1]), float(along[2])),
        float(places.diameter_mm[number]),
        float(places.mean_hu[number]),
        scene.contrast.lumen_hu,
        score,
    )
