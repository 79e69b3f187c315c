"""What a scanner does to a chest: breathing, blur, streaks, beam hardening, correlated noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom.grid import Grid
from models.imaging.ctpa_phantom.style import Looks
from models.imaging.ctpa_phantom.tubes import Tubes
from models.volume import AIR_HU, LabelVoxels, Voxels

Plane = NDArray[np.float32]  # [y, x], HU
DENSE_HU = 350.0  # from which on matter hardens the beam
RAYS = 9  # of a streak pattern
CHAIN = 0.45  # of a slice's noise that comes from the one before
CORNERS = 0.6  # Looks.corners from which on the field of view is a circle
COLOURED = 0.5  # Looks.grain from which on noise is not white
GRAIN_MM = 0.75  # standard deviation of the noise's blobs under a soft kernel


@dataclass(frozen=True, eq=False)
class Artefacts:
    """One scan's: which slice shows which, how far each is moved, and where streaks start."""

    shown: NDArray[np.int_]  # [z] the slice of the patient that a slice shows
    moved_px: NDArray[np.float64]  # [z, 2] x, y
    streaks: NDArray[np.float64]  # [z, 3] x, y in voxels and strength in HU
    rays: NDArray[np.float64]  # [RAYS, 3] count, phase, drift
    beating: NDArray[np.float64]  # [z] how far the heart moves, mm
    heart: Plane  # how much of that is seen, 0 to 1


def artefacts(
    rng: np.random.Generator, look: Looks, grid: Grid, cava: Tubes, heart_mm: NDArray[np.float64]
) -> Artefacts:
    """Bands displaced by a breath, and streaks off the superior vena cava."""
    count = grid.shape[0]
    shown, moved = np.arange(count), np.zeros((count, 2))
    for _ in range(int(look.breaths)):
        first, thick = int(rng.integers(count)), int(rng.integers(2, 6))
        band = slice(first, min(first + thick, count))
        millimetres = rng.normal(0, 1.5, 2) + np.array([0, rng.choice([-1, 1]) * 2.5])
        moved[band] = millimetres / grid.spacing_mm[1]
        shown[band] = np.clip(shown[band] + int(rng.choice([-2, -1, 1, 2])), 0, count - 1)
    heights = 0.5 * (cava.starts[:, 2] + cava.ends[:, 2])
    order = np.argsort(heights)
    z = grid.along(0)
    streaks = np.zeros((count, 3))
    for axis in range(2):
        at = np.interp(z, heights[order], cava.starts[order, axis])
        streaks[:, axis] = (at - grid.origin_mm[axis]) / grid.spacing_mm[2 - axis]
    within = (z > heights.min()) & (z < heights.max())
    waves = 0.6 + 0.4 * np.sin(np.arange(count) * 0.5 + rng.uniform(0, 6))
    streaks[:, 2] = look.streaks_hu * within * waves
    rays = np.column_stack([rng.integers(3, 19, RAYS), rng.uniform(0, 6.28, RAYS),
                            rng.normal(0, 0.25, RAYS)])  # fmt: skip
    beating = look.heartbeat_mm * np.exp(-(((z - heart_mm[2]) / 38) ** 2))
    x, y = np.meshgrid(grid.along(2), grid.along(1))
    heart = np.exp(-(((np.hypot(x - heart_mm[0], y - heart_mm[1])) / 62) ** 4))
    return Artefacts(shown, moved, streaks, rays, beating, np.asarray(heart, np.float32))


def scanned(
    rng: np.random.Generator, look: Looks, grid: Grid, clean: Voxels, labels: LabelVoxels,
    seen: Artefacts,
) -> tuple[Voxels, LabelVoxels]:  # fmt: skip
    """The scan of a patient: HU, and the emboli where that scan shows them."""
    voxels, truth = np.empty_like(clean), np.empty_like(labels)
    grain = np.zeros(grid.shape[1:], np.float32)
    noisy, unseen = _noise_map(look, grid), _unseen(look, grid)
    for k, source in enumerate(seen.shown.tolist()):
        plane, marks = clean[source].astype(np.float32), labels[source]
        if seen.moved_px[k].any():
            plane, marks = _moved(plane, marks, seen.moved_px[k])
        if seen.beating[k] > 0.3:
            plane = _beaten(plane, seen.heart, seen.beating[k] / grid.spacing_mm[2])
        plane = _hardened(look, grid, _blurred(look, grid, plane))
        if seen.streaks[k, 2] > 0:
            plane += _streaks(seen, k, grid)
        grain = CHAIN * grain + np.sqrt(1 - CHAIN**2) * _grain(rng, look, grid)
        plane += grain * noisy
        plane[unseen] = AIR_HU
        voxels[k] = np.rint(np.clip(plane, AIR_HU, 3071))
        truth[k] = marks
    return voxels, truth


