"""Emboli: clots along the arteries, central to subsegmental, complete and partial."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.ctpa_phantom.grid import Field, Grid, Points
from models.imaging.ctpa_phantom.style import Looks
from models.imaging.ctpa_phantom.tree import Branches
from models.imaging.ctpa_phantom.tubes import Tubes, line, paint
from models.volume import LabelVoxels

Level = Literal["saddle", "lobar", "segmental", "subsegmental"]
Form = Literal["complete", "eccentric", "railway"]
LEVELS: tuple[Level, ...] = ("saddle", "lobar", "segmental", "subsegmental")
FORMS: tuple[Form, ...] = ("complete", "eccentric", "railway")
CHANCES = {"saddle": 0.06, "lobar": 0.22, "segmental": 0.40, "subsegmental": 0.32}
SHARES = {"lobar": (0.08, 0.40), "segmental": (0.022, 0.08), "subsegmental": (0.006, 0.022)}
THINNEST_MM = 1.4  # radius of an artery in which a clot can be told
FILLED = 0.5  # share of a voxel from which on it is the clot's
APART_MM = 9.0  # between any two emboli
SOME = (1, 8)  # emboli of a patient who has any
NONE = 0.25  # share of patients who have none
STEP_MM = 1.5


@dataclass(frozen=True, eq=False)
class Embolus:
    """A clot: tubes in the scanner's mm, how dense it is, and what a reader would call it."""

    tubes: Tubes
    hu: float
    level: Level
    form: Form

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(self.tubes.ends - self.tubes.starts, axis=1).sum())


def how_many(rng: np.random.Generator) -> int:
    """1 to 8, few more often than many."""
    return min(SOME[1], SOME[0] + int(rng.geometric(0.32)) - 1)


def any_or_none(rng: np.random.Generator) -> int:
    """0 for about a quarter of the patients, else as many as `how_many` says."""
    return how_many(rng) if rng.random() > NONE else 0


def told_from(grid: Grid) -> float:
    """Radius of the thinnest artery whose clot fills voxels of that grid."""
    return max(THINNEST_MM, 0.6 * grid.spacing_mm[2], 0.35 * grid.spacing_mm[0])


def emboli(
    rng: np.random.Generator,
    arteries: Branches,
    look: Looks,
    count: int,
    *,
    thinnest: float = THINNEST_MM,
    saddle: bool = True,
) -> tuple[Embolus, ...]:
    """`count` clots apart from each other (fewer, should the tree have no room for them)."""
    found: list[Embolus] = []
    children = arteries.children()
    taken = np.zeros((0, 3))
    for _ in range(40 * count):
        if len(found) == count:
            break
        level = LEVELS[int(rng.choice(len(LEVELS), p=list(CHANCES.values())))]
        if level == "saddle" and not saddle:
            continue
        way = _way(rng, arteries, children, level, thinnest, look.clot_length)
        if way is None:
            continue
        places, radii = way
        if len(taken) and _nearest(places, taken) < APART_MM:
            continue
        found.append(_clot(rng, places, radii, look, level, thinnest))
        taken = np.concatenate([taken, places])
    return tuple(found)


def _nearest(places: Points, others: Points) -> float:
    return float(np.linalg.norm(places[:, None] - others, axis=2).min())


def _way(
    rng: np.random.Generator,
    arteries: Branches,
    children: list[list[int]],
    level: Level,
    thinnest: float,
    longer: float,
) -> tuple[Points, NDArray[np.float64]] | None:
    """Places and radii along some stretch of artery of that level, `longer` times as long as
    usual; None where there is none.
    """
    if level == "saddle":
        return _saddle(rng, arteries, children)
    low, high = (share * arteries.endings[0] for share in SHARES[level])
    inner = (arteries.radii_mm >= thinnest) & (arteries.parents > 0)
    nodes = np.flatnonzero((arteries.endings >= low) & (arteries.endings < high) & inner)
    if not len(nodes):
        return None
    node = int(rng.choice(nodes))
    length = float(rng.uniform(2.2, 6.0) * arteries.radii_mm[node] + rng.uniform(6, 13)) * longer
    row = [int(arteries.parents[node]), node, *_onward(rng, arteries, children, node, length)]
    row = [k for k in row if arteries.radii_mm[k] >= 0.8 and children[k]]  # tips are too thin
    if len(row) < 2:
        return None
    radii = arteries.radii_mm[row]
    radii[:-1] = np.minimum(radii[:-1], 1.15 * radii[1:])  # as Branches.tubes
    return _cut(arteries.places[row], radii, float(rng.uniform(0, 3)), length)


