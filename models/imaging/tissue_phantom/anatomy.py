"""The limb under the probe, as numbers: what all views of one patient share. Millimetres."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import Plane, clouds, step

CANVAS, CANVAS_MM = (560, 720), 0.11  # the patient's own texture: larger than any view


@dataclass(frozen=True)
class Oval:
    """An ellipse with a wavy rim: a vessel, a nerve or a tendon."""

    x: float  # of its middle
    y: float
    width: float  # half axes
    height: float
    tilt: float  # radians
    waves: NDArray[np.float64]  # [4, 2] strength and turn of the rim's waves


@dataclass(frozen=True)
class Anatomy:
    """What all views of one patient share."""

    vessels: tuple[Oval, ...]
    nerve: Oval
    tendon: Oval | None
    fascicles: NDArray[np.float64]  # [n, 3] x, y, radius in the nerve as a unit disc
    fat: float  # depth at which the fat ends
    sheets: NDArray[np.float64]  # [n, 4] fascia: depth, slope, bend, brightness
    bone: float | None  # depth of its surface
    streaks: Plane  # [CANVAS] fibres of muscle and septa of fat, 0..1
    mottle: Plane  # [CANVAS] unit spread
    muscles: NDArray[np.float64]  # [2, 2] above and below the vessel's plane: slant, brightness
    spacing_mm: float


def anatomy(rng: np.random.Generator, size: tuple[int, int]) -> Anatomy:
    """A limb: the vessel and the nerve side by side in the depth between fat and bone."""
    spacing = round(float(rng.uniform(0.10, 0.15)), 3)
    deep, wide = size[0] * spacing, size[1] * spacing
    fat = float(rng.uniform(0.12, 0.26)) * deep
    depth = fat + float(rng.uniform(0.14, 0.32)) * deep
    side = float(rng.choice([-1, 1]))
    artery = _oval(rng, side * rng.uniform(0.02, 0.14) * wide, depth, rng.uniform(1.7, 4.2), 1.12)
    nerve = _oval(rng, 0.0, 0.0, rng.uniform(1.6, 3.2), float(rng.uniform(1.2, 2.4)))
    gap = artery.width + nerve.width + float(rng.uniform(0.5, 2.0))
    nerve = replace(nerve, x=artery.x - side * gap, y=depth + float(rng.normal(0, 1.8)))
    vessels = [artery]
    if rng.random() < 0.45:  # a vein, flatter, on the other side
        vein = _oval(rng, 0.0, 0.0, rng.uniform(1.2, 2.4), float(rng.uniform(1.4, 2.2)))
        away = artery.width + vein.width + float(rng.uniform(0.6, 1.2))
        vessels.append(replace(vein, x=artery.x + side * away, y=depth + float(rng.normal(0, 0.8))))
    tendon = None
    if rng.random() < 0.5:
        tendon = _oval(rng, 0.0, 0.0, rng.uniform(1.2, 2.0), float(rng.uniform(1.3, 2.0)))
        place = -side * rng.uniform(0.30, 0.42) * wide
        tendon = replace(tendon, x=place, y=fat + tendon.height + float(rng.uniform(0.6, 2.0)))
    return Anatomy(
        vessels=tuple(vessels),
        nerve=nerve,
        tendon=tendon,
        fascicles=_fascicles(rng),
        fat=fat,
        sheets=_sheets(rng, fat, depth, deep),
        bone=float(rng.uniform(0.80, 0.98)) * deep if rng.random() < 0.6 else None,
        streaks=_streaks(rng),
        mottle=clouds(rng, CANVAS, 16) + 0.6 * clouds(rng, CANVAS, 60),
        muscles=np.column_stack([rng.normal(0, 0.16, 2), rng.uniform(-4, 4, 2)]),
        spacing_mm=spacing,
    )


def _oval(rng: np.random.Generator, x: float, y: float, size: float, aspect: float) -> Oval:
    waves = np.column_stack([rng.normal(0, [0.05, 0.04, 0.025, 0.015]), rng.uniform(0, 6.28, 4)])
    root = float(np.sqrt(aspect))
    return Oval(
        float(x), y, float(size) * root, float(size) / root, float(rng.normal(0, 0.2)), waves
    )


def _fascicles(rng: np.random.Generator) -> NDArray[np.float64]:
    """Discs thrown into the unit disc until it is full: [n, 3] x, y, radius."""
    discs: list[tuple[float, float, float]] = []
    for largest, throws in ((0.30, 30), (0.22, 60), (0.15, 80)):
        for _ in range(throws):
            x, y = rng.uniform(-0.9, 0.9, 2).tolist()
            radius = float(largest * rng.uniform(0.85, 1.1))
            inside = np.hypot(x, y) + radius < 0.90
            if inside and all(np.hypot(x - a, y - b) > radius + r + 0.06 for a, b, r in discs):
                discs.append((x, y, radius))
    return np.array(discs)


def _sheets(rng: np.random.Generator, fat: float, depth: float, deep: float) -> NDArray[np.float64]:
    """Fascia: the one under the fat, one past the vessel, and one or two that run deeper."""
    depths = [fat, depth + rng.uniform(-1.5, 1.0), *rng.uniform(depth + 3.5, deep, 2)]
    slopes = [rng.normal(0, 0.02), rng.normal(0, 0.10), *rng.normal(0, 0.16, 2)]
    bends = rng.normal(0, [0.0006, 0.003, 0.004, 0.004])
    return np.column_stack([depths, slopes, bends, rng.uniform(-9, 0, 4)])


def _streaks(rng: np.random.Generator) -> Plane:
    """Bright threads along the width, most of them faint."""
    noise = rng.standard_normal(CANVAS, dtype=np.float32)
    thin = cv2.GaussianBlur(noise, (0, 0), sigmaX=22, sigmaY=1.1)
    broad = cv2.GaussianBlur(noise, (0, 0), sigmaX=30, sigmaY=3.5)
    threads = thin / thin.std() + 0.6 * broad / broad.std()
    return step(threads - 1.6, 2.2)
