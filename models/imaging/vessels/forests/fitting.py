"""Fits the forests on phantoms: `python -m models.imaging.vessels.forests.fitting` writes the
files anew, which takes two cores the better part of an hour. Train the network that looks where
they point (models.tuning.pretrain_straightened) again after it.

Gradient boosting (scikit-learn). An embolus counts about as much as another, however many places
lie on it; a place right beside one is none, so that of those in and at a clot the ones in it are
preferred. The second forest is fitted on what first forests of other phantoms say: of those that
it was fitted on itself the first one knows too much.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types
from sklearn.ensemble import (  # type: ignore[import-untyped] # ships no types
    HistGradientBoostingClassifier,
)

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom.style import StyleName
from models.imaging.vessels import places
from models.imaging.vessels.candidates import ON_MM
from models.imaging.vessels.forests import second_look
from models.imaging.vessels.forests.forest import FIRST, SECOND, Forest, scores, write
from models.imaging.vessels.places import Places, find_places
from models.imaging.vessels.scene import Scene, see
from models.volume import LabelVoxels, Volume

Floats = NDArray[np.float64]

OTHERS_WEIGHT = 0.02  # of a place on no embolus; there are hundreds for each that is
TOGETHER = 0.7  # how far several places on an embolus share its weight
LEAVES, RATE, TREES = 31, 0.05, 300
FOLDS = 3
EMBOLI = 8  # of a phantom: twice and more what patients have, for more of each level
SEEDS: dict[StyleName, tuple[int, ...]] = {
    "other": (*range(6100, 6118), *range(6200, 6216), *range(6300, 6340)),
    "usual": (*range(7200, 7218), *range(7300, 7316), *range(7400, 7440)),
    "plain": tuple(range(8100, 8172)),
}


@dataclass(frozen=True, eq=False)
class Seen:
    """The places of one volume, and the embolus each lies on [n], 0 = none."""

    places: Places
    on: NDArray[np.int64]


def look(volume: Volume, emboli: LabelVoxels) -> Seen | None:
    """A volume's places, held against the truth; None where no contrast is to be seen."""
    scene = see(volume)
    if scene is None:
        return None
    found = find_places(scene)
    return Seen(found, on_emboli(scene, found, volume, emboli))


def on_emboli(
    scene: Scene, found: Places, volume: Volume, emboli: LabelVoxels
) -> NDArray[np.int64]:
    """[n] the embolus each place lies on, 0 = none."""
    voxels = np.round(volume.to_voxel(scene.grid.to_mm(found.at))).astype(int)
    at = tuple(np.clip(voxels, 0, np.array(emboli.shape) - 1).T)
    away, nearest = ndimage.distance_transform_edt(
        emboli == 0, sampling=volume.spacing_mm, return_indices=True
    )
    on = emboli[tuple(axis[at] for axis in nearest)].astype(np.int64)
    return np.where(away[at] <= ON_MM, on, 0)


def fit(rows: Sequence[Seen]) -> tuple[Forest, Forest]:
    """The first and the second forest of these volumes, FOLDS at least."""
    own = [row.places.facts for row in rows]
    on = [row.on for row in rows]
    again: list[Floats] = [np.empty(0)] * len(rows)
    for fold in range(FOLDS):
        others = [k for k in range(len(rows)) if k % FOLDS != fold]
        forest = _fitted([own[k] for k in others], [on[k] for k in others])
        for k in range(fold, len(rows), FOLDS):
            again[k] = second_look.facts(rows[k].places, scores(own[k], forest))
    return _fitted(own, on), _fitted(again, on)


def _fitted(facts: Sequence[Floats], on: Sequence[NDArray[np.int64]]) -> Forest:
    boosted = HistGradientBoostingClassifier(
        max_leaf_nodes=LEAVES, learning_rate=RATE, max_iter=TREES, min_samples_leaf=40,
        l2_regularization=5.0, max_features=0.4, early_stopping=False, random_state=0,
    )  # fmt: skip
    weight = np.concatenate([weights(row) for row in on])
    boosted.fit(np.concatenate(facts), np.concatenate(on) > 0, weight / OTHERS_WEIGHT)
    return _side_by_side(boosted)


def weights(on: NDArray[np.int64]) -> Floats:
    """What each place of a volume counts."""
    count = np.bincount(on)[on]
    return np.where(on > 0, 1 / count**TOGETHER, OTHERS_WEIGHT)


def _side_by_side(boosted: HistGradientBoostingClassifier) -> Forest:
    """Its trees as arrays. scikit-learn shows them nowhere; that these answer as it does is
    tested.
    """
    trees = [tree.nodes for (tree,) in boosted._predictors]
    most = max(len(nodes) for nodes in trees)
    shape, own = (len(trees), most), np.tile(np.arange(most), (len(trees), 1))
    laid = {
        "feature_idx": np.zeros(shape), "num_threshold": np.full(shape, np.inf), "left": own,
        "right": own.copy(),
    }  # fmt: skip
    value = np.zeros(shape)
    for row, nodes in enumerate(trees):
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        for name, table in laid.items():
            table[row, inner] = nodes[name][inner]
        value[row, : len(nodes)] = nodes["value"]
    return Forest(
        start=np.array([float(boosted._baseline_prediction.item())]),
        steps=np.array([max(int(nodes["depth"].max()) for nodes in trees)]),
        fact=laid["feature_idx"].astype(np.int16), edge=laid["num_threshold"],
        left=laid["left"].astype(np.int16), right=laid["right"].astype(np.int16), value=value,
    )  # fmt: skip


def _phantom(style: StyleName, seed: int) -> Seen | None:
    made = ctpa_phantom.volume(np.random.default_rng(seed), style=style, emboli=EMBOLI)
    return look(made.volume, made.emboli)


def phantoms() -> Iterator[Seen]:
    """What is fitted on, two at a time."""
    jobs = [(style, seed) for style, seeds in SEEDS.items() for seed in seeds]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for seen in pool.map(_phantom, *zip(*jobs, strict=True)):
            if seen is not None:
                yield seen


if __name__ == "__main__":
    first, second = fit(list(phantoms()))
    write(first, FIRST, places.FACTS)
    write(second, SECOND, second_look.FACTS)
