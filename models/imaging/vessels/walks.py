"""The vessel that a place lies in, followed both ways: what comes before a dark stretch, and after.

A clot is a dark stretch of a bright vessel, with an end on each side; a vein is dark as far as it
can be followed, and as dark as its volume's other veins. Ridges (paths.py) that touch are one
thing; a walk keeps its direction, and stays in its vessel where others come near.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.grid import Hu
from models.imaging.vessels.paths import BRIGHT
from models.imaging.vessels.ridges import LEAST_SHOWN, Shown, between, measured_at

Floats = NDArray[np.float64]

STEP_MM = 1.5
STEPS = 20
HALF_MM = 2.0  # between the samples that say which way a vessel runs
ASIDE_MM = (0.7, 1.4)  # how far to its side a step looks for the vessel's middle
ROUND = 8  # directions it looks into
CLEAR = 0.08  # less bright than the brightest by so much is not the middle
KEEPS = 0.6  # how much of its direction a step keeps
RINGS = ((1, 3), (4, 6), (7, 10), (11, 15), (16, 20))  # steps
LONG_MM = 40.0  # dark for so long is a vein
DARKEST = 1.15  # what is long and darker is fat, or a bronchus
ALIKE = 0.1  # so near in darkness is as dark
LEAST_LONG = 20  # places by which a volume's veins are known
NOT_THERE = -1.0
OF_SIDE = ("lit_mm", "lost_mm", "straight", "drop", *(f"dark_{k}" for k in range(len(RINGS))),
           *(f"wide_{k}" for k in range(len(RINGS))))  # fmt: skip
FACTS = ("walk_mm", "walk_dark", "walk_unrest", "walk_wide", "vein_dark", "like_veins", "as_dark",
         *(f"up_{what}" for what in OF_SIDE), *(f"down_{what}" for what in OF_SIDE))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Walks:
    """[n, 2, STEPS + 1] both ways from n places, each beginning with the place: where on the grid
    (`tracks`, [..., 3] z, y, x), darkness, radius in mm, and whether the vessel is still there;
    `straight` [n, 2]: the way as the crow flies over the way walked.
    """

    tracks: Floats
    dark: Floats
    radius_mm: Floats
    there: NDArray[np.bool_]
    straight: Floats


def walk(shown: Shown, places: NDArray[np.int64], step_mm: Floats) -> Walks:
    """From `places` [n, 3] (z, y, x) on the fine grid."""
    at = places.astype(np.float64)
    ways = _ways(shown.first, at, step_mm)
    sides = [_one_way(shown.first, at, sign * ways, step_mm) for sign in (1, -1)]
    tracks = np.stack(sides, axis=1)
    radius, dark, peak = measured_at(shown, tracks)
    there = np.logical_and.accumulate(peak > LEAST_SHOWN, axis=2)
    mm = (tracks - tracks[:, :, :1]) * step_mm
    last = np.maximum(there.sum(axis=2) - 1, 1)
    crow = np.linalg.norm(np.take_along_axis(mm, last[..., None, None], 2)[:, :, 0], axis=2)
    dark = np.clip(dark, -0.5, 2.0)
    smooth = ndimage.uniform_filter1d(dark, 3, axis=2, mode="nearest")
    return Walks(tracks, smooth, radius, there, crow / (last * STEP_MM))


def through(walks: Walks) -> Floats:
    """[n, 2 * STEPS + 1, 5]: the whole way with the place in its middle; of each step z, y, x on
    the grid, radius in mm and darkness.
    """
    values = np.concatenate([walks.tracks, walks.radius_mm[..., None], walks.dark[..., None]], 3)
    return np.concatenate([values[:, 1, :0:-1], values[:, 0]], axis=1)


def _ways(picture: Hu, at: Floats, step_mm: Floats) -> Floats:
    """[n, 3] unit vectors in mm along which the picture bends least downwards."""
    axes = np.eye(3) * HALF_MM / step_mm
    here = between(picture, at)
    bends = np.empty((len(at), 3, 3))
    for i in range(3):
        both = between(picture, at + axes[i]) + between(picture, at - axes[i])
        bends[:, i, i] = both - 2 * here
        for j in range(i):
            plus, minus = axes[i] + axes[j], axes[i] - axes[j]
            same = between(picture, at + plus) + between(picture, at - plus)
            other = between(picture, at + minus) + between(picture, at - minus)
            bends[:, i, j] = bends[:, j, i] = (same - other) / 4
    return np.asarray(np.linalg.eigh(bends)[1][:, :, 2])


def _one_way(picture: Hu, at: Floats, ways: Floats, step_mm: Floats) -> Floats:
    """[n, STEPS + 1, 3] places (z, y, x), the first where it starts."""
    tracks = [at]
    for _ in range(STEPS):
        ahead = at + ways * STEP_MM / step_mm
        seen = ahead[:, None] + _aside(ways) / step_mm
        values = between(picture, seen)
        weight = np.maximum(values - values.max(axis=1, keepdims=True) + CLEAR, 0.0)
        middle = (seen * weight[..., None]).sum(axis=1) / weight.sum(axis=1)[:, None]
        moved = (middle - at) * step_mm
        ways = KEEPS * ways + (1 - KEEPS) * moved / np.linalg.norm(moved, axis=1, keepdims=True)
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        at = middle
        tracks.append(at)
    return np.stack(tracks, axis=1)


def across(ways: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors [n, 3] across each of `ways` [n, 3], unit vectors too, and each other."""
    least = np.eye(3)[np.abs(ways).argmin(axis=1)]
    one = np.cross(ways, least)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    return one, np.cross(ways, one)


