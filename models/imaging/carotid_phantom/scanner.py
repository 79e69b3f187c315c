"""A linear scanner: echo becomes speckle, is weakened with depth, compensated and compressed.

Speckle is the envelope of a sum of many waves (Rayleigh distributed, Wagner et al. 1983): a
complex normal field, smoothed by the point spread. That is short along the beam, and wide across
it, the wider the farther from the focus.
"""

import cv2
import numpy as np

from models.case import Mask
from models.imaging.brush import Plane, soft, step
from models.imaging.carotid_phantom.style import Looks
from models.imaging.carotid_phantom.tissue import Echo
from models.imaging.carotid_phantom.walls import Row, wander

SPREAD = 1.9  # how much wider a beam is where it is widest


def scanned(rng: np.random.Generator, look: Looks, echo: Echo, y: Row, pixel_mm: float) -> Mask:
    """Grey values [y, x] uint8 of the tissue, as a scanner shows them; `y` [rows] in mm."""
    focus = float(rng.uniform(0.35, 0.75)) * look.span_mm
    away = np.clip(np.abs(y - focus) / (0.6 * look.span_mm), 0, 1)[:, None]
    amplitude = np.asarray(10 ** (echo.diffuse / 20), np.float32)
    shadow = _shadow(rng, look, len(amplitude[0]))
    patterns = [
        _envelope(rng, look, amplitude, echo.mirror, away, pixel_mm)
        for _ in range(max(1, round(look.looks)))
    ]
    wave = np.sqrt(np.mean([pattern**2 for pattern in patterns], axis=0))
    wave = wave * _through(rng, look, y)[:, None] * shadow
    noise = 10 ** (look.noise_db / 20) * np.hypot(
        *rng.standard_normal((2, *wave.shape), dtype=np.float32)
    )
    lifted = 1 + 3 * (y / look.span_mm)[:, None]  # the compensation lifts the noise too
    return _shown(look, np.asarray(np.hypot(wave, noise * lifted), np.float32))


def _envelope(
    rng: np.random.Generator, look: Looks, amplitude: Plane, mirror: Plane, away: Plane,
    pixel_mm: float,
) -> Plane:  # fmt: skip
    """One speckle pattern of the tissue with the steady echoes in it, [y, x]."""
    fields = rng.standard_normal((2, *amplitude.shape), dtype=np.float32) * amplitude
    axial, lateral = look.axial_mm / pixel_mm, look.lateral_mm / pixel_mm
    parts = []
    for field in fields:
        sharp = _spread(field, axial, lateral)
        wide = _spread(field, axial, lateral * SPREAD)
        parts.append(sharp * (1 - away) + wide * away)
    steady = cv2.GaussianBlur(mirror, (0, 0), sigmaX=lateral, sigmaY=0.3)
    return np.asarray(np.hypot(parts[0] + steady, parts[1]), np.float32)


def _spread(field: Plane, axial: float, lateral: float) -> Plane:
    """The field under a point spread, with the power of the field before."""
    power = 2 * np.sqrt(np.pi * axial * lateral)
    blurred = cv2.GaussianBlur(field, (0, 0), sigmaX=lateral, sigmaY=axial)
    return np.asarray(blurred * power, np.float32)


def _shadow(rng: np.random.Generator, look: Looks, columns: int) -> Row:
    """What poor contact leaves of the amplitude, per column."""
    depth = max(look.shadow_db, 0.0) * step(wander(rng, columns, 6) - 0.7, 0.7)
    return np.asarray(10 ** (-(depth + 0.7 * wander(rng, columns, 8)) / 20), np.float32)


def _through(rng: np.random.Generator, look: Looks, y: Row) -> Row:
    """Attenuation after the scanner's compensation, as an amplitude per row."""
    lost = look.fall_db * (y / look.span_mm) ** 1.5
    ripple = look.ripple_db * wander(rng, len(y), 4)
    return np.asarray(10 ** ((ripple - lost) / 20), np.float32)


def _shown(look: Looks, wave: Plane) -> Mask:
    """Compressed to grey, sharpened as scanners do, bent by the display's curve."""
    level = 1 + (20 * np.log10(np.maximum(wave, 1e-6)) + look.gain_db) / look.range_db
    grey: Plane = np.asarray(np.clip(level, 0, 1), np.float32)
    sharper = np.clip(grey + look.sharpening * (grey - soft(grey, 1.6)), 0, 1)
    return np.asarray((255 * sharper**look.gamma).round(), np.uint8)
