"""The middles of vessels in the lungs, and each one's own HU, freed of the lung's share in it.

A tube of radius R that is blurred by s shows 1 - exp(-R^2 / 2 s^2) of what it differs from the
lung. Blurred again it shows less, and the ratio of both says how thick it is: so a thin bright
artery is told from a thicker one without contrast, which in the picture is as grey.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.grid import Hu, Mask
from models.imaging.vessels.lumen import CLOT_HU, Contrast, share_of_lumen

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

FIRST_MM, SECOND_MM = 0.8, 1.8  # blurs, the second on top of the first
LEAST_SHOWN = 0.22  # of the way from lung to lumen
MOST_SHOWN_WIDE = 0.8  # after the second blur: no vessel but tissue that fills the place
LEAST_SECOND = 1e-3  # after the second blur, where it is divided by
LINES = tuple(step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
LEAST_LINES = 8  # of 13 through a voxel in which it is the brightest: across a tube, not along it
RADII_MM = np.linspace(0.3, 9.0, 300)
SHARPEST_MM, BLURRIEST_MM = 0.5, 1.5  # of the scanner and the grid together
CLEAR = (1.25, 2.6)  # ratios between which a vessel's radius is well told
PER_CENT = 90.0  # of the vessels of one ratio are darker: the arteries'
LEAST_IN_BIN = 50


@dataclass(frozen=True, eq=False)
class Shown:
    """What a grid shows on the way from lung (0) to lumen (1), blurred once and twice; what of
    that way an embolus shows, and how blurred the scan is.
    """

    first: Hu
    second: Hu
    clot: float
    blur_mm: float


@dataclass(frozen=True, eq=False)
class Ridges:
    """[n] places on a grid: flat index, (z, y, x), radius in mm, and darkness: 0 = as bright as
    the arteries, 1 = an embolus. `shown` is what they were found in.
    """

    flat: Index
    places: Index  # [n, 3]
    radius_mm: Floats
    dark: Floats
    shown: Shown


def find_ridges(hu: Hu, step_mm: Floats, contrast: Contrast, where: Mask) -> Ridges:
    """The ridges of the lungs' vessels within `where`."""
    first = blurred(np.clip(share_of_lumen(hu, contrast), -0.2, 1.3), FIRST_MM / step_mm)
    second = blurred(first, SECOND_MM / step_mm)
    flat = _brightest(first, where & (first > LEAST_SHOWN) & (second < MOST_SHOWN_WIDE))
    peak = first.ravel()[flat].astype(np.float64)
    ratio = peak / np.maximum(second.ravel()[flat], LEAST_SECOND)
    clot = share_of_lumen(CLOT_HU, contrast)
    seen = Shown(first, second, clot, _blur_mm(peak, ratio))
    places = np.stack(np.unravel_index(flat, hu.shape), axis=1)
    return Ridges(flat, places, *_told(seen, peak, ratio), seen)


def measured_at(shown: Shown, at: Floats) -> tuple[Floats, Floats, Floats]:
    """Radius in mm, darkness, and what is shown after the first blur, each [...] of places
    [..., 3] (z, y, x) that lie between voxels too.
    """
    peak, wide = between(shown.first, at), between(shown.second, at)
    radius, dark = _told(shown, peak, peak / np.maximum(wide, LEAST_SECOND))
    return radius, dark, peak


def between(picture: Hu, at: Floats) -> Floats:
    """[...] of the picture at places [..., 3] (z, y, x), linear; beyond its sides as there."""
    places = np.moveaxis(at, -1, 0)
    return np.asarray(ndimage.map_coordinates(picture, places, np.float64, 1, mode="nearest"))


def _told(shown: Shown, peak: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Radius and darkness."""
    radius, expected = _tubes(ratio, shown.blur_mm)
    return radius, (1 - peak / expected) / (1 - shown.clot)


def _brightest(picture: Hu, where: Mask) -> Index:
    """Voxels of `where` that are the brightest across most lines through them."""
    inner = np.zeros_like(where)
    inner[1:-1, 1:-1, 1:-1] = where[1:-1, 1:-1, 1:-1]
    flat = np.flatnonzero(inner)
    values = picture.ravel()
    here = values[flat]
    strides = (picture.shape[1] * picture.shape[2], picture.shape[2], 1)
    lines = np.zeros(len(flat), dtype=np.int8)
    for line in LINES:
        away = sum(a * b for a, b in zip(line, strides, strict=True))
        lines += (here >= values[flat + away]) & (here >= values[flat - away])
    return np.asarray(flat[lines >= LEAST_LINES])


def _tubes(ratio: Floats, blur_mm: float) -> tuple[Floats, Floats]:
    """Radius, and what a tube of it shows when full of lumen, by the ratio of the two blurs."""
    first = blur_mm**2 + FIRST_MM**2
    second = first + SECOND_MM**2
    shown = 1 - np.exp(-(RADII_MM**2) / (2 * first))
    ratios = shown / (1 - np.exp(-(RADII_MM**2) / (2 * second)))
    order = np.argsort(ratios)
    ratios = ratios[order]
    return np.interp(ratio, ratios, RADII_MM[order]), np.interp(ratio, ratios, shown[order])


def _blur_mm(peak: Floats, ratio: Floats) -> float:
    """How blurred the volume is: with the right answer the brightest vessels, the arteries, are
    equally bright whatever their radius.
    """
    low, high = CLEAR
    clear = (ratio > low) & (ratio < high)
    bins = np.digitize(ratio[clear], np.arange(low, high, 0.15))
    kept = [k for k in np.unique(bins) if (bins == k).sum() >= LEAST_IN_BIN]

    def unevenness(blur_mm: float) -> float:
        shown = peak[clear] / _tubes(ratio[clear], blur_mm)[1]
        tops = [float(np.percentile(shown[bins == k], PER_CENT)) for k in kept]
        return float(np.abs(np.array(tops) - 1).mean()) if tops else abs(blur_mm - 0.9)

    tried = np.arange(SHARPEST_MM, BLURRIEST_MM + 0.05, 0.1)
    return float(min(tried, key=unevenness))
