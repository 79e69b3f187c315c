"""The direction of a vessel at a place: along it the picture changes least.

A structure tensor, gradients' outer products summed over a ball. Of two pictures: tissue against
lung, in which an embolus and lumen look alike and only the wall is an edge; and lumen with the
dark cluster filled in, for vessels within tissue. The picture that is the clearer tube answers.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.imaging.vessels.scene import Scene

REACH_MM = 12.0  # half a side of the box that is looked at
WINDOW_MM = 4.5  # sigma of the ball
EDGE_MM = 1.2  # sigma at which gradients are taken: about a subsegmental vessel's radius
FLAT_HU, FULL_HU = -500.0, 60.0  # lung is below, embolus and lumen above
LEAST_EDGE = 1e-4  # of a tensor's trace, pictures from 0 to 1: below there is no edge at all
Axis = NDArray[np.float64]  # [3] (z, y, x), unit, on the grid
UP: tuple[float, float, float] = (1.0, 0.0, 0.0)


def find_axes(scene: Scene, places: NDArray[np.int64]) -> list[Axis]:
    """The vessel's axis at each place (z, y, x) of the fine grid."""
    return [_axis(scene, (int(z), int(y), int(x))) for z, y, x in places]


def _axis(scene: Scene, place: tuple[int, int, int]) -> Axis:
    reach = round(REACH_MM / float(scene.grid.step_mm.mean()))
    window = tuple(
        slice(max(0, i - reach), min(n, i + reach + 1))
        for i, n in zip(place, scene.grid.hu.shape, strict=True)
    )
    inner = tuple(i - part.start for i, part in zip(place, window, strict=True))
    flat = np.clip((scene.grid.hu[window] - FLAT_HU) / (FULL_HU - FLAT_HU), 0, 1)
    filled = _filled(scene, window, inner)
    step = scene.grid.step_mm
    answers = [_tube(picture, inner, step) for picture in (flat, filled)]
    axis, clear = max(answers, key=lambda answer: answer[1])
    return axis if clear > 0 else np.array(UP)


def _filled(scene: Scene, window: tuple[slice, ...], inner: tuple[int, ...]) -> NDArray[np.float32]:
    """Lumen and the dark voxels that hang together with the place, within a clot's reach."""
    lumen = scene.lumen[window]
    reach = ndimage.distance_transform_edt(~lumen)
    dark = (scene.dark[window] > 0.45) & scene.tissue[window] & (reach <= 3)
    labels, _ = ndimage.label(dark)
    at = labels[inner]
    return np.asarray(lumen | ((labels == at) & (at > 0)), dtype=np.float32)


def _tube(
    picture: NDArray[np.float32], place: tuple[int, ...], step: NDArray[np.float64]
) -> tuple[Axis, float]:
    """(axis, how tube-like: 0 none, 1 a clean tube) from the tensor around the place."""
    edges = [
        ndimage.gaussian_filter(picture, EDGE_MM / step, order=order, mode="nearest")
        for order in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    weight = _ball(picture.shape, place, step)
    rows = np.stack([edge.ravel() for edge in edges]).astype(np.float64)
    tensor = (rows * weight.ravel()) @ rows.T
    strengths, directions = np.linalg.eigh(tensor)
    if strengths.sum() < LEAST_EDGE:
        return np.array(UP), 0.0
    clear = float((strengths[1] - strengths[0]) / strengths[2])
    axis = directions[:, 0]
    return axis * np.sign(axis[np.argmax(np.abs(axis))]), clear


def _ball(
    shape: tuple[int, ...], place: tuple[int, ...], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    z, y, x = (
        np.exp(-(((np.arange(n) - i) * s) ** 2) / (2 * WINDOW_MM**2))
        for n, i, s in zip(shape, place, step, strict=True)
    )
    weight = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return np.asarray(weight / weight.sum())