def _moved(
    plane: Plane, marks: NDArray[np.uint8], by: NDArray[np.float64]
) -> tuple[Plane, NDArray[np.uint8]]:
    """Shifted, and seen twice as what moves during a rotation is."""
    size = (plane.shape[1], plane.shape[0])
    there = np.array([[1, 0, by[0]], [0, 1, by[1]]])
    half = np.array([[1, 0, 0.6 * by[0]], [0, 1, 0.6 * by[1]]])
    one, other = (
        cv2.warpAffine(plane, way, size, borderMode=cv2.BORDER_REPLICATE) for way in (there, half)
    )
    shifted = cv2.warpAffine(marks, there, size, flags=cv2.INTER_NEAREST)
    return np.asarray(0.65 * one + 0.35 * other, np.float32), np.asarray(shifted, np.uint8)


def _beaten(plane: Plane, heart: Plane, by_px: float) -> Plane:
    """The heart seen in two places, as it moved while the tube went round."""
    way = np.array([[1, 0, 0.8 * by_px], [0, 1, 0.6 * by_px]])
    size = (plane.shape[1], plane.shape[0])
    other = cv2.warpAffine(plane, way, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(plane + 0.45 * heart * (other - plane), np.float32)


def _unseen(look: Looks, grid: Grid) -> NDArray[np.bool_]:
    """The corners beyond the circle of view, in some scans."""
    y, x = np.mgrid[0 : grid.shape[1], 0 : grid.shape[2]]
    middle = (np.array(grid.shape[1:]) - 1) / 2
    outside = np.hypot(y - middle[0], x - middle[1]) > max(grid.shape[1:]) / 2
    return np.asarray(outside & (look.corners > CORNERS))


def _blurred(look: Looks, grid: Grid, plane: Plane) -> Plane:
    """The point spread of the kernel, with its sharpening."""
    pixel = grid.spacing_mm[2]
    soft = cv2.GaussianBlur(plane, (0, 0), max(look.blur_mm / pixel, 0.3))
    if look.edge > 0.02:
        soft = soft + look.edge * (soft - cv2.GaussianBlur(soft, (0, 0), 1.3 / pixel))
    return np.asarray(soft, np.float32)


def _hardened(look: Looks, grid: Grid, plane: Plane) -> Plane:
    """Dark bands between dense things that lie side by side."""
    dense = np.maximum(plane - DENSE_HU, 0)
    wide = max(3, round(70 / grid.spacing_mm[2])) | 1
    band = cv2.blur(dense, (wide, 3))
    return np.asarray(plane - look.hardening * 6 * band * (plane > -300) * (dense <= 0), np.float32)


def _streaks(seen: Artefacts, k: int, grid: Grid) -> Plane:
    """Rays of bright and dark around the dense contrast."""
    x0, y0, strength = seen.streaks[k].tolist()
    y, x = np.ogrid[0 : grid.shape[1], 0 : grid.shape[2]]
    dx, dy = (
        ((x - x0) * grid.spacing_mm[2]).astype(np.float32),
        ((y - y0) * grid.spacing_mm[1]).astype(np.float32),
    )
    away = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx)
    rays = np.zeros(away.shape, np.float32)
    for number, phase, drift in seen.rays.tolist():
        rays += np.sin(np.float32(number) * angle + np.float32(phase + drift * k))
    fade = np.exp(-away / 40) * np.clip((away - 7) / 6, 0, 1)
    return np.asarray(strength * rays / 2 * fade, np.float32)


def _grain(rng: np.random.Generator, look: Looks, grid: Grid) -> Plane:
    """Noise of variance 1: white, or as filtered back projection colours it, little of it at low
    frequencies.
    """
    pixel = grid.spacing_mm[2]
    white = rng.standard_normal(grid.shape[1:], dtype=np.float32)
    if look.grain < COLOURED:
        return white
    sigma = max(GRAIN_MM * (1.15 - 0.5 * look.edge) / pixel, 0.3)
    fine = cv2.GaussianBlur(white, (0, 0), sigma)
    fine = fine - 0.8 * cv2.GaussianBlur(fine, (0, 0), 2.2 * sigma)
    return np.asarray(fine / (fine.std() + 1e-6), np.float32)


def _noise_map(look: Looks, grid: Grid) -> Plane:
    """Standard deviation in HU: most in the middle, where rays have come through the most."""
    y, x = np.mgrid[0 : grid.shape[1], 0 : grid.shape[2]]
    ry, rx = (y / grid.shape[1] - 0.5) / 0.36, (x / grid.shape[2] - 0.5) / 0.46
    return np.asarray(look.noise_hu * (0.45 + 0.65 * np.exp(-(rx**2 + ry**2))), np.float32)
