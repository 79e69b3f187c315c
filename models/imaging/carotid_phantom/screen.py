"""The screen around the image: black margins, writing burned in, a scale, as exports have them."""

import cv2
import numpy as np

from models.case import Mask
from models.imaging.carotid_phantom.style import Looks

_WRITING = (
    "L9-3", "MI 1.1", "TIs 0.2", "G 62%", "DR 60", "2D", "FR 41Hz", "VASCULAR", "CCA", "10:24:31",
    "P 100", "Map E", "Persist Med", "Fr 112", "+", "3.0cm", "Res", "CAROTID LT", "C 6.0", "ST 1",
)  # fmt: skip
SCALE_MM = 5.0  # between the marks of the scale


def shown(
    rng: np.random.Generator, look: Looks, image: Mask, pixel_mm: float
) -> tuple[Mask, tuple[int, int]]:
    """The image on its screen, and (x, y) of the image's first pixel on it."""
    share = max(look.margin, 0.0)
    height, width = image.shape
    sides = [round(share * width * float(rng.uniform(0.3, 1.0))) for _ in range(4)]
    left, top, right, bottom = sides
    screen = np.zeros((top + height + bottom, left + width + right), np.uint8)
    screen[top : top + height, left : left + width] = image
    if min(left, right) > 8:
        _scale(screen, left - 6, top, height, pixel_mm)
        _wedge(screen, left + width + max(2, right // 3), top, height // 4)
    for _ in range(max(0, round(look.text))):
        _write(rng, screen)
    return screen, (left, top)


def _scale(screen: Mask, x: int, top: int, height: int, pixel_mm: float) -> None:
    """A tick for every 5 mm of depth."""
    for k in range(int(height * pixel_mm / SCALE_MM) + 1):
        y = top + round(k * SCALE_MM / pixel_mm)
        screen[y : y + 1, x : x + (5 if k % 2 == 0 else 3)] = 190


def _wedge(screen: Mask, x: int, top: int, height: int) -> None:
    """The grey scale, white above."""
    ramp = np.linspace(255, 0, height).astype(np.uint8)[:, None]
    screen[top : top + height, x : x + 6] = ramp


def _write(rng: np.random.Generator, screen: Mask) -> None:
    """Somewhere along the edges, on the margins or over the corners of the image."""
    height, width = screen.shape
    words = _WRITING[int(rng.integers(len(_WRITING)))]
    size, grey = float(rng.uniform(0.3, 0.5)), int(rng.integers(150, 256))
    along, across = float(rng.uniform(0, 1)), float(rng.uniform(0, 0.12))
    x = int(across * width) if rng.random() < 0.5 else int(width * (1 - across)) - 60
    y = int(along * height * 0.3) + 10 if rng.random() < 0.7 else height - 6
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(screen, words, (max(2, x), y), font, size, grey, 1, cv2.LINE_AA)
