"""What the neck sends back: diffuse echo and mirror-like echo, planes in decibels and amplitudes.

Diffuse echo comes from scatterers and turns to speckle; mirror-like echo comes from the
boundaries that lie across the beam, and is steady along them. That of a boundary begins at it and
rises within a pulse's length, so that the line people draw, on the edge of the bright band towards
the probe, is where the boundary lies.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.imaging.brush import Plane, clouds, step
from models.imaging.carotid_phantom.style import Looks
from models.imaging.carotid_phantom.walls import Row, Walls, wander

MUSCLE, FAT, NEAR_FAR, BLOOD = -37.0, -31.0, -24.0, -75.0  # dB below full white
MEDIA, PLAQUE, ADVENTITIA, INTIMA = -43.0, -31.0, -9.0, -17.0
# Compressed to decibels an edge is seen before the middle of its blur, the more so the brighter:
LEAD = 1.5  # standard deviations of the pulse from its edge, as seen, to its middle
BEHIND = 1.9  # standard deviations of the point spread from the line to where adventitia begins
VEIN_FROM = 0.65


@dataclass(frozen=True, eq=False)
class Echo:
    """`diffuse` in dB, `mirror` as an amplitude; both [y, x] float32."""

    diffuse: Plane
    mirror: Plane


def neck(rng: np.random.Generator, look: Looks, at: Walls, x: Row, y: Row) -> Echo:
    """The tissue of a patient; `x` [columns], `y` [rows] in mm."""
    shape = (len(y), len(x))
    down = np.asarray(np.broadcast_to(y[:, None], shape), np.float32)
    diffuse, sheets = _around(rng, look, at, down)
    diffuse = _wall(rng, look, at, diffuse, down)
    diffuse, lumen = _lumen(rng, look, at, diffuse, down)
    mirror = _boundaries(rng, look, at, down) + sheets * (1 - lumen)
    return Echo(diffuse, np.asarray(mirror, np.float32))


def _around(rng: np.random.Generator, look: Looks, at: Walls, down: Plane) -> tuple[Plane, Plane]:
    """Skin, fat, muscle in fibres, fascia; and the tissue below the artery. Diffuse, mirror."""
    mottle = clouds(rng, down.shape, 14)
    streaks = _streaks(rng, down.shape)
    fat = look.fat_mm + 0.25 * wander(rng, down.shape[1], 4)
    fatty = step(fat - down, 0.5)
    upper = fatty * (FAT + 6 * streaks) + (1 - fatty) * (MUSCLE + 7 * streaks)
    below = step(down - at.adventitia, 0.8)
    deep = down - at.adventitia
    loose = NEAR_FAR - 2.2 * np.minimum(deep, 6) + 5 * streaks
    diffuse = (1 - below) * upper + below * loose + 2.0 * mottle
    sheets = _fascia(rng, look, at, down)
    skin = np.exp(-((down / 0.35) ** 2)) + 0.6 * np.exp(-(((down - 0.9) / 0.15) ** 2))
    diffuse = np.maximum(diffuse, -6 - 34 * (1 - skin))
    return np.asarray(diffuse, np.float32), sheets


def _streaks(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Fibres that run along the neck, of unit spread."""
    rows, columns = shape
    drawn = rng.normal(0, 1, (rows, max(3, columns // 45))).astype(np.float32)
    fibres = cv2.resize(drawn, (columns, rows), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(fibres, (0, 0), sigmaX=8.0, sigmaY=1.8)
    return np.asarray(fine * 2.6 + 0.6 * clouds(rng, shape, 5), np.float32)


def _fascia(rng: np.random.Generator, look: Looks, at: Walls, down: Plane) -> Plane:
    """Bright sheets over and under the artery, as amplitudes; a vein's walls are two of them."""
    columns = down.shape[1]
    roof = float(at.near_adventitia.min())
    sheets = np.zeros_like(down)
    depths = [look.fat_mm, *rng.uniform(look.fat_mm, max(roof - 1.0, look.fat_mm + 0.5), 2)]
    floor = at.adventitia + rng.uniform(2.5, 7.0, (3, 1)).astype(np.float32)
    lines = [depth + 0.35 * wander(rng, columns, 3) for depth in depths] + list(floor)
    for line in lines:
        strength = 10 ** (float(rng.uniform(-26, -12)) / 20)
        broken = np.clip(0.55 + 0.45 * wander(rng, columns, 14), 0, 1.3)
        line = line + 0.25 * wander(rng, columns, 4)
        sheets += strength * broken * _pulse(down - line, look.axial_mm * 1.5)
    return np.asarray(sheets, np.float32)


def _pulse(away: Plane, width: float) -> Plane:
    """The echo of a boundary, 1 at its middle; it begins where `away` is 0."""
    return np.asarray(np.exp(-(((away - LEAD * width) / width) ** 2) / 2), np.float32)


def _wall(rng: np.random.Generator, look: Looks, at: Walls, echo: Plane, down: Plane) -> Plane:
    """Adventitia on both sides, media and plaque between it and the lumen."""
    edge = 0.5 * look.axial_mm
    mottle = clouds(rng, down.shape, 30)
    thick = float(rng.uniform(0.5, 1.0))
    behind, before = down - at.adventitia, at.near_adventitia - down
    for away in (behind - BEHIND * look.axial_mm, before):
        bright = ADVENTITIA - 13 * np.clip(away / thick, 0, 4) ** 1.3 + 2.5 * mottle
        echo = np.where(away > -edge, np.maximum(echo, bright), echo)
    mound = step(np.broadcast_to(at.plaque, down.shape) - 0.15, 0.3)
    inner = MEDIA + (PLAQUE - MEDIA) * mound + 2.5 * mottle
    within = step(-behind, edge) * step(down - at.intima, edge)
    within += step(-before, edge) * step(at.near_intima - down, edge)
    within = np.clip(within, 0, 1)
    return np.asarray(echo * (1 - within) + inner * within, np.float32)


def _lumen(
    rng: np.random.Generator, look: Looks, at: Walls, echo: Plane, down: Plane
) -> tuple[Plane, Plane]:
    """Blood, and over it a haze: reverberation of the near wall, and side lobes. Echo, where."""
    edge = 0.5 * look.axial_mm
    inside = step(down - at.near_intima, edge) * step(at.intima - down, edge)
    since, until = down - at.near_intima, at.intima - down
    haze = look.clutter_db - 9 * np.clip(since, 0, None) + 4 * clouds(rng, down.shape, 8)
    lobes = look.clutter_db - 8 - 16 * np.clip(until, 0, None)
    cloud = look.clutter_db - 14 + 6 * clouds(rng, down.shape, 5)
    blood = np.maximum.reduce([np.full_like(down, BLOOD), haze, lobes, cloud])
    found = echo * (1 - inside) + blood * inside
    if look.vein > VEIN_FROM:
        found = _vein(rng, look, at, found, down)
    return np.asarray(found, np.float32), np.asarray(inside, np.float32)


def _vein(rng: np.random.Generator, look: Looks, at: Walls, echo: Plane, down: Plane) -> Plane:
    """The jugular vein, flat between muscle and artery, where there is room for it."""
    roof = at.near_adventitia - float(rng.uniform(0.6, 1.0))
    floor = look.fat_mm + 0.8
    height = np.clip(roof - floor, 0, float(rng.uniform(1.5, 4.5)))
    if float(height.max()) < 1.0:
        return echo
    top = roof - height * np.clip(0.85 + 0.15 * wander(rng, down.shape[1], 3), 0.4, 1)
    inside = step(down - top, 0.15) * step(roof - down, 0.15) * step(height - 0.7, 0.5)
    blood = look.clutter_db - 6 + 3 * clouds(rng, down.shape, 6)
    return np.asarray(echo * (1 - inside) + np.minimum(echo, blood) * inside, np.float32)


def _boundaries(rng: np.random.Generator, look: Looks, at: Walls, down: Plane) -> Plane:
    """The double line of the far wall, and that of the near wall, which is the less distinct.

    A boundary that lies aslant sends its echo elsewhere; in stretches the intima's fails.
    """
    columns = down.shape[1]
    steep = 10 ** (-((np.abs(np.rad2deg(np.arctan(at.slope))) / 9.0) ** 1.5) * 3 / 20)
    fails = look.dropout_db * step(wander(rng, columns, 9) - 0.6, 0.8)
    lines = (
        (at.intima, INTIMA, 1.0, fails),
        (at.adventitia + look.axial_mm, ADVENTITIA + 4, 1.4, 0.25 * fails),
        (at.near_adventitia - 2.5 * look.axial_mm, ADVENTITIA + 1, 1.6, 0.0 * fails),
        (at.near_intima - 2.0 * look.axial_mm, INTIMA - 5, 2.2, fails),
    )  # fmt: skip
    found = np.zeros_like(down)
    for line, strength, width, lost in lines:
        ripple = np.clip(1 + 0.3 * wander(rng, columns, 40), 0.2, 1.7)
        row = 10 ** ((strength - lost + 2 * wander(rng, columns, 5)) / 20) * ripple * steep
        found += row * _pulse(down - line, width * look.axial_mm)
    return np.asarray(found, np.float32)