def _aside(ways: Floats) -> Floats:
    """[n, 1 + rings, 3] offsets in mm across each way, the first of them none."""
    one, other = across(ways)
    turns = np.arange(ROUND) * 2 * np.pi / ROUND
    disc = np.concatenate([[[0.0, 0.0]], *(
        mm * np.column_stack([np.cos(turns), np.sin(turns)]) for mm in ASIDE_MM
    )])  # fmt: skip
    return np.asarray(disc[None, :, :1] * one[:, None] + disc[None, :, 1:] * other[:, None])


def facts(walks: Walks) -> Floats:
    """[n, FACTS]. `up` is the side on which the vessel is wider, whence an artery's blood comes.

    Both ways: the length, mean and unrest of the dark stretch, how wide it is; how dark the
    volume's long dark stretches are, how near this one is to them, and how many are as dark. Each
    way: how far it is to lumen and to where the vessel is lost, how straight, the steepest rise in
    brightness, and mean darkness and relative width by distance.
    """
    steps = np.arange(STEPS + 1)
    lost = walks.there.sum(axis=2)
    lit = np.where((walks.dark < BRIGHT) & walks.there, steps, STEPS + 1).min(axis=2)
    run = steps < np.maximum(np.minimum(lit, lost), 1)[..., None]
    count = run.sum(axis=(1, 2))
    mean = (walks.dark * run).sum(axis=(1, 2)) / count
    unrest = np.sqrt((((walks.dark - mean[:, None, None]) ** 2) * run).sum(axis=(1, 2)) / count)
    wide = (walks.radius_mm * run).sum(axis=(1, 2)) / count
    long_mm = (run.sum(axis=2) - 1).sum(axis=1) * STEP_MM
    together = np.stack([long_mm, mean, unrest, wide, *_veins(long_mm, mean)], axis=1)
    sides = np.concatenate([
        np.stack([lit * STEP_MM, lost * STEP_MM, walks.straight, _drop(walks)], axis=2),
        _ringed(walks.dark, walks.there),
        _ringed(walks.radius_mm / wide[:, None, None], walks.there),
    ], axis=2)  # fmt: skip
    both = _widest_first(sides, walks).reshape(len(mean), 2 * len(OF_SIDE))
    return np.concatenate([together, both], axis=1)


def _veins(long_mm: Floats, mean: Floats) -> list[Floats]:
    """How dark this volume's veins are, how much darker a place is, and the share of its dark
    places that are about as dark.
    """
    long_ = mean[(long_mm >= LONG_MM) & (mean > BRIGHT) & (mean < DARKEST)]
    level = float(np.median(long_)) if len(long_) >= LEAST_LONG else NOT_THERE
    order = np.sort(mean[mean > BRIGHT])
    near = np.searchsorted(order, mean + ALIKE) - np.searchsorted(order, mean - ALIKE)
    veins = np.full(len(mean), level)
    return [veins, mean - veins, near / max(len(order), 1)]


def _drop(walks: Walks) -> Floats:
    """[n, 2] the most that darkness falls within three steps."""
    fall = walks.dark[..., :-3] - walks.dark[..., 3:]
    return np.asarray(np.where(walks.there[..., 3:], fall, NOT_THERE).max(axis=2))


def _ringed(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """[n, 2, RINGS] means over the steps of each ring; NOT_THERE where the vessel is lost."""
    columns = []
    for first, last in RINGS:
        some = there[..., first : last + 1]
        total = (values[..., first : last + 1] * some).sum(axis=2)
        count = some.sum(axis=2)
        columns.append(np.where(count > 0, total / np.maximum(count, 1), NOT_THERE))
    return np.stack(columns, axis=2)


def _widest_first(sides: Floats, walks: Walks) -> Floats:
    """The two sides [n, 2, OF_SIDE] in order of the vessel's width on each."""
    wide = (walks.radius_mm * walks.there).sum(axis=2) / np.maximum(walks.there.sum(axis=2), 1)
    order = np.argsort(-wide, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(sides, order[..., None], axis=1))
