"""Where the far wall runs in a frame, by classical means: a dark lumen lies on a bright wall.

Grey levels are ranked within what the probe shows, so that gain and compression do not matter.
At every place what lies above is held against what lies below, over several depths: a near wall
has a lumen below it and a fascia tissue above, so neither looks like a far wall. Dynamic
programming joins the best places to a path from column to column (Bellman 1957). The network
then judges: where two paths look alike, both are looked at.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Box, Pixels
from models.imaging.wall.geometry import HALF
from models.imaging.wall.paths import best_path

Floats = NDArray[np.float64]
Grey = NDArray[np.float32]

ROWS = 200  # the image is looked at with about so many rows: speckle is gone, walls are there
# In pixels of the image; between 0.04 and 0.1 mm a pixel a lumen is 50 to 200 pixels high.
LUMEN_PX = ((-20, 0), (-50, 0))  # above a far wall it is dark
WALL_PX = ((0, 16), (0, 56), (30, 100))  # and below it bright, deeper than a near wall reaches
ROOM_PX = 80  # below the skin there is tissue, a near wall and a lumen, all before a far wall
APART_PX = 40  # a second path keeps away from the first
ASPECT = 2  # and with half as many columns to the same length: walls run along
SLOPE = 2  # rows a path may climb from one reduced column to the next: 45 degrees
STEEP = 0.02  # what a row's climb costs, in shares of the range of grey levels
CONTRAST = 0.12  # of that range: below it nothing looks like a wall
LIT = 0.2  # of a path's columns must have contrast
BLACK = 6  # grey levels up to here may be the surround of the image
WIDE = 0.5  # of the widest thing that is not black: what is narrower is no part of the picture
FILLED = 0.3  # of the fullest row: a row or column with less light is the surround's


@dataclass(frozen=True)
class Stretch:
    """A piece of a wall: whole columns `x` [n], ascending, its height in each `y` [n], and how
    much brighter it is below than above, in shares of the range of grey levels: the mean of all
    columns.
    """

    x: Floats
    y: Floats
    contrast: float


def locate(pixels: Pixels, within: Box | None = None, paths: int = 2) -> tuple[Stretch, ...]:
    """Up to `paths` walls of the frame, best first; () where none is seen.

    In a box that somebody points at there is one: a level line where nothing is seen in it.
    """
    left, top, right, bottom = content(pixels)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    factor = max(1.0, len(pixels) / ROWS)
    likely = likeness(_ranked(_reduced(grey, factor)), factor)
    if within is not None:
        _bar_outside(likely, within, factor, (left, top))
    found = []
    for _ in range(paths if within is None else 1):
        path = best_path(likely, SLOPE, STEEP)
        y, contrast = _run(path, likely[path, np.arange(len(path))], grey.shape[1])
        if y is not None:
            x = np.arange(left, right, dtype=np.float64)
            found.append(Stretch(x, y * factor + top, contrast))
        _suppress(likely, path, round(APART_PX / factor))
    if within is not None:
        return (_pointed_at(found, within, pixels.shape[1]),)
    return tuple(sorted(found, key=lambda stretch: -stretch.contrast))


def _bar_outside(likely: Grey, box: Box, factor: float, origin: tuple[int, int]) -> None:
    """Nothing outside the rows of the box may be part of a path."""
    rows = (np.arange(len(likely)) + HALF) * factor + origin[1]
    likely[(rows < box[1]) | (rows >= box[3])] = -1


def _pointed_at(found: list[Stretch], box: Box, width: int) -> Stretch:
    """The wall that was found, in the columns of the box."""
    first = int(np.clip(np.floor(box[0]), 0, width - 1))
    x = np.arange(first, max(first + 1, min(width, int(np.ceil(box[2])))), dtype=np.float64)
    if not found:
        return Stretch(x, np.full(len(x), (box[1] + box[3]) / 2), 0.0)
    return Stretch(x, np.interp(x, found[0].x, found[0].y), found[0].contrast)


def content(pixels: Pixels) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of what the probe shows: whatever is not black and nearly as wide as the
    widest such thing (a black lumen parts them); writing and rulers beside them are narrow. The
    whole image where all is dark.
    """
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // 120)
    lit = (pixels[::step, ::step].max(axis=2) > BLACK).astype(np.uint8)
    opened = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((2, 3), np.uint8))
    joined = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((3, 9), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    boxes = boxes[1:, : cv2.CC_STAT_HEIGHT + 1]
    if not len(boxes):
        return 0, 0, width, height
    wide = boxes[boxes[:, 2] >= WIDE * boxes[:, 2].max()]
    x0, y0 = wide[:, :2].min(axis=0)
    x1, y1 = (wide[:, :2] + wide[:, 2:]).max(axis=0)
    rows = _filled(lit[y0:y1, x0:x1].mean(axis=1)) + y0
    columns = _filled(lit[y0:y1, x0:x1].mean(axis=0)) + x0
    x0, x1, y0, y1 = (int(v) * step for v in (*columns, *rows))
    return x0, y0, min(width, x1), min(height, y1)


def _filled(lit: Floats) -> NDArray[np.int64]:
    """From the first row or column that is not nearly all black to behind the last one."""
    found = np.flatnonzero(lit >= FILLED * lit.max())
    return np.array([found[0], found[-1] + 1])


def _reduced(grey: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    height, width = grey.shape
    shape = (max(2, round(width / factor / ASPECT)), max(2, round(height / factor)))
    return np.asarray(cv2.resize(grey, shape, interpolation=cv2.INTER_AREA), np.uint8)


def _ranked(grey: NDArray[np.uint8]) -> Grey:
    """Each grey level as the share of pixels that are darker, from 0 to 1."""
    counts = np.bincount(grey.ravel(), minlength=256)
    share = (np.cumsum(counts) - counts / 2) / grey.size
    return np.asarray(share[grey], np.float32)


def likeness(ranked: Grey, factor: float) -> Grey:
    """[y, x] how much the rows from y on look like a far wall under a lumen; -1 to 1."""
    smooth = cv2.blur(ranked, (3, 1))
    height = len(smooth)
    sums = np.vstack([np.zeros((1, smooth.shape[1])), np.cumsum(smooth, axis=0)])
    rows = np.arange(height)

    def mean(span: tuple[int, int]) -> Floats:
        """Of rows so far below each; where the image ends before, of the last ones."""
        low, high = (np.clip(rows + round(at / factor), 0, height) for at in span)
        low, high = np.minimum(low, height - 1), np.maximum(high, 1)
        return np.asarray((sums[high] - sums[low]) / np.maximum(1, high - low)[:, None])

    above, below = (np.stack([mean(span) for span in spans]) for spans in (LUMEN_PX, WALL_PX))
    found = below.min(axis=0) - above.max(axis=0)
    found[: round(ROOM_PX / factor)] = -1
    found[height - round(WALL_PX[0][1] / factor) :] = -1
    return np.asarray(found, np.float32)


def _suppress(likely: Grey, path: NDArray[np.int64], reach: int) -> None:
    rows = np.arange(len(likely))[:, None]
    likely[np.abs(rows - path) <= reach] = -1


def _run(path: NDArray[np.int64], along: Grey, width: int) -> tuple[Floats | None, float]:
    """The height of a path in each of `width` columns, in reduced rows: as it runs where it has
    contrast, level on where it has none (there the network may still see a wall). None where too
    little has any. And the contrast, mean of all columns.
    """
    smooth = cv2.blur(along[None], (5, 1))[0]
    lit = np.flatnonzero(smooth >= CONTRAST)
    if len(lit) < LIT * len(path):
        return None, 0.0
    centres = (lit + HALF) * (width / len(path)) - HALF
    return np.interp(np.arange(width), centres, path[lit]), float(smooth[lit].sum() / len(path))
