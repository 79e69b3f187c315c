"""Polyps by their Paris class: what they are, and how the wall is worked where they stand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import Plane, soft, step
from models.imaging.polyp_phantom.colon import PITS, POLYP, THIN, Colon, Plot, disc, plot

KINDS = ("0-IIa", "0-Is", "0-Isp", "0-Ip")  # flat, sessile, on a short neck, on a stalk
SIZES = {"0-IIa": (0.22, 0.48), "0-Is": (0.13, 0.36), "0-Isp": (0.12, 0.30), "0-Ip": (0.13, 0.26)}
RISES = {"0-IIa": (0.0, 0.0), "0-Is": (0.05, 0.35), "0-Isp": (0.55, 0.85), "0-Ip": (1.5, 2.6)}
TINTS = (  # against the wall: red, reddish, paler, nearly alike
    (1.02, 0.83, 0.82), (1.02, 0.90, 0.88), (1.08, 1.13, 1.08), (1.05, 0.97, 0.92),
)  # fmt: skip


@dataclass(frozen=True)
class Polyp:
    """One polyp; lengths are in units of its `size`. A flat one is all in the colon's maps."""

    kind: str
    along: float  # of its foot
    turn: float
    size: float  # half its width, in radii of the colon
    rise: float  # of the head's middle above the wall
    length: float  # along the tube against around it, as a root
    squash: float  # height of the head against its width
    lean: tuple[float, float]  # along and around, per unit of rise
    lobes: NDArray[np.float32]  # [n, 4] along, around, up from the head's middle, radius
    waves: NDArray[np.float32]  # [2, 4] directions and turns of its unevenness
    neck: float  # radius of the stalk, 0 without one
    colour: NDArray[np.float32]  # RGB
    wall: NDArray[np.float32]  # RGB around it
    pits: float  # how deep they are
    shift: tuple[float, float]  # in the fine texture

    @property
    def solid(self) -> bool:
        """Whether it stands in front of the wall, rather than in its relief."""
        return self.kind != "0-IIa"

    @property
    def top(self) -> float:
        """How far it reaches into the lumen, in radii of the colon."""
        return self.size * (self.rise + self.squash if self.solid else 0.2)


def rim(rng: np.random.Generator, strength: float) -> NDArray[np.float64]:
    """Waves of an outline for `disc`: [4, 2], the finer the weaker."""
    falling = strength * np.array([1.0, 0.7, 0.5, 0.35])
    return np.column_stack([rng.normal(0, falling), rng.uniform(0, 2 * np.pi, 4)])


def polyp(rng: np.random.Generator, colon: Colon, along: float, turn: float, kind: str) -> Polyp:
    """A polyp of `kind` at a place; its foot, or all of a flat one, goes into the colon's maps."""
    size = float(rng.uniform(*SIZES[kind]))
    here = plot(len(colon.relief), along, turn, (size * 2.6, size * 2.6))
    wall = colon.paint[here.cells].mean(axis=(0, 1))
    squash = float(rng.uniform(0.65, 0.95))
    leaning = 0.45 if kind in ("0-Isp", "0-Ip") else 0.0
    tint = np.array(TINTS[int(rng.choice(4, p=[0.35, 0.3, 0.2, 0.15]))]) + rng.normal(0, 0.03, 3)
    waves = np.column_stack([rng.normal(0, 1.7, (2, 3)), rng.uniform(0, 2 * np.pi, 2)])
    found = Polyp(
        kind=kind, along=along, turn=turn, size=size, rise=float(rng.uniform(*RISES[kind])),
        length=float(rng.uniform(0.85, 1.18)), squash=squash,
        lean=(leaning * float(rng.normal()), leaning * float(rng.normal())),
        lobes=_lobes(rng, squash), waves=waves.astype(np.float32),
        neck=float(rng.uniform(0.26, 0.42)) if kind == "0-Ip" else 0.0,
        colour=np.minimum(wall * tint, 0.97).astype(np.float32), wall=wall,
        pits=float(rng.uniform(0.3, 1.0)),
        shift=(float(rng.uniform(0, 1000)), float(rng.uniform(0, 1000))),
    )  # fmt: skip
    if found.solid:
        _foot(rng, colon, here, found)
    else:
        _flat(rng, colon, here, found)
    return found


def _lobes(rng: np.random.Generator, squash: float) -> NDArray[np.float32]:
    """Balls on the head's surface: one on a nearly smooth one, up to eight on a lobed one."""
    count = int(rng.choice([1, 3, 5, 8], p=[0.3, 0.25, 0.25, 0.2]))
    around, up = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.2, 0.95, count)
    flat, out = np.sqrt(1 - up**2), rng.uniform(0.6, 0.9, count)
    places = out * np.array([flat * np.cos(around), flat * np.sin(around), squash * up])
    return np.column_stack([*places, rng.uniform(0.28, 0.5, count)]).astype(np.float32)


def _foot(rng: np.random.Generator, colon: Colon, here: Plot, polyp: Polyp) -> None:
    """The wall is drawn up a little where a polyp stands on it, and a fold is flattened."""
    inside = disc(here, (polyp.size * 1.25,) * 2, rim(rng, 0.045))
    bump = np.exp(-(((1 - inside) / 0.75) ** 2))
    _levelled(colon, here, bump)
    colon.relief[here.cells] += 0.16 * polyp.size * bump
    colon.marks[here.plane(THIN)] *= 1 - 0.6 * bump


def _levelled(colon: Colon, here: Plot, where: Plane) -> None:
    """Takes most of a fold away where a polyp stands (0..1)."""
    relief = colon.relief[here.cells]
    level = float(np.average(relief, weights=where))
    colon.relief[here.cells] = relief + 0.7 * (level - relief) * where


def _flat(rng: np.random.Generator, colon: Colon, here: Plot, polyp: Polyp) -> None:
    """A plateau that follows the wall: a soft step at its rim, low nodules on top."""
    size = (polyp.size, polyp.size * float(rng.uniform(0.8, 1.2)))
    inside = disc(here, size, rim(rng, 0.11))
    lumps = nodules(rng, inside)
    inside += 0.10 * (lumps - 0.5)
    plateau, cover = np.clip(inside / 0.45, 0, 1), step(inside - 0.08, 0.26)
    height = polyp.size * float(rng.uniform(0.15, 0.28))
    rounded = (plateau * (2 - plateau)) ** 0.8
    _levelled(colon, here, np.exp(-((np.minimum(inside - 0.6, 0) / 0.6) ** 2)))
    colon.relief[here.cells] += height * rounded * (0.8 + 0.35 * lumps) * cover
    share = cover[..., None]
    mottled = polyp.colour * (0.95 + 0.10 * lumps[..., None])
    colon.paint[here.cells] = colon.paint[here.cells] * (1 - share) + mottled * share
    for plane, value in ((POLYP, step(inside, 0.03)), (PITS, cover * np.float32(polyp.pits))):
        colon.marks[here.plane(plane)] = np.maximum(colon.marks[here.plane(plane)], value)
    colon.marks[here.plane(THIN)] *= 1 - cover


def nodules(rng: np.random.Generator, like: Plane) -> Plane:
    """Rounded bumps, 0..1, about points thrown at random; of the shape of `like`."""
    rows, columns = like.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    nearest = np.full(like.shape, np.inf, np.float32)
    for py, px in rng.uniform((0, 0), (rows, columns), (max(6, like.size // 90), 2)).tolist():
        nearest = np.minimum(nearest, (y - py) ** 2 + (x - px) ** 2)
    return soft(np.exp(-nearest / 26), 0.7)
