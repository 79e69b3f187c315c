"""A vessel laid straight along its walk (a curved reformation, after Kanitsar et al., IEEE
Visualization 2002): what a network sees of a place that four centimetres straight ahead would miss.

Around each step of the walk, rings of samples: of each ring the mean, the most and the least, which
do not change with the turn that a picture happens to have.
"""

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.beside import directions, rings
from models.imaging.vessels.grid import Hu
from models.imaging.vessels.ridges import between
from models.imaging.vessels.walks import STEPS

Floats = NDArray[np.float64]
Pictures = NDArray[np.float32]

RINGS_MM = np.array([0.0, 0.75, 1.5, 2.25, 3.0, 4.0, 5.25, 7.0])
TURNS = 8
WIDEST_MM = 12.0
LONG = 2 * STEPS + 1
CHANNELS = 3 * len(RINGS_MM) + 2
CHUNK = 200  # places at once


def pictures(picture: Hu, vessel: Floats, step_mm: Floats) -> Pictures:
    """[n, CHANNELS, LONG] of the grid as `beside.greys` shows it and of ways [n, LONG, 5] as
    `walks.through` has them: mean, most and least of each ring, the logarithm of the radius,
    and darkness, step by step.
    """
    made = np.empty((len(vessel), CHANNELS, LONG), dtype=np.float32)
    for first in range(0, len(vessel), CHUNK):
        some = vessel[first : first + CHUNK]
        track = some[..., :3]
        at = rings(track, directions(track, step_mm), RINGS_MM, TURNS, step_mm)
        seen = between(picture, at)
        every = [seen.mean(axis=3), seen.max(axis=3), seen.min(axis=3)]
        radius, dark = np.log1p(np.clip(some[..., 3], 0, WIDEST_MM)), some[..., 4]
        rows = np.concatenate([*every, radius[..., None], dark[..., None]], axis=2)
        made[first : first + CHUNK] = rows.transpose(0, 2, 1)
    return made
