"""Random patches along a wall for training: as serving cuts them, but anywhere, of another scale,
turned, mirrored, and recorded by another scanner.
"""

import numpy as np

from models.case import UNKNOWN, Case, Lines, Roi
from models.imaging.looks import Look, recoloured
from models.imaging.views import Matrix, bounds, warped
from models.imaging.wall import truth
from models.imaging.wall.geometry import HALF
from models.imaging.wall.scanners import faded, rescanned
from models.imaging.wall.tiles import extent

# Scanners show between 0.04 and 0.1 mm a pixel; whoever trains has seen one or two of them.
ZOOM = (0.55, 1.6)
ASPECT = 1.3  # beyond the zoom, along the wall only
TURN_DEG = 9.0
OFF = 0.3  # of the patch's height that the wall may be off its middle
ELSEWHERE = 0.15  # of the patches lie anywhere in the image: there are other walls
LOOK = Look(
    brightness=25.0, contrast=1.4, gamma=1.6, blur=0.15, soft=0.2, noise=0.2, jpeg=0.1
)  # fmt: skip


def drawn(case: Case, size: int, rng: np.random.Generator) -> Roi:
    """One patch [size, size] with its truth. Of a case without lines the mask it has is shown."""
    shape = (case.pixels.shape[0], case.pixels.shape[1])
    matrix = placed(case, size, rng)
    given = np.full(shape, UNKNOWN, np.uint8) if case.mask is None else case.mask
    seen, mask = warped(case.pixels, given, matrix, size)
    if case.lines is not None:
        mask = truth.drawn(case.lines, matrix, size, shape)
        seen = faded(seen, mask, rng)
    seen, mask = recoloured(rescanned(seen, rng), mask, LOOK, rng)
    return Roi(seen, bounds(matrix, size, shape), mask)


def placed(case: Case, size: int, rng: np.random.Generator) -> Matrix:
    """Draws patch -> image, in continuous coordinates."""
    shape = (case.pixels.shape[0], case.pixels.shape[1])
    rows, columns = extent(shape, case.spacing_mm)
    zoom = float(np.exp(rng.uniform(*np.log(ZOOM))))
    stretch = float(np.exp(rng.uniform(-1, 1) * np.log(ASPECT)))
    half_x, half_y = columns / 2 / zoom * stretch, rows / 2 / zoom
    angle = float(np.deg2rad(rng.uniform(-TURN_DEG, TURN_DEG)))
    across = 1.0 if rng.random() < 0.5 else -1.0
    centre = _centre(case.lines, shape, (half_x, half_y), rng)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turned @ np.diag([across * half_x, half_y]) / (size / 2)
    return np.column_stack([linear, centre - linear @ np.full(2, size / 2)])


def _centre(
    lines: Lines | None, shape: tuple[int, int], half: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:  # fmt: skip
    """About a place of the wall, or anywhere; no farther out than sees mostly what is known."""
    first, last, y = 0.0, float(shape[1]), float(rng.uniform(0, shape[0]))
    if lines is not None:
        first, last = max(line[0, 0] for line in lines), min(line[-1, 0] for line in lines)
    room = min(0.8 * half[0], (last - first) / 2)
    x = float(rng.uniform(first + room, last - room))
    off = float(rng.uniform(-OFF, OFF)) * 2 * half[1]
    if lines is not None and rng.random() >= ELSEWHERE:
        y = float(np.mean([np.interp(x, line[:, 0], line[:, 1]) for line in lines])) + off
    return np.array([x, y]) + HALF
