"""A synthetic breast ultrasound: one lesion in speckle, drawn from arithmetic alone.

Three classes that differ as in the textbook: a cyst is smooth and empty and brightens what lies
below; a benign solid is smooth, grey and wider than tall; a malignant one is ragged, darker,
taller than wide and casts a shadow. The features overlap, so no reader is always right.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.case import Pixels
from models.imaging.brush import Plane, clouds
from models.task import Phantom

CLASSES = ("benign", "cyst", "malignant")
HEIGHT, WIDTH = SIZE = 192, 256
VIEWS = 2  # images per patient, one lesion in two planes
LOOKS = 2.6  # of the speckle: the fewer, the coarser the contrast


@dataclass(frozen=True)
class Lesion:
    """One lesion; lengths in pixels, brightness relative to the tissue around it."""

    label: str
    width: float
    height: float
    raggedness: float
    brightness: float
    below: float  # factor on what lies behind: > 1 enhancement, < 1 shadow
    edge: float


def patient(rng: np.random.Generator, index: int) -> Phantom:
    """VIEWS images of one lesion of class `index` modulo three, with a row for each."""
    subject, label = f"patient_{index:03d}", CLASSES[index % len(CLASSES)]
    lesion, gain = _lesion(rng, label), float(rng.uniform(0.85, 1.2))
    files, rows = {}, []
    for view in range(VIEWS):
        name = f"{label}/{subject}_{view}.png"
        _, coded = cv2.imencode(".png", image(rng, lesion, gain))
        files[name] = coded.tobytes()
        rows.append({"file_name": name, "label": label, "subject": subject})
    return Phantom(subject, files, tuple(rows))


def _lesion(rng: np.random.Generator, label: str) -> Lesion:
    """Draws the features of a class; each overlaps with its neighbour's."""
    size = float(rng.uniform(22, 46))

    def near(value: float, spread: float) -> float:
        return float(value + spread * rng.normal())

    if label == "cyst":
        slim, ragged, bright, below = (
            near(0.80, 0.12),
            near(0.03, 0.02),
            near(0.12, 0.09),
            near(1.5, 0.2),
        )
    elif label == "benign":
        slim, ragged, bright, below = (
            near(0.65, 0.12),
            near(0.06, 0.03),
            near(0.42, 0.10),
            near(1.1, 0.2),
        )
    else:
        slim, ragged, bright, below = (
            near(1.05, 0.20),
            near(0.17, 0.06),
            near(0.30, 0.10),
            near(0.65, 0.2),
        )
    return Lesion(
        label=label,
        width=size / max(slim, 0.4) ** 0.5,
        height=size * max(slim, 0.4) ** 0.5,
        raggedness=max(ragged, 0.0),
        brightness=float(np.clip(bright, 0.03, 0.9)),
        below=float(np.clip(below, 0.35, 1.9)),
        edge=float(rng.uniform(2, 5)) if label != "malignant" else float(rng.uniform(4, 9)),
    )


def image(rng: np.random.Generator, lesion: Lesion, gain: float) -> Pixels:
    """One view as grey [y, x] uint8, log-compressed as a scanner shows it."""
    echo = _tissue(rng)
    inside, below = _shape(rng, lesion)
    echo = echo * (1 + (lesion.below - 1) * below) * (1 - inside * (1 - lesion.brightness))
    speckle = rng.gamma(LOOKS, 1 / LOOKS, echo.shape).astype(np.float32)
    speckle = np.asarray(cv2.GaussianBlur(speckle, (0, 0), sigmaX=1.3, sigmaY=0.8), np.float32)
    shown = 0.62 + 0.24 * np.log(np.maximum(echo * speckle**1.6 * gain, 1e-3))
    shown = shown + rng.normal(0, 0.012, shown.shape)
    return np.asarray(np.clip(shown * 255, 0, 255).round(), dtype=np.uint8)


def _tissue(rng: np.random.Generator) -> Plane:
    """Skin, fat, gland and muscle as bright and dark bands that wander, dimmer with depth."""
    y, _ = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    depth = y / HEIGHT + 0.035 * clouds(rng, SIZE, 4)
    fat, muscle = rng.uniform(0.16, 0.26), rng.uniform(0.76, 0.88)
    echo = np.where(depth < fat, 0.45, np.where(depth < muscle, 0.95, 0.5))
    echo = echo * np.exp(0.28 * clouds(rng, SIZE, 7) + 0.20 * clouds(rng, SIZE, 22))
    bands = np.zeros_like(echo)
    for line in (0.03, fat, muscle, muscle + 0.05):
        bands += np.exp(-(((depth - line) / 0.009) ** 2))
    for _ in range(int(rng.integers(3, 7))):  # fibres
        line, slope = rng.uniform(0.25, 0.8), 0.02 * clouds(rng, SIZE, 3)
        bands += (
            0.6 * np.exp(-(((depth + slope - line) / 0.006) ** 2)) * (clouds(rng, SIZE, 5) > 0.2)
        )
    return np.asarray((echo + 1.4 * bands) * np.exp(-0.55 * depth), np.float32)


def _shape(rng: np.random.Generator, lesion: Lesion) -> tuple[Plane, Plane]:
    """How much of each pixel is lesion, and how much it lies behind it, both 0..1."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    middle_x = WIDTH * rng.uniform(0.33, 0.67)
    middle_y = HEIGHT * rng.uniform(0.40, 0.58)
    across = (x - middle_x) / (lesion.width * rng.uniform(0.92, 1.08))
    down = (y - middle_y) / (lesion.height * rng.uniform(0.92, 1.08))
    angle = np.arctan2(down, across)
    rim = np.ones_like(angle)
    for waves in (2, 3, 5, 8, 13):  # a few broad lobes and, if ragged, spicules
        strength = lesion.raggedness * (0.9 if waves < 8 else 0.55)
        rim = rim + strength * np.cos(waves * angle + rng.uniform(0, 2 * np.pi)) * rng.uniform(
            0.4, 1
        )
    away = (np.hypot(across, down) - rim) * min(lesion.width, lesion.height)
    inside = np.clip(0.5 - away / lesion.edge, 0, 1)
    beam = np.clip((1.02 - np.abs(across)) * 6, 0, 1)
    behind = beam * np.clip((down - 0.3) * 2, 0, 1) * (1 - inside)
    return np.asarray(inside, np.float32), np.asarray(behind, np.float32)