def _onward(
    rng: np.random.Generator, arteries: Branches, children: list[list[int]], node: int, mm: float
) -> list[int]:
    """Nodes downstream, at each branching one of the two, the larger more often."""
    row: list[int] = []
    while mm > 0 and children[node]:
        behind = children[node]
        weights = arteries.endings[behind].astype(float)
        onward = int(rng.choice(behind, p=weights / weights.sum()))
        mm -= float(np.linalg.norm(arteries.places[onward] - arteries.places[node]))
        row.append(onward)
        node = onward
    return row


def _saddle(
    rng: np.random.Generator, arteries: Branches, children: list[list[int]]
) -> tuple[Points, NDArray[np.float64]]:
    """Across the end of the pulmonary trunk, into both main arteries."""
    fork = 0
    while len(children[fork]) == 1:
        fork = children[fork][0]
    sides = []
    for first in children[fork][:2]:
        mm = float(rng.uniform(14, 32))
        sides.append([first, *_onward(rng, arteries, children, first, mm)])
    row = [*sides[0][::-1], fork, *sides[1]]
    return _cut(arteries.places[row], arteries.radii_mm[row], 0.0, 1e9)


def _cut(
    places: Points, radii: NDArray[np.float64], start: float, length: float
) -> tuple[Points, NDArray[np.float64]]:
    """The stretch from `start` mm on, places evenly apart."""
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    end = min(float(run[-1]), start + length)
    start = min(start, 0.3 * end)
    at = np.linspace(start, end, max(4, round((end - start) / STEP_MM)))
    fine = np.column_stack([np.interp(at, run, places[:, k]) for k in range(3)])
    return fine, np.interp(at, run, radii)


def _clot(
    rng: np.random.Generator, places: Points, radii: NDArray[np.float64], look: Looks,
    level: Level, thinnest: float,
) -> Embolus:  # fmt: skip
    """A clot of some form in that stretch, lumpy and rounded at its ends."""
    form: Form = FORMS[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    if level == "saddle":
        form = "railway"
    if radii.mean() < look.filled * thinnest:
        form = "complete"
    share = {"complete": 1.06, "eccentric": rng.uniform(0.55, 0.75), "railway":
             rng.uniform(0.45, 0.65)}[form]  # fmt: skip
    t = np.linspace(-1, 1, len(places))
    lumps = np.interp(t, np.linspace(-1, 1, 7), rng.normal(1, 0.10, 7))
    if form == "complete":
        lumps = np.maximum(lumps, 0.97)
    thick = radii * share * lumps * np.maximum(1 - t**6, 0.35) ** 0.5
    if form == "eccentric":
        places = places + _aside(rng, places) * (radii - 0.75 * thick)[:, None]
    hu = float(np.clip(look.clot_hu + rng.normal(0, 8), 30, 90))
    return Embolus(line(places, thick), hu, level, form)


def _aside(rng: np.random.Generator, places: Points) -> Points:
    """One direction across the way at each place, the same all along."""
    way = np.gradient(places, axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    towards = rng.standard_normal(3)
    side = towards - way * (way @ towards)[:, None]
    return np.asarray(side / (np.linalg.norm(side, axis=1, keepdims=True) + 1e-9))


def fill(
    grid: Grid, clots: tuple[Embolus, ...], lumen: Field, hu: Field, labels: NDArray[np.uint8]
) -> None:
    """Lays the clots over `hu` within the lumen, and their numbers into `labels`, in place.

    A voxel is an embolus's if it fills half of it.
    """
    best = np.full(grid.shape, FILLED, np.float32)
    for number, clot in enumerate(clots, start=1):
        cover = np.zeros(grid.shape, np.float32)
        paint(cover, grid, clot.tubes)
        if not cover.any():
            continue
        # A complete clot may swell its artery by a little; the rest stays inside.
        cover = cover if clot.form == "complete" else np.minimum(cover, lumen)
        hu += cover * (np.float32(clot.hu) - hu)
        mine = cover >= best
        labels[mine] = number
        best[mine] = cover[mine]


def numbered(labels: LabelVoxels, count: int) -> tuple[LabelVoxels, list[int]]:
    """Emboli that are in the scan, each in one piece, numbered without gaps; which those were.

    What breathing tore off is left out: in a mask of one embolus it would count as another.
    """
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            pieces, _ = ndimage.label(labels[box] == number, np.ones((3, 3, 3)))
            largest = np.bincount(pieces.ravel())[1:].argmax() + 1
            labels[box][(pieces > 0) & (pieces != largest)] = 0
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = np.flatnonzero(sizes).tolist()
    numbers = np.zeros(count + 1, np.uint8)
    numbers[[k + 1 for k in kept]] = np.arange(1, len(kept) + 1)
    return numbers[labels], kept
