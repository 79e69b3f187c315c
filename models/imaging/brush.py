"""What the phantoms draw with: smooth noise, soft edges, branching vessels, bubbles."""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # [y, x]
Light = NDArray[np.float32]  # [y, x, 3] RGB, 0..1


def clouds(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Plane:
    """Smooth noise of unit spread, [height, width] = shape, with `cells` knots along the width."""
    height, width = shape
    knots = rng.normal(0, 1, (max(2, cells * height // width) + 1, cells + 1)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def step(value: NDArray[np.floating], width: float) -> Plane:
    """0 below zero, 1 above, smooth over `width`."""
    t = np.clip(value / width + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def soft(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blurred by a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def branch(
    rng: np.random.Generator, mask: NDArray[np.uint8], start: NDArray[np.float64],
    heading: float, steps: int, width: int,
) -> None:  # fmt: skip
    """A vessel from `start` (x, y) into `mask`, `width` pixels wide, with thinner ones off it."""
    turns = heading + np.cumsum(rng.normal(0, 0.22, steps))
    path = start + np.cumsum(2.4 * np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
    cv2.polylines(
        mask, [path.round().astype(np.int32)], False, 150 + 50 * width, width, cv2.LINE_AA
    )
    if width == 1:
        return
    for k in rng.integers(steps // 4, steps, 3):
        side = turns[k] + float(rng.choice([-1, 1])) * rng.uniform(0.4, 0.9)
        branch(rng, mask, path[k], float(side), steps // 2, width - 1)


def bubble(light: Light, x: int, y: int, radius: int) -> None:
    """A bubble over what is there: a bright rim, the lamp's image towards the upper left."""
    margin = radius + 2
    y0, x0 = max(0, y - margin), max(0, x - margin)
    cut = light[y0 : y + margin, x0 : x + margin]
    yy, xx = np.mgrid[0 : cut.shape[0], 0 : cut.shape[1]]
    away = np.hypot(xx + x0 - x, yy + y0 - y)
    inside = away < radius
    cut[inside] *= 0.86
    rim = np.exp(-(((away - radius) / 0.9) ** 2))[..., None] * 0.55
    gleam = np.exp(
        -(
            ((xx + x0 - x + radius * 0.4) ** 2 + (yy + y0 - y + radius * 0.4) ** 2)
            / (0.3 + 0.03 * radius**2)
        )
    )
    cut += (rim + 0.9 * gleam[..., None]) * (1 - cut)
