"""Fits the scorecard on phantoms: `python -m models.imaging.vessels.fitting` writes the file anew.

A logistic regression on the steps of every fact. An embolus counts about as much as another,
however many places lie on it; a penalty holds neighbouring steps together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types
from scipy.optimize import minimize  # type: ignore[import-untyped] # ships no types

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom.style import StyleName
from models.imaging.vessels.places import find_places
from models.imaging.vessels.scene import see
from models.imaging.vessels.scorecard import FILE, KINDS, Card, Scorecard, kinds, written
from models.volume import LabelVoxels, Volume

Floats = NDArray[np.float64]

STEPS = 6  # of a fact, equally many places in each
ON_MM = 2.0  # of an embolus's voxel: a place so near lies on it
OTHERS_WEIGHT = 0.02  # of a place on no embolus; there are hundreds for each that is
TOGETHER = 0.7  # how far several places on an embolus share its weight
SMALL, SMOOTH = 2.0, 8.0  # penalties on points, and on a step's difference to the next
EMBOLI = 8  # of a phantom: twice and more what patients have, for more of each level
SEEDS: dict[StyleName, tuple[int, ...]] = {
    "usual": (*range(1100, 1118), *range(1200, 1216)),
    "other": (*range(6100, 6118), *range(6200, 6216)),
}


@dataclass(frozen=True, eq=False)
class Seen:
    """The places of one volume: facts [n, FACTS], and the embolus each lies on [n], 0 = none."""

    facts: Floats
    on: NDArray[np.int64]


def look(volume: Volume, emboli: LabelVoxels) -> Seen | None:
    """A volume's places, held against the truth; None where no contrast is to be seen."""
    scene = see(volume)
    if scene is None:
        return None
    places = find_places(scene)
    voxels = np.round(volume.to_voxel(scene.grid.to_mm(places.at))).astype(int)
    at = tuple(np.clip(voxels, 0, np.array(emboli.shape) - 1).T)
    away, nearest = ndimage.distance_transform_edt(
        emboli == 0, sampling=volume.spacing_mm, return_indices=True
    )
    on = emboli[tuple(axis[at] for axis in nearest)].astype(np.int64)
    return Seen(places.facts, np.where(away[at] <= ON_MM, on, 0))


def fit(rows: Sequence[Seen]) -> Scorecard:
    """The scorecard of these volumes."""
    facts = np.concatenate([row.facts for row in rows])
    hit = np.concatenate([row.on > 0 for row in rows])
    weight = np.concatenate([_weights(row.on) for row in rows])
    kind = kinds(facts)
    return {
        name: _card(facts[kind == number], hit[kind == number], weight[kind == number])
        for number, name in enumerate(KINDS)
    }


def _card(facts: Floats, hit: NDArray[np.bool_], weight: Floats) -> Card:
    edges = tuple(
        np.unique(np.round(np.quantile(column, np.arange(1, STEPS) / STEPS), 4))
        for column in facts.T
    )
    codes = np.stack(
        [np.searchsorted(edge, column, side="right") for edge, column in
         zip(edges, facts.T, strict=True)], axis=1,
    )  # fmt: skip
    starts = np.concatenate([[0], np.cumsum([len(edge) + 1 for edge in edges])])
    points = _regressed(codes + starts[:-1], starts, hit, weight)
    each = tuple(points[a:b] for a, b in pairwise(starts))
    return Card(float(points[-1]), edges, each)


def _weights(on: NDArray[np.int64]) -> Floats:
    count = np.bincount(on)[on]
    return np.where(on > 0, 1 / count**TOGETHER, OTHERS_WEIGHT)


def _regressed(
    codes: NDArray[np.int64], starts: NDArray[np.int64], hit: NDArray[np.bool_], weight: Floats
) -> Floats:
    """Points of all steps of all facts, and of the start; codes [n, FACTS] are steps' numbers."""
    count = int(starts[-1])
    inner = np.ones(count - 1, dtype=bool)
    inner[starts[1:-1] - 1] = False  # from one fact's last step to the next one's first
    sign = np.where(hit, 1.0, -1.0)

    def cost(points: Floats) -> tuple[float, Floats]:
        margin = sign * (points[codes].sum(axis=1) + points[-1])
        loss = float((weight * np.logaddexp(0, -margin)).sum())
        pull = -weight * sign / (1 + np.exp(np.clip(margin, -30, 30)))
        slope = np.zeros(count + 1)
        slope += np.bincount(codes.ravel(), np.repeat(pull, codes.shape[1]), count + 1)
        slope[-1] = pull.sum()
        steps = np.diff(points[:-1]) * inner
        loss += 0.5 * (SMALL * float((points[:-1] ** 2).sum()) + SMOOTH * float((steps**2).sum()))
        slope[:-1] += SMALL * points[:-1]
        slope[1:-1] += SMOOTH * steps
        slope[:-2] -= SMOOTH * steps
        return loss, slope

    found = minimize(cost, np.zeros(count + 1), jac=True, method="L-BFGS-B",
                     options={"maxiter": 400})  # fmt: skip
    return np.asarray(found.x)


def _phantoms() -> Iterator[Seen]:
    for style, seed in ((style, seed) for style, seeds in SEEDS.items() for seed in seeds):
        made = ctpa_phantom.volume(np.random.default_rng(seed), style=style, emboli=EMBOLI)
        seen = look(made.volume, made.emboli)
        if seen is not None:
            yield seen


if __name__ == "__main__":
    FILE.write_text(written(fit(list(_phantoms()))), encoding="utf-8")
