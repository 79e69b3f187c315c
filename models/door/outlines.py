"""What people drew, in pixels: polygons and run lengths filled, boxes held against the frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.case import Box
from models.layout import Outline, Polygon, Runs

Region = NDArray[np.bool_]  # [y, x]
SIDE_MIN = 1.0  # pixels of a box within the frame; what is less shows nothing
OVERSHOOT_MAX = 1.0  # pixels beyond the frame that are rounding, and not worth a word
CORNERS_MAX = 4  # a polygon of so many is a box, perhaps a turned one, and follows no border


class OutlineError(Exception):
    """A region that cannot be filled; the message says why."""


@dataclass(frozen=True)
class Marked:
    """An outline in pixels, its half-open box within the frame, and whether that was clipped."""

    outline: Outline
    box: Box
    clipped: bool

    @property
    def area_px(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def marked(outline: Outline, width: int, height: int) -> Marked | None:
    """The outline in pixels of its frame; None where it lies outside or has no size."""
    outline = _in_pixels(outline, width, height)
    box = outline.box
    if box is None or not (box[0] < box[2] and box[1] < box[3]):  # exporters write 0 0 0 0 too
        box = _around(outline, width, height)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    inside = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if inside[2] - inside[0] < SIDE_MIN or inside[3] - inside[1] < SIDE_MIN:
        return None
    over = max(-x0, -y0, x1 - width, y1 - height)
    return Marked(outline, inside, over > OVERSHOOT_MAX)


def _in_pixels(outline: Outline, width: int, height: int) -> Outline:
    if not outline.relative:
        return outline
    box = outline.box
    return replace(
        outline,
        box=box and (box[0] * width, box[1] * height, box[2] * width, box[3] * height),
        polygons=tuple(
            tuple(value * (height if k % 2 else width) for k, value in enumerate(polygon))
            for polygon in outline.polygons
        ),
        relative=False,
    )


def _around(outline: Outline, width: int, height: int) -> Box | None:
    """The smallest box around polygons or runs; None around nothing."""
    if outline.polygons:
        x = [value for polygon in outline.polygons for value in polygon[::2]]
        y = [value for polygon in outline.polygons for value in polygon[1::2]]
        return min(x), min(y), max(x), max(y)
    if outline.runs is None:
        return None
    found = _unrolled(outline.runs, width, height)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def has_region(outline: Outline) -> bool:
    """Whether it says which pixels, and not only roughly where."""
    return bool(outline.polygons) or outline.runs is not None


def follows_border(outline: Outline) -> bool:
    """Whether its region is more than a box: exporters write boxes as polygons of four corners."""
    corners = [len(set(zip(p[::2], p[1::2], strict=True))) for p in outline.polygons]
    return outline.runs is not None or any(count > CORNERS_MAX for count in corners)


def label_map(found: Sequence[tuple[Marked, int]], width: int, height: int) -> NDArray[np.uint8]:
    """[y, x]: the value of the smallest thing whose region holds a pixel, 0 where none does."""
    drawn = np.zeros((height, width), np.uint8)
    for mark, value in sorted(found, key=lambda pair: -pair[0].area_px):
        drawn[region(mark.outline, width, height)] = value
    return drawn


def region(outline: Outline, width: int, height: int) -> Region:
    """[height, width] of an outline in pixels: the union of its polygons, or its runs."""
    if outline.runs is not None:
        return _unrolled(outline.runs, width, height)
    found = np.zeros((height, width), np.bool_)
    for polygon in outline.polygons:
        _fill(found, polygon)
    return found


def _fill(found: Region, polygon: Polygon) -> None:
    """Adds the pixels whose centres lie in the polygon (even-odd rule).

    Each edge flips, in every row whose centre line it crosses, all pixels right of the crossing.
    """
    height, width = found.shape
    x, y = list(polygon[::2]), list(polygon[1::2])
    top, bottom = _clip(np.floor(min(y)), 0, height), _clip(np.ceil(max(y)), 0, height)
    left, right = _clip(np.floor(min(x)), 0, width), _clip(np.ceil(max(x)), 0, width)
    flips = np.zeros((bottom - top, right - left + 1), np.bool_)
    edges = zip(pairwise([*x, x[0]]), pairwise([*y, y[0]]), strict=True)
    for (x0, x1), (y0, y1) in edges:
        first, last = (_clip(np.ceil(end - 0.5), top, bottom) for end in sorted((y0, y1)))
        if first == last:
            continue
        rows = np.arange(first, last)
        crossed = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(crossed - 0.5), left, right).astype(np.int64)
        flips[rows - top, columns - left] ^= True
    found[top:bottom, left:right] |= np.logical_xor.accumulate(flips, axis=1)[:, :-1]


def _clip(value: float, low: int, high: int) -> int:
    return int(min(max(value, low), high))


def _unrolled(runs: Runs, width: int, height: int) -> Region:
    """[height, width] of run lengths, which go down the columns; OutlineError if they do not."""
    if (runs.width, runs.height) != (width, height):
        raise OutlineError(
            f"a region of {runs.width} x {runs.height} pixels on an image of {width} x {height}"
        )
    counts = _counts(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if any(count < 0 for count in counts) or sum(counts) != height * width:
        raise OutlineError(f"run lengths that do not add up to {width} x {height} pixels")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _counts(text: str) -> tuple[int, ...]:
    """COCO's packed run lengths: 5 bits a letter, the sixth says that more follow.

    From the fourth on, a length is written as its difference to the one two before.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise OutlineError("run lengths that are not in COCO's compressed form")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise OutlineError("run lengths that break off")
    return tuple(counts)
