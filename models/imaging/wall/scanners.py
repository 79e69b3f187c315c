"""How another scanner, probe or hand would have shown the same wall, beyond colour and sharpness:
depth compensation, poor contact, wider beams, electronic noise in what is dark, coarser speckle.

All of it on a patch in place of the scanner; nothing is moved, so that lines stay where they are.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Mask, Pixels
from models.imaging.wall.truth import INTIMA_MEDIA

Grey = NDArray[np.float32]  # [size, size], 0 to 255

COMPENSATED, TOUCHED = 0.14, 0.16  # spread of the logarithm of gain, by depth and along the probe
SHADOW, SHADOWED = 0.25, (0.15, 0.8)  # chance, and what is left of the light
FADE, FADED = 0.35, (0.25, 0.8)  # the same of the intima's echo alone
WIDER, LATERAL_PX, AXIAL_PX = 0.4, (0.5, 3.5), (0.3, 1.2)
NOISY, NOISE = 0.5, (3.0, 24.0)  # chance, and grey levels in black
SPECKLED, SPECKLE = 0.3, (0.1, 0.45)  # chance, and the share of the light


def rescanned(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The patch [size, size, 3] as another scanner might have shown it, grey."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = len(grey)
    grey *= np.exp(_wander(rng, size, COMPENSATED))[:, None]
    grey *= np.exp(_wander(rng, size, TOUCHED))[None, :]
    if rng.random() < SHADOW:
        grey *= _shadow(rng, size, SHADOWED)[None, :]
    if rng.random() < WIDER:
        scale = size / 224
        sigmas = [max(0.1, scale * float(rng.uniform(*span))) for span in (LATERAL_PX, AXIAL_PX)]
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), sigmas[0], sigmaY=sigmas[1]), np.float32)
    if rng.random() < SPECKLED:
        grey *= 1 + _grain(rng, size) * np.float32(rng.uniform(*SPECKLE))
    if rng.random() < NOISY:
        dark = 1 - np.minimum(grey, 255) / np.float32(255)
        grey += np.abs(_grain(rng, size)) * dark**2 * np.float32(rng.uniform(*NOISE))
    shown = np.clip(grey + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=2)


def faded(pixels: Pixels, mask: Mask, rng: np.random.Generator) -> Pixels:
    """The patch, often with a stretch in which the intima sends less back than it did: there only
    the wall on either side says where the line goes on.
    """
    if rng.random() >= FADE:
        return pixels
    wall = cv2.dilate((mask == INTIMA_MEDIA).astype(np.float32), np.ones((3, 3), np.uint8))
    soft = cv2.GaussianBlur(wall, (0, 0), 0.8)
    light = 1 - soft * (1 - _shadow(rng, len(mask), FADED))[None, :]
    return np.asarray(pixels * light[..., None] + 0.5, np.uint8)


def _wander(rng: np.random.Generator, size: int, spread: float) -> Grey:
    """[size] a smooth curve about 0 through six random heights."""
    knots = (rng.standard_normal((1, 6)) * spread).astype(np.float32)
    return np.asarray(cv2.resize(knots, (size, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)


def _shadow(rng: np.random.Generator, size: int, left: tuple[float, float]) -> Grey:
    """[size] 1, and less in a band with soft rims."""
    x = np.arange(size, dtype=np.float32)
    middle, half = rng.uniform(0, size), rng.uniform(0.03, 0.25) * size
    soft = rng.uniform(0.01, 0.06) * size
    inside = 1 / (1 + np.exp(np.clip((np.abs(x - middle) - half) / soft, -30, 30)))
    return np.asarray(1 - inside * (1 - rng.uniform(*left)), np.float32)


def _grain(rng: np.random.Generator, size: int) -> Grey:
    """Normal noise, wider than it is high, as speckle is."""
    across, down = (max(4, round(size / rng.uniform(1, most))) for most in (3.0, 1.8))
    cells = rng.standard_normal((down, across), dtype=np.float32)
    return np.asarray(cv2.resize(cells, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
