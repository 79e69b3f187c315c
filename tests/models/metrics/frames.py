"""Frames with their candidates, written as the table that a hand-worked FROC starts from."""

import numpy as np

from models.findings import Labels, Measure
from models.metrics.froc import IGNORED, NO_LESION

POLYP = Labels(("polyp",), "polyp")
MISS = (NO_LESION, 0.0, NO_LESION)
UNSAID = (IGNORED, 0.0, NO_LESION)


def hit(lesion: int, iou: float = 0.8) -> tuple[int, float, int]:
    return lesion, iou, lesion


def frame(
    lesions: int, *candidates: tuple[float, tuple[int, float, int]],
    name: str = "a", pixels: tuple[int, int, int] = (0, 0, 0),
) -> Measure:  # fmt: skip
    """`candidates` are (score, where it lies); `pixels` shared, said and true."""
    marks = np.array([(score, *where) for score, where in candidates]).reshape(-1, 4)
    best = marks[:, 0].max(initial=0.0)
    return Measure(f"case_{name}", f"s_{name}", lesions, np.array([*pixels, best]), marks)


def worked() -> list[Measure]:
    """Four frames with three lesions. By the centroid rule, best first:

    .9 hit | .8 hit and two false, tied | .3 false | .2 false; the .7 is the second on its lesion
    sensitivity 1/3, 2/3, 2/3, 2/3 at 0, 2/4, 3/4, 4/4 false positives per frame; one is missed
    """
    return [
        frame(2, (0.9, hit(0)), (0.8, MISS), (0.7, hit(0)), name="a"),
        frame(1, (0.8, hit(0)), (0.3, MISS), name="b"),
        frame(0, (0.8, MISS), (0.2, MISS), name="c"),
        frame(0, name="d"),
    ]
