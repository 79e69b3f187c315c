"""A working grid: a box of an upright volume on near-cubic voxels of a wanted side."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.volume import Points, Volume

Hu = NDArray[np.float32]  # [z, y, x], HU
Mask = NDArray[np.bool_]  # [z, y, x]
BoxMm = tuple[NDArray[np.float64], NDArray[np.float64]]  # low and high corner, mm along (z, y, x)

CEILING_HU = 2000.0  # metal and pump-thick contrast: no more than this takes part in a mean


@dataclass(frozen=True, eq=False)
class Grid:
    """`hu` on voxels of about one side, upright: z to the head, y to the back, x to the left.

    Index i of an axis lies at voxel `i * scale + offset` of `source`, the upright volume.
    """

    hu: Hu
    source: Volume
    scale: NDArray[np.float64]  # [3] (z, y, x): source voxels per step
    offset: NDArray[np.float64]  # [3] (z, y, x): source voxel of index 0

    @property
    def step_mm(self) -> NDArray[np.float64]:
        """Millimetres between neighbours along (z, y, x), all near the wanted side."""
        return np.asarray(self.scale * np.array(self.source.spacing_mm))

    def to_mm(self, places: ArrayLike) -> Points:
        """Patient LPS (x, y, z) of places (z, y, x) on this grid."""
        return self.source.to_mm(np.asarray(places) * self.scale + self.offset)

    def directions_mm(self, steps: ArrayLike) -> Points:
        """Unit vectors (z, y, x) in patient millimetres of directions (z, y, x) on this grid."""
        voxels = np.asarray(steps, dtype=np.float64) * self.scale
        turned = (voxels[..., ::-1] @ self.source.affine[:3, :3].T)[..., ::-1]
        return np.asarray(turned / np.linalg.norm(turned, axis=-1, keepdims=True))


def regrid(volume: Volume, side_mm: float, box_mm: BoxMm | None = None) -> Grid:
    """`volume`, which is upright, on voxels of about `side_mm`; of it only `box_mm`, the distance
    of two corners from the outer corner of voxel 0 along (z, y, x).
    """
    spacing = np.array(volume.spacing_mm)
    shape = np.array(volume.voxels.shape)
    low, high = (np.zeros(3), shape * spacing) if box_mm is None else box_mm
    first = np.clip(np.floor(low / spacing).astype(int), 0, shape - 1)
    last = np.clip(np.ceil(high / spacing).astype(int), first + 1, shape)
    wanted = np.maximum(1, np.round((last - first) * spacing / side_mm)).astype(int)
    window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    scale = (last - first) / wanted
    hu = _along_z(_in_plane(volume.voxels[window], wanted), int(wanted[0]))
    return Grid(hu, volume, scale, first + 0.5 * scale - 0.5)


def _in_plane(voxels: NDArray[np.int16], wanted: NDArray[np.int_]) -> Hu:
    height, width = int(wanted[1]), int(wanted[2])
    planes = np.empty((len(voxels), height, width), dtype=np.float32)
    shrinks = voxels.shape[1] > height and voxels.shape[2] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    for z, plane in enumerate(voxels):
        capped = np.minimum(plane, CEILING_HU, dtype=np.float32)
        cv2.resize(capped, (width, height), dst=planes[z], interpolation=how)
    return planes


def _along_z(planes: Hu, wanted: int) -> Hu:
    if len(planes) == wanted:
        return planes
    hu = np.empty((wanted, *planes.shape[1:]), dtype=np.float32)
    how = cv2.INTER_AREA if len(planes) > wanted else cv2.INTER_LINEAR
    for y in range(planes.shape[1]):
        side = np.ascontiguousarray(planes[:, y])
        hu[:, y] = cv2.resize(side, (side.shape[1], wanted), interpolation=how)
    return hu
