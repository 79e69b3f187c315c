"""From a class map along a wall to its two lines: one height per column, to a fraction of a pixel.

First the best pair of rows for every few columns, found jointly so that the lines never cross
(joint.py); then, in every column, how much of the pixels about the row lies on either side, which
is where the edge is (an unbiased reading of soft maps); then two open contours (snake.py) between
which the order is kept. Columns where the map shows no wall are left out.
"""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.wall.geometry import HALF
from models.imaging.wall.joint import joint_paths
from models.imaging.wall.paths import best_path
from models.imaging.wall.snake import relaxed
from models.imaging.wall.tiles import Strip
from models.imaging.wall.truth import ADVENTITIA, INTIMA_MEDIA, LUMEN

Floats = NDArray[np.float64]
Maps = NDArray[np.float32]  # [y, x]

STEP = 8  # columns that make a decision of the dynamic programming together
GRID = 2  # rows from one of its states to the next
THINNEST, THICKEST = 3, 90  # pixels between the lines
PLAY = 14  # pixels that media-adventitia may be off its first path
CLIMBS = (4, 2)  # states that the lines may climb in one decision: plaque is steep, adventitia not
COST = 0.25  # of a pixel climbed, in nats of the map
BARRED = -1e6  # nats: no path goes where there is another way
CERTAIN = 1e-3  # a probability below this says no more than this
SIDE = 4  # pixels to either side of a line in which its edge is looked for
BESIDE = 6  # pixels beyond each line in which lumen and adventitia must be seen
EVIDENCE = 0.35  # mean probability of what must be seen
GAP, SHORT = 24, 17  # columns: a gap up to this is bridged, a piece shorter than that (odd) dropped
STIFF_MM, STIFF_PX = 2.0, 32.0  # waves of a line shorter than this are noise


@dataclass(frozen=True)
class Traced:
    """The two lines where the map shows a wall, in pixels of the image (centres at whole numbers).

    x, upper, lower  [n] columns and the heights of lumen-intima and media-adventitia
    looked           how many columns were looked at
    evidence         [n] how surely lumen, wall and adventitia are seen in each column
    """

    x: Floats
    upper: Floats
    lower: Floats
    looked: int
    evidence: Floats


def trace(strip: Strip, column_mm: float | None = None) -> Traced:
    """The lines in one strip; `column_mm` is how far apart columns are, where that is known."""
    rows = _decided(strip.scores)
    columns = np.arange(strip.scores.shape[2], dtype=np.float64)
    middles = np.minimum((np.arange(len(rows[0])) + 0.5) * STEP - 0.5, columns[-1])
    length = STIFF_PX if column_mm is None else STIFF_MM / column_mm
    sides = (_integral(strip.scores, (0, LUMEN)), _integral(strip.scores, (LUMEN, INTIMA_MEDIA)))
    upper, lower = (
        relaxed(np.interp(columns, middles, row), partial(_edge, side), length)
        for side, row in zip(sides, rows, strict=True)
    )
    lower = np.maximum(lower, upper + 1)
    evidence = _evidence(strip.scores, upper, lower)
    kept = _pieces(evidence >= EVIDENCE)
    # Here a row's number is its upper rim; a point's is its centre.
    return Traced(
        columns[kept] + float(strip.x0), upper[kept] + strip.y0 - HALF,
        lower[kept] + strip.y0 - HALF, len(columns), evidence[kept],
    )  # fmt: skip


def _decided(scores: Maps) -> tuple[Floats, Floats]:
    """Both lines' edges for every STEP columns, [n] each: on the grid, never crossing."""
    upper, lower = (_gains(scores, pair) for pair in (_ABOVE_AND_IN, _IN_AND_BELOW))
    height = len(upper) - 1
    rough = _rough(upper, lower)
    play = np.arange(-PLAY, PLAY + 1, GRID)
    reach = np.arange(-THICKEST, PLAY - THINNEST + 1, GRID)
    apart = play[None, :] - reach[:, None]
    rows = joint_paths(
        _band(upper, rough, reach), _band(lower, rough, play),
        (apart >= THINNEST) & (apart <= THICKEST), CLIMBS, (COST * GRID, COST * GRID),
    )  # fmt: skip
    found = (rough + reach[rows[0]], rough + play[rows[1]])
    above, below = (np.clip(line, 0, height).astype(np.float64) for line in found)
    return above, below


