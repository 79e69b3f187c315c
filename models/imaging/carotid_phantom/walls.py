"""The artery cut along its axis, as lines: where its walls run, and how thick they are. mm."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.carotid_phantom.style import Looks

Row = NDArray[np.float32]  # [x], one value per column
PLAQUE_MIN_MM = 0.25  # what stands out less is no plaque
IMT_SPREAD = 0.05  # of the thickness along a healthy wall, a share of it
MARGIN_MM = 1.5  # of tissue that the image has below the far wall at the least


@dataclass(frozen=True, eq=False)
class Walls:
    """Depth in mm of each boundary, per column of the image.

    `near_adventitia` and `near_intima` bound the near wall from outside and inside, `intima` and
    `adventitia` are the lumen-intima and media-adventitia lines of the far wall. `slope` is that
    of the far wall; `plaque` says where the far wall stands out, in mm.
    """

    near_adventitia: Row
    near_intima: Row
    intima: Row
    adventitia: Row
    slope: Row
    plaque: Row


def walls(rng: np.random.Generator, look: Looks, x: Row) -> Walls:
    """The artery of a patient; `x` [columns] in mm, 0 in the middle of the image."""
    half = float(np.abs(x).max())
    middle = _middle(rng, look, x, half)
    radius = look.lumen_mm / 2 + 0.15 * wander(rng, len(x), 3)
    bulb = max(look.bulb_mm, 0.0) * _ramp(x * float(rng.choice([-1, 1])), half)
    inner = np.asarray(radius + bulb, np.float32)
    slant = np.cos(np.arctan(np.gradient(middle, x)))  # thickness is measured across the wall
    far, near = (look.imt_mm * (1 + IMT_SPREAD * wander(rng, len(x), 6)) / slant for _ in "fn")
    plaque = _plaque(rng, x, look.plaque_mm)
    adventitia = np.asarray(middle + inner + far, np.float32)
    intima = np.asarray(adventitia - far - plaque, np.float32)
    near_adventitia = np.asarray(middle - inner - near, np.float32)
    near_intima = near_adventitia + near + _plaque(rng, x, look.plaque_near_mm)
    near_intima = np.minimum(near_intima, intima - 0.35 * look.lumen_mm)
    return Walls(
        near_adventitia, np.asarray(near_intima, np.float32), intima, adventitia,
        np.asarray(np.gradient(intima, x), np.float32), plaque,
    )  # fmt: skip


def _middle(rng: np.random.Generator, look: Looks, x: Row, half: float) -> Row:
    """The axis: tilted, bent, slightly wavy, and so deep that the image holds both walls."""
    rise = np.tan(np.deg2rad(look.tilt_deg)) * x + look.bend_mm * (x / half) ** 2
    wave = look.wave_mm * np.sin(2 * np.pi * x / float(rng.uniform(14, 30)) + rng.uniform(0, 6.28))
    away = rise + wave
    reach = look.lumen_mm / 2 + max(look.bulb_mm, 0.0) + look.imt_mm + MARGIN_MM
    low, high = reach + 0.5 - float(away.min()), look.span_mm - reach - float(away.max())
    depth = min(max(look.depth_mm, low), high) if low < high else (low + high) / 2
    return np.asarray(depth + away, np.float32)


def _plaque(rng: np.random.Generator, x: Row, height: float) -> Row:
    """A smooth, slightly lopsided mound somewhere along the wall."""
    at, long, lean = float(rng.uniform(x[0], x[-1])), float(rng.uniform(2, 4.5)), rng.uniform(-1, 1)
    if height < PLAQUE_MIN_MM:
        return np.zeros_like(x)
    away = (x - at) / long
    mound = np.exp(-(np.abs(away * (1 + 0.3 * lean * np.tanh(away))) ** 2.4))
    return np.asarray(height * mound * (1 + 0.08 * wander(rng, len(x), 12)), np.float32)


def _ramp(x: Row, half: float) -> Row:
    """0 up to the middle, 1 at the far end, smooth."""
    t = np.clip((x / half - 0.2) / 0.9, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def wander(rng: np.random.Generator, length: int, knots: int) -> Row:
    """A smooth random line of unit spread, [length], with so many knots along it."""
    drawn = rng.normal(0, 1, (1, knots + 1)).astype(np.float32)
    return np.asarray(cv2.resize(drawn, (length, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)
