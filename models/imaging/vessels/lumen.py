"""The contrast-filled lumen: how bright it is in this volume, and where it is."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.blur import blurred
from models.imaging.vessels.grid import Hu, Mask

AERATED_HU = (-980.0, -600.0)  # lung between its vessels
USUAL_LUNG_HU = -850.0
CLOT_HU = 60.0  # an embolus, 20 to 120 of it
WALL_HU = -320.0  # between lung and tissue, bright or not
SEEN_HU = 120.0  # no tissue without contrast has as much, bone excepted
LEAST_SHARE = 0.04  # of the vessels' cores in the lungs, or nobody was given contrast
LEAST_CORES = 60  # voxels that say how bright the lumen is
BRIGHTNESS = 85.0  # per cent of the cores are darker: arteries, where veins have less
BRIGHT_DARKNESS = 0.45  # lumen is less dark than that
LEAST_LUMEN = 20  # voxels in one piece

Some = TypeVar("Some", float, NDArray[np.float32], NDArray[np.float64])


@dataclass(frozen=True)
class Contrast:
    """How bright the arteries of a volume are, which all that is bright or dark is held against."""

    lumen_hu: float
    lung_hu: float = USUAL_LUNG_HU


def share_of_lumen(hu: Some, contrast: Contrast) -> Some:
    """HU on the way from lung (0) to lumen (1); below and beyond it too."""
    return (hu - contrast.lung_hu) / (contrast.lumen_hu - contrast.lung_hu)


def measure_contrast(hu: Hu, inside: Mask) -> Contrast | None:
    """The brightness of the lumen among voxels `inside`, which are free of bone; None without
    contrast.

    Only cores are asked, voxels whose neighbours are tissue too: the rim of a vessel shares its
    voxels with the lung.
    """
    tissue = hu > WALL_HU
    for turns in (2, 1, 0):
        core = ndimage.binary_erosion(tissue, iterations=turns) if turns else tissue
        values = hu[core & inside]
        seen = values[values > SEEN_HU]
        if len(seen) >= max(LEAST_CORES, LEAST_SHARE * len(values)):
            return Contrast(float(np.percentile(seen, BRIGHTNESS)), _lung_hu(hu[inside]))
    return None


def _lung_hu(values: NDArray[np.float32]) -> float:
    low, high = AERATED_HU
    lung = values[(values > low) & (values < high)]
    return float(np.median(lung)) if len(lung) > LEAST_CORES else USUAL_LUNG_HU


def find_lumen(dark: Hu, tissue: Mask, region: Mask, inside: Mask | None) -> Mask:
    """Tissue of the region that is nearer to lumen than to an embolus, in pieces that come to lie
    `inside`, as ribs and breastbone do not. None: nobody knows where the lungs are, every piece
    counts.
    """
    bright = tissue & region & (dark < BRIGHT_DARKNESS)
    labels, count = ndimage.label(bright)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = sizes >= LEAST_LUMEN
    kept[0] = False
    if inside is not None:
        kept &= np.bincount(labels[inside], minlength=count + 1) > 0
    return np.asarray(kept[labels])


def darkness(seen: Hu, tissue: Mask, contrast: Contrast, blur: NDArray[np.float64]) -> Hu:
    """How far a voxel is from lumen (0) to embolus (1), the lung's share in it taken out.

    `seen` is blurred by `blur` voxels beside what the scanner did. If all that is tissue were
    lumen, a voxel would have the lung's HU and as much more as there is tissue around it: a thin
    vessel looks dark, and is not.
    """
    share = blurred(tissue.astype(np.float32), blur)
    expected = contrast.lung_hu + (contrast.lumen_hu - contrast.lung_hu) * share
    span = np.maximum(share, 0.35) * (contrast.lumen_hu - CLOT_HU)
    return np.asarray(np.where(share > 0.3, (expected - seen) / span, 0.0), dtype=np.float32)
