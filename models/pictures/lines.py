"""Lines in an image as shown: boundaries at sub-pixel places, thin enough to see what they bound.

A point is (x, y) in pixels of the original, a pixel's centre at a whole number.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from models.case import Box, Pixels, Points
from models.pictures import marks
from models.pictures.look import Shown

BITS = 4  # of a shown pixel's fraction, as OpenCV takes it
BORDER = 0.45  # how dark the border along a line is: what is below it stays visible
HALF = 0.5
LUMEN_INTIMA: marks.Colour = (240, 228, 66)
MEDIA_ADVENTITIA: marks.Colour = (86, 180, 233)
COLOURS = (LUMEN_INTIMA, MEDIA_ADVENTITIA)
PALE = ((150, 143, 60), (62, 116, 148))  # the same of a reader among several
NAMES = ("lumen-intima", "media-adventitia")
REGION: marks.Colour = (204, 121, 167)


def pieces(points: Points, gap: float | None = None) -> list[Points]:
    """The line cut wherever two neighbours are more than `gap` apart in x; None: nowhere."""
    if gap is None or len(points) < 2:
        return [points] if len(points) else []
    return np.split(points, np.flatnonzero(np.diff(points[:, 0]) > gap) + 1)


def at(points: Points, shown: Shown) -> Points:
    """Points of the original as places in the image as shown, centres at whole numbers too."""
    return np.asarray((points + HALF) * np.array(shown.scale) - HALF, np.float64)


def traced(
    pixels: Pixels, lines: Sequence[Points], shown: Shown, colours: Sequence[marks.Colour],
    *, gap: float | None = None, width: int = 1, border: bool = True,
) -> None:  # fmt: skip
    """Draws lines into the pixels of an image as shown, all of their borders first."""
    places = [[at(piece, shown) for piece in pieces(line, gap)] for line in lines]
    if border:
        dark = np.zeros(pixels.shape[:2], np.uint8)
        for line in places:
            stroke(dark, line, 255, width + 2)
        share = BORDER * dark[..., None] / 255.0
        pixels[...] = (pixels * (1.0 - share)).round().astype(np.uint8)
    for line, colour in zip(places, colours, strict=True):
        stroke(pixels, line, colour, width)


def stroke(
    pixels: NDArray[np.uint8], places: Sequence[Points], ink: marks.Colour | int, width: int
) -> None:
    """Smooth lines through places of the image as it is."""
    fixed = [np.rint(place * (1 << BITS)).astype(np.int32) for place in places]
    colour = ink if isinstance(ink, tuple) else (ink,)
    cv2.polylines(pixels, fixed, False, colour, width, cv2.LINE_AA, BITS)


def dashed_box(pen: ImageDraw.ImageDraw, box: Box, shown: Shown, colour: marks.Colour) -> None:
    """The outline of a region, thin and broken: it says where was looked, not what was found."""
    across, down = shown.scale
    right, bottom = (side - 1 for side in shown.image.size)
    x0, x1 = (min(max(round(x * across), 0), right) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(y * down), 0), bottom) for y in (box[1], box[3]))
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    for start, end in pairwise(corners):
        _dashes(pen, start, end, colour)


def _dashes(
    pen: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], colour: marks.Colour
) -> None:
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    for begin in range(0, length, marks.DASH + marks.GAP):
        stop = min(begin + marks.DASH, length)
        ends = [
            tuple(a + (b - a) * part // length for a, b in zip(start, end, strict=True))
            for part in (begin, stop)
        ]
        pen.line([*ends[0], *ends[1]], colour, 1)


def swatch(pen: ImageDraw.ImageDraw, at: tuple[int, int], size: int, colour: marks.Colour) -> None:
    """A piece of a line on dark ground for a legend."""
    x, y = at
    pen.rectangle((x, y, x + size - 1, y + size - 1), fill=(40, 44, 48))
    pen.line((x, y + size // 2, x + size - 1, y + size // 2), colour, 2)
