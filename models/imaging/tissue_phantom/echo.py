"""What every tissue sends back: planes of echo in decibels below full white, placed in mm."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.imaging.brush import Plane, step
from models.imaging.tissue_phantom.anatomy import CANVAS, CANVAS_MM, Anatomy, Oval

MUSCLE, FAT, LUMEN, SHEATH, FASCICLE, LINE = -36.0, -33.0, -70.0, -15.0, -38.0, -5.0


def _sampled(plane: Plane, x: Plane, y: Plane) -> Plane:
    """The patient's own texture at places given in mm."""
    columns = np.asarray(x / CANVAS_MM + CANVAS[1] / 2, np.float32)
    rows = np.asarray(y / CANVAS_MM + 60, np.float32)
    picked = cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(picked, np.float32)


def tissue(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    """Skin, lobules of fat with their septa, muscle with its fibres, and fascia between."""
    mottle = _sampled(anatomy.mottle, x, y)
    septa = _sampled(anatomy.streaks, x * 1.4, y * 0.7)
    fatty = step(anatomy.fat + 0.25 * mottle - y, 0.6)
    echo = fatty * (FAT + 21 * septa + 1.5 * mottle)
    echo += (1 - fatty) * (_muscle(anatomy, x, y) + 2.2 * mottle)
    for depth, slope, bend, bright in anatomy.sheets.tolist():
        off = y - (depth + slope * x + bend * x * x + 0.12 * mottle)
        ridge = np.exp(-((off / 0.30) ** 2)) + 0.8 * np.exp(-(((off - 0.9) / 0.18) ** 2))
        ridge = ridge * np.clip(0.8 + 0.25 * mottle, 0, 1.1)
        echo = np.maximum(echo, LINE + bright - 34 * (1 - ridge))
    skin = np.exp(-((y / 0.5) ** 2)) + 0.8 * np.exp(-(((y - 1.3) / 0.22) ** 2))
    return np.asarray(np.maximum(echo, -5 - 30 * (1 - skin)), np.float32)


def _muscle(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    """Two muscles that meet in the vessel's plane, each with its own slant and brightness."""
    depth, slope, bend, _ = anatomy.sheets[1].tolist()
    lower = step(y - (depth + slope * x + bend * x * x), 0.4)
    sides = []
    for slant, bright in anatomy.muscles.tolist():
        fibres = _sampled(anatomy.streaks, x, y + slant * x)
        sides.append(MUSCLE + bright + 20 * fibres)
    return np.asarray(sides[0] * (1 - lower) + sides[1] * lower, np.float32)


@dataclass(frozen=True)
class Near:
    """Where every pixel lies as one oval sees it."""

    away: Plane  # distance from the rim, about; negative inside
    across: Plane  # place in the oval as a unit disc
    down: Plane
    radius: Plane


def near(oval: Oval, x: Plane, y: Plane, press: float = 1.0) -> Near:
    """`press` < 1 flattens the oval."""
    cos, sin = float(np.cos(oval.tilt)), float(np.sin(oval.tilt))
    height, width = oval.height * press, oval.width / press**0.5
    across = ((x - oval.x) * cos + (y - oval.y) * sin) / width
    down = ((y - oval.y) * cos - (x - oval.x) * sin) / height
    angle = np.arctan2(down, across)
    rim = np.ones_like(angle)
    for wave, (strength, turn) in enumerate(oval.waves.tolist(), start=2):
        rim += strength * np.cos(wave * angle + turn)
    radius = np.hypot(across, down) / rim
    away = (radius - 1) * np.hypot(height * np.sin(angle), width * np.cos(angle))
    return Near(away, across / rim, down / rim, radius)


def halo(echo: Plane, at: Near, reach: float) -> Plane:
    """Fat and loose tissue about a structure: brighter than muscle."""
    close = np.exp(-((np.maximum(at.away, 0) / reach) ** 2))
    return np.asarray(echo + close * np.maximum(-22 - echo, 0) * 0.8, np.float32)


def vessel(echo: Plane, at: Near, blood: float) -> Plane:
    """An empty lumen; the wall shines where it lies across the beam, above and below."""
    echo = halo(echo, at, 0.9)
    steep = np.abs(at.down) / np.maximum(at.radius, 1e-3)
    wall = np.exp(-(((at.away - 0.22) / 0.24) ** 2))
    echo = np.maximum(echo, -10 - 9 * (1 - steep) - 32 * (1 - wall))
    inside = step(-at.away, 0.2)
    return np.asarray(echo * (1 - inside) + blood * inside, np.float32)


def behind(at: Near) -> Plane:
    """dB gained below a vessel, as blood takes little, and lost below its edges."""
    below = step(at.down - 0.4, 0.8) * np.exp(-0.12 * np.maximum(at.away, 0))
    beam = step(0.9 - np.abs(at.across), 0.5)
    edge = np.exp(-(((np.abs(at.across) - 1.02) / 0.10) ** 2))
    return np.asarray(below * (7.0 * beam - 5.0 * edge), np.float32)


def nerve(echo: Plane, anatomy: Anatomy, at: Near, x: Plane, y: Plane) -> Plane:
    """Bright sheath and filling, dark fascicles."""
    inside = step(-at.away, 0.3)
    filling = SHEATH - 3 + 2.0 * _sampled(anatomy.mottle, x, y)
    for disc_x, disc_y, radius in anatomy.fascicles.tolist():
        hole = step(radius - np.hypot(at.across - disc_x, at.down - disc_y), 0.12)
        filling = filling * (1 - hole) + FASCICLE * hole
    echo = echo * (1 - inside) + filling * inside
    rim = np.exp(-(((at.away + 0.05) / 0.22) ** 2))
    return np.asarray(np.maximum(echo, SHEATH - 26 * (1 - rim)), np.float32)


def tendon(echo: Plane, anatomy: Anatomy, tendon: Oval, x: Plane, y: Plane) -> Plane:
    """As bright as a nerve, but of fine dots without any fascicle."""
    inside = step(-near(tendon, x, y).away, 0.4)
    dots = _sampled(anatomy.mottle, x * 3.1, y * 3.1)
    return np.asarray(echo * (1 - inside) + (-16 + 2.5 * dots) * inside, np.float32)


def bone(echo: Plane, depth: float, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """A bright bow and nothing behind it: echo, and the dB of the shadow."""
    surface = depth + 0.018 * (x - 2) ** 2
    ridge = np.exp(-(((y - surface) / 0.5) ** 2))
    shadow = 32 * step(y - surface - 0.4, 0.8)
    return np.asarray(np.maximum(echo, -3 - 70 * (1 - ridge)), np.float32), shadow
