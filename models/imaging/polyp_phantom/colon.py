"""A stretch of colon as maps: what the wall is like at every place along it and around it.

The unit of length is the colon's radius, about 25 mm. A map's row is a place along the tube
(ALONG rows to the unit), its column a place around it (AROUND columns to the full turn). Both close
on themselves: what lies past the end is the beginning.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import Light, Plane, branch, soft

ALONG, AROUND = 64, 384
TILE = 640  # pixels of the fine texture, which repeats every full turn and every 2 pi units
POLYP, PITS, GLOSS, THIN = range(4)  # planes of `marks`; THIN: how well vessels shine through
TONES = ((0.93, 0.62, 0.54), (0.90, 0.52, 0.46), (0.90, 0.54, 0.38), (0.82, 0.48, 0.36))


@dataclass(frozen=True)
class Colon:
    """The maps of one patient, and how the tube bends. What grows in it is written into them."""

    relief: Plane  # [rows, AROUND] how far the wall stands into the lumen
    paint: Light  # [rows, AROUND, 3] colour of the wall in full light
    marks: NDArray[np.float32]  # [rows, AROUND, 4] 0..1
    tile: NDArray[np.float32]  # [TILE + 1, TILE + 1, 4] vessels, pits, slopes around and along
    bends: NDArray[np.float64]  # [2, waves, 3] per axis: strength, waves per unit, turn

    def centre(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """[2, n] where the tube's middle line runs."""
        strength, waves, turn = (self.bends[..., k, None] for k in range(3))
        return np.asarray((strength * np.sin(waves * along + turn)).sum(axis=1))

    def slope(self, along: float) -> NDArray[np.float64]:
        """[2] where the middle line heads."""
        strength, waves, turn = (self.bends[..., k] for k in range(3))
        return np.asarray((strength * waves * np.cos(waves * along + turn)).sum(axis=1))


@dataclass(frozen=True)
class Plot:
    """A piece of the maps around one place: its cells, and where they lie from it."""

    cells: tuple[NDArray[np.intp], NDArray[np.intp]]  # rows [n, 1], columns [1, m]
    a: Plane  # [n, 1] along the tube
    b: Plane  # [1, m] around it, as a length

    def plane(self, number: int) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
        """The cells in one plane of the marks."""
        return (*self.cells, number)


