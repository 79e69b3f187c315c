"""Detections of a film linked into tracks: the same thing, seen again and again.

A detection continues the track whose last box overlaps its own the most, taken over all pairs at
once (the Hungarian method on intersection over union). Both boxes are grown first: between two
frames that are read a fifth of a second passes, in which a polyp may move by more than its width.
A track may be lost from sight and found again within `GAP_S`; after that it has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped] # ships no types

from models.case import Box

GAP_S = 1.5  # out of sight for longer, a thing that comes back is another
GROWN = 2.0  # the sides of a box before it is compared, as multiples of their own
IOU_MIN = 0.1  # of the grown boxes: two of one size may lie one and a half sides apart


@dataclass
class _Open:
    """A track that may go on."""

    number: int
    box: Box
    seen_s: float


class Linker:
    """Fed with the boxes of frame after frame, tells each its track; numbers begin with 1."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._made = 0

    def link(self, time_s: float, boxes: Sequence[Box]) -> tuple[int, ...]:
        """The track of each box. Times must not go backwards."""
        self._open = [track for track in self._open if time_s - track.seen_s <= GAP_S]
        found: dict[int, _Open] = {}
        if self._open and boxes:
            ious = overlaps([track.box for track in self._open], boxes)
            for row, column in zip(*linear_sum_assignment(ious, maximize=True), strict=True):
                if ious[row, column] >= IOU_MIN:
                    found[int(column)] = self._open[row]
        for column, box in enumerate(boxes):
            track = found.get(column) or self._begun()
            track.box, track.seen_s = box, time_s
            found[column] = track
        return tuple(found[column].number for column in range(len(boxes)))

    def _begun(self) -> _Open:
        self._made += 1
        track = _Open(self._made, (0.0, 0.0, 0.0, 0.0), 0.0)
        self._open.append(track)
        return track


def overlaps(rows: Sequence[Box], columns: Sequence[Box]) -> NDArray[np.float64]:
    """Intersection over union of grown boxes, [rows, columns]."""
    a, b = _grown(rows)[:, None], _grown(columns)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=-1)
    areas = np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))


def _grown(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """[n, 4] x0, y0, x1, y1 about the same centres."""
    given = np.asarray(boxes, np.float64).reshape(-1, 4)
    centre, half = (given[:, :2] + given[:, 2:]) / 2, (given[:, 2:] - given[:, :2]) / 2
    return np.concatenate([centre - GROWN * half, centre + GROWN * half], axis=1)