_ABOVE_AND_IN = ((0, LUMEN), (INTIMA_MEDIA,))
_IN_AND_BELOW = ((INTIMA_MEDIA,), (0, ADVENTITIA))


def _gains(scores: Maps, pair: tuple[tuple[int, ...], tuple[int, ...]]) -> Maps:
    """[y + 1, n] what an edge at y gains: how much likelier all above it is the first of two sorts
    of classes than the second, in nats, mean of STEP columns.
    """
    first, second = (np.maximum(scores[list(sort)].sum(axis=0), CERTAIN) for sort in pair)
    by_row = _blocks(np.log(first) - np.log(second))
    return _summed(by_row)


def _blocks(maps: Maps) -> Maps:
    """The mean of every STEP columns; the last block repeats its last column."""
    spare = -maps.shape[1] % STEP
    padded = np.pad(maps, ((0, 0), (0, spare)), mode="edge")
    return np.asarray(padded.reshape(len(maps), -1, STEP).mean(axis=2), np.float32)


def _rough(upper: Maps, lower: Maps) -> NDArray[np.int64]:
    """[n] media-adventitia where it gains most together with the best line above it."""
    best = np.maximum.accumulate(upper, axis=0)
    together = np.full_like(lower, BARRED)
    together[THINNEST:] = lower[THINNEST:] + best[: len(lower) - THINNEST]
    path = best_path(together[::GRID], CLIMBS[0], COST * GRID) * GRID
    return np.asarray(np.round(cv2.blur(path[None].astype(np.float32), (5, 1))[0]), np.int64)


def _band(gains: Maps, rough: NDArray[np.int64], reach: NDArray[np.int64]) -> Maps:
    """[reach, n] the gains of edges so far from the first path; what lies outside is barred."""
    rows = rough + reach[:, None]
    height = len(gains) - 1
    inside = gains[np.clip(rows, 0, height), np.arange(gains.shape[1])]
    return np.where((rows >= 0) & (rows <= height), inside, np.float32(BARRED))


def _integral(scores: Maps, above: tuple[int, ...]) -> Maps:
    """[y + 1, x] of the share of what is seen that belongs above an edge, summed from the top."""
    seen = np.maximum(scores.sum(axis=0), CERTAIN)
    share = scores[list(above)].sum(axis=0) / seen
    return _summed(share)


def _at(integral: Maps, y: Floats) -> Floats:
    """[x] the integral up to y [x], between rows too; beyond the strip all is as at its rim."""
    last = len(integral) - 1
    row = np.clip(np.floor(y).astype(np.int64), 0, last - 1)
    columns = np.arange(len(y))
    low, high = integral[row, columns], integral[row + 1, columns]
    return np.asarray(low + (high - low) * (y - row))


def _edge(integral: Maps, y: Floats) -> tuple[Floats, Floats]:
    """Where the edge near y [x] lies, and how clearly the two sides differ, 0 to 1."""
    over, here, under = (_at(integral, y + side) for side in (-SIDE, 0, SIDE))
    edge = y - SIDE + (under - over)
    return edge, np.clip((2 * here - over - under) / SIDE, 0.0, 1.0)


def _evidence(scores: Maps, upper: Floats, lower: Floats) -> Floats:
    """[x] the least mean probability of lumen above, wall between, adventitia below the lines."""
    sums = [_summed(scores[k]) for k in (LUMEN, INTIMA_MEDIA, ADVENTITIA)]
    spans = ((upper - BESIDE, upper), (upper, lower), (lower, lower + BESIDE))
    means = [
        (_at(total, bottom) - _at(total, top)) / np.maximum(bottom - top, 1)
        for total, (top, bottom) in zip(sums, spans, strict=True)
    ]
    least = np.min(means, axis=0)
    return np.asarray(cv2.blur(least[None], (9, 1))[0])


def _summed(rows: Maps) -> Maps:
    """[y + 1, x] the sum of all rows above each edge between rows."""
    total = np.zeros((len(rows) + 1, rows.shape[1]), np.float32)
    np.cumsum(rows, axis=0, out=total[1:])
    return total


def _pieces(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Columns with evidence, small gaps bridged, pieces too short to mean anything dropped."""
    line = np.pad(seen.astype(np.uint8)[None], ((0, 0), (GAP, GAP)))
    closed = cv2.morphologyEx(line, cv2.MORPH_CLOSE, np.ones((1, GAP + 1), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, SHORT), np.uint8))
    return np.asarray(opened[0, GAP:-GAP] > 0)
