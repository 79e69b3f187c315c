"""One augmented view of an image and its mask: a single warp for both, then colour and camera.

What moves pixels moves the mask's in the same step (nearest, never mixed); what only changes how
pixels look leaves the mask alone. Beyond the image's edge the picture is mirrored and the mask
says UNKNOWN, so that nothing invented is learnt.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box, Mask, Pixels, Roi
from models.imaging.looks import Look, recoloured

Matrix = NDArray[np.float64]  # [2, 3]


@dataclass(frozen=True)
class Motion:
    """How a view may lie in the image. All of it in the square that serving squeezes it to.

    zoom      factor of size, drawn evenly in its logarithm; below 1 the image shrinks
    aspect    width over height of what is seen, likewise; from 1 / aspect to aspect
    turn_deg  to either side
    dihedral  quarter turns and mirrors, as for an endoscope, which has no up and no left
    mirror    left and right may be exchanged
    """

    zoom: tuple[float, float]
    aspect: float
    turn_deg: float
    dihedral: bool = False
    mirror: bool = True


def view(
    pixels: Pixels,
    mask: Mask,
    size: int,
    motion: Motion,
    look: Look,
    rng: np.random.Generator,
) -> Roi:
    """One random view [size, size] with its mask; `box_px` is the part of the image it is from."""
    matrix = placed(pixels.shape[:2], size, motion, rng)
    seen, truth = warped(pixels, mask, matrix, size)
    seen, truth = recoloured(seen, truth, look, rng)
    return Roi(seen, bounds(matrix, size, pixels.shape[:2]), truth)


def placed(shape: tuple[int, int], size: int, motion: Motion, rng: np.random.Generator) -> Matrix:
    """Draws patch -> image, in continuous coordinates (a pixel's centre is at + 0.5)."""
    height, width = shape
    zoom = float(np.exp(rng.uniform(*np.log(motion.zoom))))
    stretch = float(np.exp(rng.uniform(-1, 1) * np.log(motion.aspect) / 2))
    half = np.array([stretch, 1 / stretch]) / zoom  # of the image's own half width and height
    angle = float(np.deg2rad(rng.uniform(-motion.turn_deg, motion.turn_deg)))
    flips = rng.integers(0, 2, size=3)  # left-right, up-down, transposed
    room = np.abs(1 - half)  # how far the centre may go without seeing more than it must
    centre = rng.uniform(-1, 1, size=2) * room
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turned @ np.diag(half) @ _flipped(motion, flips)
    to_image = np.diag([width / 2, height / 2])  # from [-1, 1] to pixels
    linear = to_image @ linear / (size / 2)
    origin = to_image @ (centre + 1) - linear @ np.full(2, size / 2)
    return np.column_stack([linear, origin])


def _flipped(motion: Motion, flips: NDArray[np.int64]) -> Matrix:
    across = -1.0 if flips[0] and (motion.mirror or motion.dihedral) else 1.0
    down = -1.0 if flips[1] and motion.dihedral else 1.0
    flip = np.diag([across, down])
    return flip[::-1] if flips[2] and motion.dihedral else flip


def warped(pixels: Pixels, mask: Mask, matrix: Matrix, size: int) -> tuple[Pixels, Mask]:
    """Image and mask under `matrix`; the image is shrunk first, so that nothing aliases."""
    spans = np.linalg.norm(matrix[:, :2], axis=1)  # image pixels across and down for a patch's one
    height, width = pixels.shape[:2]
    reduced = [max(1, round(length / max(1.0, span)))
               for length, span in zip((width, height), spans, strict=True)]  # fmt: skip
    if reduced != [width, height]:
        pixels = np.asarray(cv2.resize(pixels, reduced, interpolation=cv2.INTER_AREA), np.uint8)
    shrink = np.array([[reduced[0] / width], [reduced[1] / height]])
    seen = cv2.warpAffine(
        pixels, _centred(matrix * shrink), (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    truth = cv2.warpAffine(
        mask, _centred(matrix), (size, size), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(UNKNOWN,),
    )  # fmt: skip
    return np.asarray(seen, dtype=np.uint8), np.asarray(truth, dtype=np.uint8)


def _centred(matrix: Matrix) -> Matrix:
    """From continuous coordinates to OpenCV's, which count from the middle of the first pixel."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.full(2, 0.5) - 0.5
    return moved


def bounds(matrix: Matrix, size: int, shape: tuple[int, int]) -> Box:
    """What the view shows, as an upright box within the image."""
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ matrix.T
    limit = (shape[1], shape[0])
    x0, y0 = np.clip(corners.min(axis=0), 0, limit)
    x1, y1 = np.clip(corners.max(axis=0), 0, limit)
    return float(x0), float(y0), float(x1), float(y1)


def squeezed(pixels: Pixels, mask: Mask | None, size: int) -> Roi:
    """What serving shows to a map network: the whole image as a square, and its mask likewise."""
    height, width = pixels.shape[:2]
    how = cv2.INTER_AREA if min(height, width) >= size else cv2.INTER_LINEAR
    seen = cv2.resize(pixels, (size, size), interpolation=how)
    truth: Mask | None = None
    if mask is not None:
        nearest = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        truth = np.ascontiguousarray(nearest, dtype=np.uint8)
    whole = (0.0, 0.0, float(width), float(height))
    return Roi(np.ascontiguousarray(seen, dtype=np.uint8), whole, truth)


def mirrored(roi: Roi) -> Roi:
    """The same patch with left and right exchanged, and saying so."""
    mask = None if roi.mask is None else np.ascontiguousarray(roi.mask[:, ::-1])
    pixels = np.ascontiguousarray(roi.pixels[:, ::-1])
    return Roi(pixels, roi.box_px, mask, not roi.mirrored)
