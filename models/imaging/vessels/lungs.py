"""Where the lungs are, and the part of the chest in which their arteries run.

All on a coarse grid: gas that is not the room's air, large enough and not as empty as a stomach's.
A chest that fills the picture, a single lung and no lung at all are answered too.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.grid import Grid, Hu, Mask

COARSE_MM = 3.0
GAS_HU = -400.0  # lungs, airways, bowel, the room
ROOM_HU = -940.0  # half of it darker: no tissue in it; healthy lung has -870 to -700
TISSUE_HU = -200.0
ENCLOSED = 0.6  # of what the best enclosed part is, at least
LEAST_ML = 5.0  # of a lung
LEAST_SHARE = 0.03  # of the larger lung
VESSEL_MM = 9.0  # half the width of the widest vessel that a lung's field closes over
BESIDE_MM = 0.0  # the region's margin beyond the line from lung to lung: ribs begin there
ONE_LUNG_MM = 170.0  # wide at most
ALONE_MM = 45.0  # from a lung that has no neighbour to the trunk of its artery
WALL_MM = 18.0  # of skin, fat, muscle and rib, at least: no lung's vessel is so near to the room


@dataclass(frozen=True, eq=False)
class Lungs:
    """`field`: the lungs, the vessels in them included; `region`: where emboli may lie, that is
    the field and what is between the lungs. Both [z, y, x] on the coarse grid; `found` says
    whether there is a lung at all: if not, the region is the whole body.
    """

    grid: Grid
    field: Mask
    region: Mask
    found: bool


def find_lungs(grid: Grid) -> Lungs:
    """The lungs on a coarse grid."""
    step = float(grid.step_mm.mean())
    air = _air(grid.hu, float(np.prod(grid.step_mm)) / 1000)
    if not air.any():
        return Lungs(grid, air, grid.hu > ROOM_HU, found=False)
    field = _closed(air, VESSEL_MM / step)
    between = _between(field, step) & _deep(grid.hu, field, step)
    return Lungs(grid, field, field | between, found=True)


def _air(hu: Hu, voxel_ml: float) -> Mask:
    """The lungs' gas: large, not as empty as the room, and enclosed by the body."""
    gas = hu < GAS_HU
    labels, count = ndimage.label(gas)
    if count == 0:
        return np.asarray(gas)
    numbers = np.arange(1, count + 1)  # 0, the tissue, may be nowhere
    sizes = np.bincount(labels.ravel()) * voxel_ml
    tissue = np.append(False, np.asarray(ndimage.median(hu, labels, numbers)) >= ROOM_HU)
    sizes[~tissue] = 0.0  # the room, a stomach, a bowel, a trachea on its own
    enclosed = np.append(0.0, np.asarray(ndimage.mean(_enclosure(hu), labels, numbers)))
    enclosed[sizes < LEAST_ML] = 0.0
    sizes[enclosed < ENCLOSED * enclosed.max()] = 0.0
    kept = (sizes >= LEAST_ML) & (sizes >= LEAST_SHARE * sizes.max())
    return np.asarray(kept[labels])


def _body(hu: Hu) -> Mask:
    """The largest piece of tissue: no couch, no arm that lies apart."""
    labels, _ = ndimage.label(hu > TISSUE_HU)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax()) if sizes.any() else np.zeros(hu.shape, dtype=bool)


def _deep(hu: Hu, field: Mask, step: float) -> Mask:
    """What lies deeper in the body than the chest's wall is thick; the picture's edge is none."""
    inside = np.stack([ndimage.binary_fill_holes(plane) for plane in _body(hu) | field])
    wide = np.pad(inside, 1, mode="edge")
    if wide.all():
        return inside
    depth = ndimage.distance_transform_edt(wide) * step
    return np.asarray(depth[1:-1, 1:-1, 1:-1] > WALL_MM)


def _enclosure(hu: Hu) -> NDArray[np.uint8]:
    """In how many of four directions (front, back, right, left) the body is seen from a voxel: a
    lung that the picture's edge cuts sees it in three, a couch's foam in one.
    """
    body = _body(hu)
    seen = np.zeros(hu.shape, dtype=np.uint8)
    for axis in (1, 2):
        seen += np.logical_or.accumulate(body, axis)
        seen += np.flip(np.logical_or.accumulate(np.flip(body, axis), axis), axis)
    return seen


def _closed(air: Mask, radius: float) -> Mask:
    """Air closed by a ball, so that vessels within the lungs are part of their field."""
    pad = int(np.ceil(radius)) + 1
    wide = np.pad(air, pad)
    grown = ndimage.distance_transform_edt(~wide) <= radius
    shrunk = ndimage.distance_transform_edt(grown) > radius
    inside = (slice(pad, -pad),) * 3
    return np.asarray(shrunk[inside] | air)


def _between(field: Mask, step: float) -> Mask:
    """Per axial plane the convex hull of the lungs, a little wider; a lung that is alone in its
    plane looks further.
    """
    hull = np.zeros(field.shape, dtype=bool)
    for z, plane in enumerate(field):
        if plane.any():
            margin = BESIDE_MM if _two_sided(plane, step) else ALONE_MM
            hull[z] = _hull(plane, round(margin / step))
    return _steady(hull)


def _two_sided(plane: NDArray[np.bool_], step: float) -> bool:
    """Whether an axial plane shows both lungs: in two parts, or wider than one of them is."""
    columns = np.flatnonzero(plane.any(axis=0))
    return bool(ndimage.label(plane)[1] > 1 or np.ptp(columns) * step > ONE_LUNG_MM)


def _hull(plane: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    places = np.argwhere(plane)[:, ::-1].astype(np.int32)
    filled = np.zeros(plane.shape, dtype=np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(places), 1)
    side = 2 * margin + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(filled, kernel) > 0)


def _steady(hull: Mask) -> Mask:
    """A plane belongs to the region where its neighbours' hulls are, too: a lung that ends a
    little above or below does not cut the heart off.
    """
    return np.asarray(ndimage.binary_dilation(hull, np.ones((5, 1, 1), dtype=bool)))
