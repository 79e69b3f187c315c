"""The paper's own way to the lines (1.5): patches about single pixels, told apart as lying on the
lumen-intima boundary, on the media-adventitia boundary or on neither; then the strongest answer in
each column, and two open snakes.

It stands beside the class map (tracing.py) so that both can be measured on the same images. What
the paper leaves open is ours: 32 x 32 pixels (as in the sister paper, Shin et al. 2016), how far
background keeps away, the band of rows that is swept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box, Lines, Pixels
from models.imaging.wall.geometry import by_column
from models.imaging.wall.locating import Stretch
from models.imaging.wall.snake import stiffened
from models.imaging.wall.tracing import STIFF_PX, Traced

Floats = NDArray[np.float64]

CLASSES = ("lumen_intima", "media_adventitia", "background")
PATCH_PX = 32  # across and down, of the image
FAR_PX = 6  # background is so far from both lines
AWAY_PX = 60  # and no farther than this from the wall: what a region of interest holds
BAND_PX = (44, 30)  # rows above and below the wall that was located: a plaque stands out of it
ON_PX = 1.0  # a pixel so near to a line lies on it
SEEN = 0.5  # the least response of either line for which a column has evidence


def patches(pixels: Pixels, centres: Floats, size: int) -> NDArray[np.uint8]:
    """[n, size, size, 3] about `centres` [n, 2] (x, y, sub-pixel), enlarged to what a network
    takes. Beyond the image its rim is repeated.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    found = np.empty((len(centres), size, size, 3), np.uint8)
    for k, (x, y) in enumerate(centres):
        part = cv2.getRectSubPix(grey, (PATCH_PX, PATCH_PX), (float(x), float(y)))
        found[k] = cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR)[..., None]
    return found


def centres(lines: Lines, each: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """`each` places of every class [3 each, 2] and their classes: on the lines, and near neither.

    Nothing is moved, turned or recoloured: the lines lie so close together that a shift would
    make of one the other (paper 1.5).
    """
    x, upper, lower = by_column(lines)
    picked = rng.integers(0, len(x), size=(len(CLASSES), each))
    rows = [upper[picked[0]], lower[picked[1]], _background(upper, lower, picked[2], rng)]
    places = np.column_stack([x[picked].ravel(), np.concatenate(rows)])
    return places, np.repeat(np.arange(len(CLASSES)), each)


def classes_at(lines: Lines, places: Floats) -> NDArray[np.int64]:
    """[n] what `places` [n, 2] show: a line they lie on, or background far from both. What lies
    between is UNKNOWN, as in training, and so are columns that nobody traced.
    """
    x, *heights = by_column(lines)
    if not len(x):
        return np.full(len(places), UNKNOWN, np.int64)
    away = np.stack([np.abs(np.interp(places[:, 0], x, y) - places[:, 1]) for y in heights])
    found = np.where(away.min(axis=0) >= FAR_PX, CLASSES.index("background"), UNKNOWN)
    found = np.where(away.min(axis=0) <= ON_PX, away.argmin(axis=0), found)
    found[(places[:, 0] < x[0]) | (places[:, 0] > x[-1])] = UNKNOWN
    return found.astype(np.int64)


def box_of(x: float, y: float) -> Box:
    """What of the image a patch about a pixel shows."""
    return x - PATCH_PX / 2, y - PATCH_PX / 2, x + PATCH_PX / 2, y + PATCH_PX / 2


def _background(
    upper: Floats, lower: Floats, columns: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Above, below, and between the lines where they leave room for it, by the room there is."""
    top, bottom = upper[columns], lower[columns]
    between = np.maximum(bottom - top - 2 * FAR_PX, 0.0)
    reach = float(AWAY_PX - FAR_PX)
    drawn = rng.uniform(0, 1, len(columns)) * (2 * reach + between)
    above = top - AWAY_PX + drawn
    inside = top + FAR_PX + (drawn - reach)
    below = bottom + FAR_PX + (drawn - reach - between)
    return np.where(drawn < reach, above, np.where(drawn < reach + between, inside, below))


@dataclass(frozen=True)
class Sweep:
    """The pixels of a region that are looked at one by one: every `step`-th column.

    x [c] columns, top [c] the first of `rows` rows in each of them.
    """

    x: Floats
    top: Floats
    rows: int

    @property
    def centres(self) -> Floats:
        """[c rows, 2], column after column, each from top to bottom."""
        y = self.top[:, None] + np.arange(self.rows)
        return np.column_stack([np.repeat(self.x, self.rows), y.ravel()])


def sweep(wall: Stretch, height: int, step: int) -> Sweep:
    """About a located wall, within an image of `height` rows."""
    rows = min(height, sum(BAND_PX) + 1)
    top = np.clip(np.round(wall.y[::step]) - BAND_PX[0], 0, height - rows)
    return Sweep(wall.x[::step], top, rows)


def swept(places: Sequence[Sequence[float]]) -> Sweep:
    """The sweep whose pixels these are: (x, y) of each, in its order."""
    x, y = np.array(places, dtype=np.float64).T
    columns, first = np.unique(x, return_index=True)
    return Sweep(columns, y[first], len(x) // len(columns))


def traced(found: Sweep, scores: NDArray[np.float32]) -> Traced:
    """Both lines from the classes' scores [c rows, 3].

    In each column the strongest response of each line; two open snakes, drawn to those by how
    strong they are; columns where either answers weakly are left out. Nothing here knows that the
    lines must not cross: where they do, both heights are their mean.
    """
    by_pixel = scores.reshape(len(found.x), found.rows, len(CLASSES))
    step = float(found.x[1] - found.x[0]) if len(found.x) > 1 else 1.0
    columns = np.arange(found.x[0], found.x[-1] + 1)
    lines = []
    strongest = by_pixel[..., :2].max(axis=1).astype(np.float64)
    for k in range(2):
        rows = found.top + by_pixel[..., k].argmax(axis=1)
        line = stiffened(rows, strongest[:, k], STIFF_PX / step)
        lines.append(np.interp(columns, found.x, line))
    weaker = strongest.min(axis=1)
    seen = np.interp(columns, found.x, (weaker >= SEEN).astype(np.float64)) >= SEEN
    evidence = np.interp(columns, found.x, weaker)
    middle = (lines[0] + lines[1]) / 2
    upper, lower = np.minimum(lines[0], middle), np.maximum(lines[1], middle)
    return Traced(columns[seen], upper[seen], lower[seen], len(columns), evidence[seen])
