"""Volumes with their candidates, written as the table that a hand-worked FROC starts from."""

import numpy as np

from models.findings import Labels, Measure
from models.metrics.froc import IGNORED, NO_LESION

EMBOLUS = Labels(("other", "embolus"), "embolus")
MISS, UNSAID = NO_LESION, IGNORED


def volume(
    emboli: int, *candidates: tuple[float, int], name: str = "a", subject: str | None = None
) -> Measure:
    """`candidates` are (score, index of the embolus it lies on)."""
    rows = [(score, embolus, 10.0 + k, 20.0, 30.0, 4.5)
            for k, (score, embolus) in enumerate(candidates)]  # fmt: skip
    marks = np.array(rows, dtype=np.float64).reshape(-1, 6)
    best = np.array([marks[:, 0].max(initial=0.0)])
    return Measure(f"case_{name}", subject or f"s_{name}", emboli, best, marks)


def worked() -> list[Measure]:
    """Two volumes with five emboli, ten false positives. Best first, with what is found so far:

    a (3 emboli)  .9 hit 0 | .7 false | .6 hit 1 | .5 on 0 again: nothing | .4 false | .2 false
    b (2 emboli)  .95 nobody said: nothing | .8 false | .65 false | .55 hit 0 | .45, .35, .3 false
                  .1 hit 1 and two false, tied
    both   .9   .8     .7     .65    .6    .55   .45   .4    .35   .3    .2    .1
    hits    1    1      1      1      2     3     3     3     3     3     3     4
    false   0    1      2      3      3     3     4     5     6     7     8    10
    So of five emboli, 3 are found at 1.5 false positives per volume, 4 at 5; one never is.
    """
    return [
        volume(3, (0.5, 0), (0.9, 0), (0.7, MISS), (0.6, 1), (0.4, MISS), (0.2, MISS), name="a"),
        volume(
            2, (0.95, UNSAID), (0.8, MISS), (0.65, MISS), (0.55, 0), (0.45, MISS), (0.35, MISS),
            (0.3, MISS), (0.1, MISS), (0.1, 1), (0.1, MISS), name="b",
        ),
    ]  # fmt: skip