def plot(rows: int, along: float, turn: float, reach: tuple[float, float]) -> Plot:
    """The cells within `reach` (along, around) of a place."""
    middle, column = along * ALONG, turn / (2 * np.pi) * AROUND
    half = int(reach[0] * ALONG)
    here = np.arange(-half, half + 1) + round(middle)
    half = min(AROUND // 2 - 1, int(reach[1] / (2 * np.pi) * AROUND))
    there = np.arange(-half, half + 1) + round(column)
    a = ((here - middle) / ALONG).astype(np.float32)[:, None]
    b = ((there - column) * (2 * np.pi / AROUND)).astype(np.float32)[None, :]
    return Plot((here[:, None] % rows, there[None, :] % AROUND), a, b)


def disc(here: Plot, size: tuple[float, float], rim: NDArray[np.float64]) -> Plane:
    """1 in the middle of a wavy oval, 0 at its rim, below 0 outside.

    `rim` [waves, 2]: strength and turn of its waves, from two to the round on.
    """
    down, across = np.broadcast_arrays(here.a / size[0], here.b / size[1])
    angle = np.arctan2(down, across)
    out = np.ones_like(angle)
    for wave, (strength, turn) in enumerate(rim.tolist(), start=2):
        out += strength * np.cos(wave * angle + turn)
    return np.asarray(1 - np.hypot(across, down) / out, np.float32)


def bare(rng: np.random.Generator, length: float) -> Colon:
    """A healthy stretch: folds, colour, vessels; nothing grows on it yet."""
    rows = round(length * ALONG)
    relief = _folds(rng, rows)
    hollow = np.clip(_smoothed(relief) - relief, -0.12, 0.2)
    tone = 1 + 0.06 * _rings(rng, rows, 8) + 0.04 * _rings(rng, rows, 16)
    tone += 0.02 * _rings(rng, rows, 64) - 1.6 * hollow
    paint = _wall_colour(rng) * tone[..., None]
    paint[..., 1:] *= (1 + 0.06 * _rings(rng, rows, 8) + 0.03 * _rings(rng, rows, 32))[..., None]
    marks = np.zeros((rows, AROUND, 4), np.float32)
    marks[..., GLOSS] = np.clip(0.35 + 0.6 * _rings(rng, rows, 8), 0.05, 1)
    shown = float(rng.uniform(0.3, 1.1))
    marks[..., THIN] = shown * np.clip(0.7 + 0.4 * _rings(rng, rows, 4), 0, 1)
    return Colon(relief, np.asarray(paint, np.float32), marks, _tile(rng), _bends(rng))


def _bends(rng: np.random.Generator) -> NDArray[np.float64]:
    strength = rng.uniform([0.25, 0.03], [0.8, 0.12], (2, 2))
    waves = rng.uniform([0.35, 1.0], [0.6, 1.5], (2, 2))
    return np.stack([strength, waves, rng.uniform(0, 2 * np.pi, (2, 2))], axis=-1)


def _wall_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """Mucosa runs from pale salmon over rose to orange and brownish red."""
    return np.asarray(rng.dirichlet([0.5] * 4) @ TONES + rng.normal(0, 0.02, 3), np.float32)


def _rings(rng: np.random.Generator, rows: int, cells: int) -> Plane:
    """Smooth noise of unit spread without a seam, with `cells` knots to the turn."""
    pitch = AROUND // cells
    knots = np.pad(rng.standard_normal((rows // pitch, cells), dtype=np.float32), 2, "wrap")
    size = (knots.shape[1] * pitch, knots.shape[0] * pitch)
    noise = np.asarray(cv2.resize(knots, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return noise[2 * pitch : -2 * pitch, 2 * pitch : -2 * pitch]


def _smoothed(relief: Plane) -> Plane:
    """Without its folds; blurred at a quarter of its size, which is all that is left of it."""
    rows, columns = relief.shape
    small = soft(np.asarray(cv2.resize(relief, (columns // 4, rows // 4)), np.float32), 2.7)
    return np.asarray(cv2.resize(small, (columns, rows)), np.float32)


def _folds(rng: np.random.Generator, rows: int) -> Plane:
    """Semilunar folds, three to a ring between the three bands of muscle, and pouches between."""
    relief = 0.035 * _rings(rng, rows, 8) + 0.008 * _rings(rng, rows, 32)
    strength, count = float(rng.uniform(0.22, 0.46)), round(rows / ALONG / rng.uniform(0.62, 1.05))
    gaps = rng.uniform(0.75, 1.3, count)
    places = np.cumsum(gaps) / gaps.sum() * rows / ALONG
    bands = float(rng.uniform(0, 2 * np.pi))
    for place in places.tolist():
        shift = float(rng.uniform(0, 0.3))
        for third in range(3):
            middle = bands + third * 2 * np.pi / 3 + float(rng.normal(0, 0.12))
            height = strength * float(rng.choice([0.25, 0.8, 1.0, 1.15]))
            along = place + shift * (third - 1) + float(rng.normal(0, 0.05))
            _fold(rng, relief, along, middle, height)
    return relief


def _fold(
    rng: np.random.Generator, relief: Plane, along: float, middle: float, height: float
) -> None:
    """One fold: highest in its middle, thin at the crest, broad at the foot."""
    here = plot(len(relief), along, middle, (0.5, 1.4))
    bow, lean = float(rng.normal(0, 0.06)), float(rng.normal(0, 0.05))
    off = here.a + bow * here.b**2 + lean * here.b
    off += 0.02 * np.sin(7 * here.b + float(rng.uniform(0, 6)))
    span = np.clip(1 - (here.b / float(rng.uniform(1.1, 1.4))) ** 2, 0, 1) ** 1.3
    thin, broad = float(rng.uniform(0.055, 0.085)), 0.20
    ridge = 0.72 * np.exp(-((off / thin) ** 2)) + 0.28 * np.exp(-((off / broad) ** 2))
    relief[here.cells] += height * span * ridge


# ---- the fine texture -----------------------------------------------------------------------


def _tile(rng: np.random.Generator) -> NDArray[np.float32]:
    """Branching vessels 0..1, pits of unit spread, and the slopes of a wet uneven surface."""
    noise = rng.standard_normal((TILE, TILE), dtype=np.float32)
    fine, rough = (_blurred(noise, sigma) for sigma in (1.2, 1.9))
    wide = _blurred(rng.standard_normal((TILE // 4, TILE // 4), dtype=np.float32), 1.1)
    wide = np.asarray(cv2.resize(wide, (TILE, TILE), interpolation=cv2.INTER_CUBIC), np.float32)
    pits, bump = fine - rough, rough / rough.std() + 2.2 * wide / wide.std()
    planes = (
        soft(_vessels(rng), 0.6), pits / pits.std(),
        np.roll(bump, -1, 1) - bump, np.roll(bump, -1, 0) - bump,
    )  # fmt: skip
    tile = cv2.copyMakeBorder(cv2.merge(planes), 0, 1, 0, 1, cv2.BORDER_WRAP)
    return np.asarray(tile, np.float32)


def _vessels(rng: np.random.Generator) -> Plane:
    """Vessels that go on at the other side where they run over an edge."""
    edge = 130
    canvas = np.zeros((TILE + 2 * edge,) * 2, np.uint8)
    for _ in range(int(rng.integers(40, 75))):
        start = rng.uniform(edge, TILE + edge, 2)
        heading, steps = float(rng.uniform(0, 2 * np.pi)), int(rng.integers(24, 52))
        width = int(rng.choice([1, 2, 3], p=[0.35, 0.5, 0.15]))
        branch(rng, canvas, start, heading, steps, width)
    for _ in range(2):  # columns, then rows
        canvas[:, edge : 2 * edge] |= canvas[:, -edge:]
        canvas[:, -2 * edge : -edge] |= canvas[:, :edge]
        canvas = np.ascontiguousarray(canvas[:, edge:-edge].T)
    return np.asarray(canvas / 255, np.float32)


def _blurred(noise: Plane, sigma: float) -> Plane:
    """Without a seam at the edges."""
    edge = 16
    wide = cv2.copyMakeBorder(noise, edge, edge, edge, edge, cv2.BORDER_WRAP)
    return soft(np.asarray(wide, np.float32), sigma)[edge:-edge, edge:-edge]
