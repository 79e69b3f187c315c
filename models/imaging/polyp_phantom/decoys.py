"""What only looks like a polyp: ends of folds, the valve, residue, holes, red spots, foam."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import Plane, soft, step
from models.imaging.polyp_phantom.colon import GLOSS, THIN, Colon, Plot, disc, plot
from models.imaging.polyp_phantom.growths import nodules, rim

REACH = 0.9  # of the largest
STOOLS = ((0.74, 0.47, 0.18), (0.56, 0.34, 0.16), (0.88, 0.64, 0.28))
FLUID, FAT = (0.86, 0.62, 0.27), (0.93, 0.66, 0.44)


@dataclass(frozen=True)
class Bubble:
    """A bubble on the wall; lengths in radii of the colon."""

    along: float
    turn: float
    size: float


def decoy(rng: np.random.Generator, colon: Colon, along: float, turn: float, kind: str) -> None:
    """Works a decoy of one of KINDS into the colon's maps."""
    _MAKERS[kind](rng, colon, plot(len(colon.relief), along, turn, (REACH, REACH)))


def foam(rng: np.random.Generator, along: float, turn: float) -> tuple[Bubble, ...]:
    """A drift of bubbles about a place, many small ones and a few large."""
    count = int(rng.integers(12, 45))
    away = rng.normal(0, 0.16, (count, 2))
    sizes = np.clip(rng.gamma(2.0, 0.014, count), 0.012, 0.10)
    return tuple(
        Bubble(along + a, (turn + b) % (2 * np.pi), size)
        for (a, b), size in zip(away.tolist(), sizes.tolist(), strict=True)
    )


def _painted(colon: Colon, here: Plot, cover: Plane, colour: NDArray[np.float64]) -> None:
    share = cover[..., None]
    colon.paint[here.cells] = colon.paint[here.cells] * (1 - share) + share * colour


def _nub(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """The end of a fold, seen head-on: as round as a polyp, but of the wall's own skin."""
    size = (float(rng.uniform(0.11, 0.17)), float(rng.uniform(0.28, 0.5)))
    inside = disc(here, size, rim(rng, 0.05))
    height = float(rng.uniform(0.16, 0.30))
    colon.relief[here.cells] += height * np.exp(-(((1 - inside) / 0.8) ** 2))


def _valve(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """The ileocaecal valve: two fat yellowish lips with a slit between."""
    inside = disc(here, (0.26, 0.46), rim(rng, 0.035))
    lips = np.exp(-(((1 - inside) / 0.85) ** 4))
    slit = np.exp(-((here.a / 0.035) ** 2)) * np.exp(-((here.b / 0.30) ** 4)) * lips
    colon.relief[here.cells] += 0.27 * lips - 0.15 * slit
    _painted(colon, here, 0.55 * lips, np.array(FAT) + rng.normal(0, 0.03, 3))
    colon.paint[here.cells] *= (1 - 0.6 * slit)[..., None]


def _stool(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """Residue that sticks: brown or yellow, rough, dull."""
    size = float(rng.uniform(0.10, 0.30))
    inside = disc(here, (size, size * float(rng.uniform(0.7, 1.6))), rim(rng, 0.14))
    lumps = nodules(rng, inside)
    cover = step(inside + 0.35 * (lumps - 0.5), 0.14)
    brown = np.array(STOOLS[int(rng.integers(len(STOOLS)))]) * (1 + rng.normal(0, 0.05, 3))
    _painted(colon, here, cover, brown)
    colon.paint[here.cells] *= (1 - 0.25 * cover * (1 - lumps))[..., None]
    colon.relief[here.cells] += cover * (0.03 + 0.06 * lumps)
    colon.marks[here.plane(GLOSS)] *= 1 - 0.6 * cover
    colon.marks[here.plane(THIN)] *= 1 - cover


def _flecks(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """Specks of residue and a film of yellow fluid over a stretch of wall."""
    shape = np.broadcast_shapes(here.a.shape, here.b.shape)
    noise, drift = (soft(rng.standard_normal(shape, dtype=np.float32), s) for s in (0.9, 7.0))
    noise, drift = noise / noise.std(), drift / drift.std()
    edge = step(disc(here, (0.8, 0.8), rim(rng, 0.12)) - 0.1, 0.6)
    specks = step(noise + 0.9 * drift - 2.0, 0.5) * edge
    _painted(colon, here, 0.35 * step(drift - 0.6, 1.2) * edge, np.array(FLUID))
    _painted(colon, here, specks, np.array(STOOLS[0]))
    colon.marks[here.plane(THIN)] *= 1 - specks


def _hole(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """A diverticulum: a round dark mouth in the wall."""
    size = float(rng.uniform(0.07, 0.13))
    inside = disc(here, (size, size * float(rng.uniform(0.9, 1.3))), rim(rng, 0.07))
    colon.relief[here.cells] -= 0.35 * step(inside - 0.1, 0.5)
    colon.paint[here.cells] *= (1 - 0.75 * step(inside - 0.15, 0.45))[..., None]


def _spot(rng: np.random.Generator, colon: Colon, here: Plot) -> None:
    """A red patch, as suction leaves it: the colour of a polyp without its height."""
    inside = disc(here, (float(rng.uniform(0.12, 0.28)),) * 2, rim(rng, 0.12))
    red = colon.paint[here.cells].mean(axis=(0, 1)) * np.array([0.98, 0.68, 0.66])
    _painted(colon, here, 0.6 * step(inside - 0.1, 0.8), red)


Maker = Callable[[np.random.Generator, Colon, Plot], None]
_MAKERS: dict[str, Maker] = {
    "nub": _nub, "valve": _valve, "stool": _stool, "flecks": _flecks, "hole": _hole, "spot": _spot,
}  # fmt: skip
KINDS = tuple(_MAKERS)
