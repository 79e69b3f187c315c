"""Ribs, spine, breastbone and shoulder girdle."""

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom import shapes
from models.imaging.ctpa_phantom.grid import Field, Grid, Points, Stance
from models.imaging.ctpa_phantom.tubes import Tubes, joined, line

VERTEBRA_MM = 22.5  # from one to the next
FIRST_MM = 82.0  # height of the first rib's vertebra
RIBS = 11
CORTEX_HU, MARROW_HU, CARTILAGE_HU, DISC_HU = 780.0, 260.0, 110.0, 85.0
SPINE_Y = (66.0, 76.0)  # of the vertebrae's middles, at the top and from the carina down


def ribs() -> tuple[Tubes, Tubes]:
    """Bony ribs, and the cartilages from their ends to the breastbone."""
    bony, soft = [], []
    for number in range(RIBS):
        places, front = _rib(number)
        for side in (-1.0, 1.0):
            for height in (-2.6, 0.0, 2.6):  # ribs are taller than thick
                row = places * [side, 1, 1] + [0, 0, height]
                radius = 3.4 if height else 3.9
                bony.append(line(row[: front + 1], np.full(front + 1, radius)))
                if 0 < number < 7 and front + 1 < len(row):
                    soft.append(line(row[front:], np.full(len(row) - front, 3.6)))
    return joined(*bony), joined(*soft)


def _rib(number: int) -> tuple[Points, int]:
    """The left rib from its vertebra round to the front; at which place its bone ends."""
    top = FIRST_MM - VERTEBRA_MM * number
    fall = 22 + 5.5 * min(number, 8)
    turns = np.linspace(-1.36, 1.36 if number < 7 else 0.9 - 0.2 * (number - 7), 26)
    z = top + 4 - fall * (0.5 + 0.5 * np.sin(turns * 0.95)) - 0.12 * fall
    a, b, middle = (
        np.interp(z, shapes.HEIGHTS, row) for row in (shapes.WIDTHS, shapes.DEPTHS, shapes.MIDDLES)
    )
    cos, sin = np.cos(turns), -np.sin(turns)
    far = (np.abs(cos) ** 2.35 + np.abs(sin) ** 2.35) ** (-1 / 2.35)
    round_ = np.column_stack([(a + 5.5) * cos * far, (b + 5.5) * sin * far + middle, z])
    head = np.array([[17.0, spine_y(top) + 2, top + 3], [24.0, spine_y(top) + 14, top + 5]])
    return np.vstack([head, round_]), 22 if number < 7 else len(round_) + 1


def spine_y(z: float) -> float:
    """Where the middle of the vertebra at that height lies."""
    return float(np.interp(z, (20.0, 110.0), SPINE_Y[::-1]))


def girdle() -> Tubes:
    """Shoulder blades and collar bones."""
    rows = []
    for side in (-1.0, 1.0):
        for k in np.linspace(0, 1, 13):
            top, bottom = (
                np.array([58 + 62 * k, 96 - 26 * k, 78 - 6 * k]),
                np.array([96, 84, -42.0]),
            )
            points = top + np.linspace(0, 1, 5)[:, None] * (bottom - top)
            rows.append(line(points * [side, 1, 1], np.full(5, 2.6)))
        clavicle = np.array([(16, -62, 74), (44, -60, 86), (80, -30, 100), (112, 0, 112)])
        rows.append(line(clavicle * [side, 1, 1], np.array([7.0, 5, 5, 6])))
    return joined(*rows)


def breastbone() -> Tubes:
    """Manubrium and body, flat as they are."""
    rows = []
    for x in np.linspace(-12, 12, 9):
        z = np.array([66.0, 44, 30, 0, -40, -66])
        front = np.interp(z, shapes.HEIGHTS, shapes.MIDDLES) - np.interp(
            z, shapes.HEIGHTS, shapes.DEPTHS
        )
        width = np.interp(z, (-66, -40, 30, 44), (0.7, 1.1, 1.0, 1.6))
        rows.append(line(np.column_stack([x * width, front - 7, z]), np.full(len(z), 4.8)))
    return joined(*rows)


def processes() -> Tubes:
    """What stands out of the vertebrae behind: arches, spines, wings."""
    rows = []
    for number in range(-2, 14):
        z = FIRST_MM - VERTEBRA_MM * number
        y = spine_y(z)
        rows.append(line(np.array([(0, y + 34, z - 4), (0, y + 52, z - 22)]), np.array([4.0, 3.2])))
        for side in (-1.0, 1.0):
            wing = np.array([(12, y + 10, z + 3), (13, y + 24, z), (34, y + 28, z + 2)])
            rows.append(line(wing * [side, 1, 1], np.array([4.6, 4.6, 3.6])))
            roof = np.array([(13, y + 24, z), (0, y + 34, z - 5)])
            rows.append(line(roof * [side, 1, 1], np.array([4.4, 3.6])))
    return joined(*rows)


def spine(hu: Field, grid: Grid, stance: Stance, texture: Field) -> None:
    """Vertebrae and discs, laid over `hu` in place."""
    low, high = (-26.0, 44.0, -400.0), (26.0, 106.0, 400.0)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    reach = stance.to_scanner(corners)
    box = []
    for axis in (1, 2):
        along = grid.along(axis)
        inside = (along > reach[:, 2 - axis].min()) & (along < reach[:, 2 - axis].max())
        where = np.flatnonzero(inside)
        if not len(where):
            return
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    z, y, x = grid.along(0), grid.along(1)[box[0]], grid.along(2)[box[1]]
    zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
    body = stance.to_body(np.stack([xx, yy, zz], axis=-1))
    part = (slice(None), *box)
    hu[part] = _vertebra(body, hu[part], texture[part], grid.spacing_mm[2])


def _vertebra(p: Points, hu: Field, texture: Field, width: float) -> Field:
    x, y, z = (p[..., k].astype(np.float32) for k in range(3))
    middle = np.interp(z, (20.0, 110.0), SPINE_Y[::-1]).astype(np.float32)
    phase = ((z - FIRST_MM) / VERTEBRA_MM + 0.5) % 1 - 0.5
    radius = 16.2 + 5.0 * phase * phase * 4 * 0.5
    dent = 4.0 * np.exp(-((x / 8) ** 2)) * (y > middle)
    away = np.hypot(x / 1.12, (y - middle) + dent) - radius
    disc = _cover((0.39 - np.abs(phase)) * VERTEBRA_MM, width)
    shell = np.maximum(away, (np.abs(phase) - 0.39) * VERTEBRA_MM)
    bone = _cover(shell + 1.3, width) * (MARROW_HU - CORTEX_HU) + CORTEX_HU
    bone = bone + 45 * texture * (shell < -1.5)
    filled = (1 - disc) * bone + disc * DISC_HU
    laid = _cover(away, width)
    canal = _cover(np.hypot(x, y - middle - 24) - 8.5, width)
    hu = hu + laid * (filled - hu)
    return np.asarray(hu + canal * (28 - hu), np.float32)


def _cover(distance: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    return np.asarray(np.clip(0.5 - distance / width, 0, 1))
