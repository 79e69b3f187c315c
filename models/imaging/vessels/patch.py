"""A candidate as a picture: two planes aligned with its vessel (Tajbakhsh and Liang, MICCAI 2015).

Channel 0 is a plane along the vessel's axis, which runs down the picture; channels 1 and 2, the
same, are the cross-section. Turning turns both planes about the axis. So an embolus looks alike
wherever in the lungs it is: a dark bar in a bright one, and a dark disc in a bright one.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.case import Pixels
from models.imaging.vessels.candidates import Candidate
from models.volume import Volume

# The window has bends. Lung is nearly black, but bronchi are still told from it: one runs beside
# each artery and none beside a vein. Fat, clot and unenhanced blood come next; above, up to the
# brightness that the volume's arteries have, it is stretched so that lumen has one grey whatever
# contrast was given; what is brighter (a vein full of inflow, bone) is still told from it.
AIR_HU, LUNG_HU, LOW_HU, CLOT_HU = -1000.0, -800.0, -200.0, 60.0
LUNG_GREY, LOW_GREY, CLOT_GREY, LUMEN_GREY = 16, 48, 102, 225
LEAST_LUMEN_HU = 160.0  # noise of a volume with next to no contrast is not blown up
# How far another phase of the contrast moves clots, what is half as bright as arteries, and these.
PHASE = ((CLOT_GREY, 10.0), ((CLOT_GREY + LUMEN_GREY) // 2, 36.0), (LUMEN_GREY, 10.0))

SAMPLES = 64  # a side: a third of a millimetre in the widest picture, half of a fine voxel
View = tuple[float, float, float]  # width_mm, shift, turn_deg


def patch(
    volume: Volume, candidate: Candidate, width_mm: float, shift: float, turn_deg: float, size: int
) -> Pixels:
    """[size, size, 3] uint8 of a square `width_mm` wide, its middle moved along the vessel by
    `shift` widths, its planes turned by `turn_deg` about the vessel.
    """
    return np.asarray(patches(volume, candidate, [(width_mm, shift, turn_deg)], size)[0])


def patches(
    volume: Volume, candidate: Candidate, views: Sequence[View], size: int
) -> NDArray[np.uint8]:
    """[views, size, size, 3] uint8: many views of one candidate at once."""
    samples = min(size, SAMPLES)
    places = np.stack([_places(volume, candidate, view, samples) for view in views])
    hu = ndimage.map_coordinates(
        volume.voxels, np.moveaxis(places, -1, 0), np.float32, order=1, mode="nearest"
    )
    grey = _windowed(hu, candidate.lumen_hu)  # [views, 2, samples, samples]
    out = np.empty((len(views), size, size, 3), dtype=np.uint8)
    for picture, planes in zip(out, grey, strict=True):
        along, across = (cv2.resize(plane, (size, size)) for plane in planes)
        picture[...] = cv2.merge([along, across, across])
    return out


def _places(volume: Volume, candidate: Candidate, view: View, samples: int) -> NDArray[np.float64]:
    """Voxel coordinates (z, y, x) of both planes' samples: [2, samples, samples, 3]."""
    width_mm, shift, turn_deg = view
    along, aside, across = _frame(candidate.axis, turn_deg)
    steps = np.stack([along, aside, across])[:, ::-1]  # as (x, y, z)
    voxels = (steps @ np.linalg.inv(volume.affine[:3, :3]).T)[:, ::-1]  # per mm, (z, y, x)
    middle = np.array(candidate.centre_voxel) + shift * width_mm * voxels[0]
    mm = ((np.arange(samples) + 0.5) / samples - 0.5) * width_mm
    right = mm[None, :, None] * voxels[1]
    return np.stack([middle + mm[:, None, None] * voxels[0] + right,
                     middle + mm[:, None, None] * voxels[2] + right])  # fmt: skip


def _frame(axis: tuple[float, float, float], turn_deg: float) -> NDArray[np.float64]:
    """[3, 3]: the axis and two directions across it (z, y, x), turned by `turn_deg`. At 0 the
    first of these lies in the plane of two patient axes, so it is always the same.
    """
    along = np.array(axis, dtype=np.float64)
    along /= np.linalg.norm(along)
    reference = np.zeros(3)
    reference[int(np.argmin(np.abs(along)))] = 1.0
    aside = np.cross(along, reference)
    aside /= np.linalg.norm(aside)
    across = np.cross(along, aside)
    turn = np.deg2rad(turn_deg)
    return np.stack([along, np.cos(turn) * aside + np.sin(turn) * across,
                     np.cos(turn) * across - np.sin(turn) * aside])  # fmt: skip


def _windowed(hu: NDArray[np.float32], lumen_hu: float) -> NDArray[np.uint8]:
    """HU to grey, by the window with bends."""
    lumen = max(lumen_hu, LEAST_LUMEN_HU)
    rise = (LUMEN_GREY - CLOT_GREY) / (lumen - CLOT_HU)
    top = CLOT_HU + (255 - CLOT_GREY) / rise
    greys = (0.0, LUNG_GREY, LOW_GREY, CLOT_GREY, 255.0)
    grey = np.interp(hu, (AIR_HU, LUNG_HU, LOW_HU, CLOT_HU, top), greys)
    return np.round(grey).astype(np.uint8)


def rephased(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A patch as if contrast had come earlier or later: veins are between clot and lumen, nearer to
    the one or to the other, and a model must not know them by their grey.
    """
    known = [grey for grey, _ in PHASE]
    moved = [grey + rng.uniform(-reach, reach) for grey, reach in PHASE]
    table = np.interp(np.arange(256), [0, LOW_GREY, *known, 255], [0, LOW_GREY, *moved, 255])
    return np.asarray(cv2.LUT(pixels, np.round(table).astype(np.uint8)))
