"""Drawn walls for the tests of this folder: dark lumen on a bright wall, in grey noise."""

import numpy as np

from models.case import Lines, Pixels


def frame(
    height: int = 480, width: int = 640, far: float = 300.0, slope: float = 0.0,
    lumen: float = 100.0, noise: float = 10.0,
) -> tuple[Pixels, Lines]:  # fmt: skip
    """A frame whose far wall's lumen-intima is `far` rows down in its middle column."""
    rng = np.random.default_rng(0)
    x, y = np.arange(width, dtype=np.float64), np.arange(height)[:, None]
    upper = far + slope * (x - width / 2)
    lower = upper + 11
    grey = np.full((height, width), 110.0)
    grey[(y > upper - lumen - 25) & (y <= upper - lumen)] = 200  # the near wall
    grey[(y > upper - lumen) & (y < upper)] = 15
    grey[(y >= upper) & (y < lower)] = 80
    grey[(y >= lower) & (y < lower + 15)] = 220
    grey = np.clip(grey + rng.normal(0, noise, grey.shape), 7, 255).astype(np.uint8)
    lines = (np.column_stack([x, upper - 0.5]), np.column_stack([x, lower - 0.5]))
    return np.repeat(grey[..., None], 3, axis=2), lines
