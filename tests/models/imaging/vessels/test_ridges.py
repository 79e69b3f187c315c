from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels.lumen import Contrast
from models.imaging.vessels.paths import FACTS, contexts, follow
from models.imaging.vessels.ridges import Ridges, find_ridges

STEP = np.ones(3)


def ridges_of(chest: Any) -> Ridges:
    hu = chest.volume().voxels.astype(np.float32)
    return find_ridges(hu, STEP, Contrast(chest.lumen_hu), np.ones(hu.shape, dtype=bool))


def near(ridges: Ridges, place: tuple[float, float, float]) -> np.ndarray:
    return np.flatnonzero(np.linalg.norm(ridges.places - np.array(place), axis=1) < 2.5)


@pytest.mark.parametrize("radius", [1.5, 2.0, 3.0])
def test_a_clot_is_told_from_lumen_whatever_the_vessels_radius(
    chest: Callable[..., Any], radius: float
) -> None:
    full = chest(noise_hu=8.0, size_mm=(70.0, 130.0, 180.0))
    for side in (-1, 1):
        for k, width in enumerate((1.5, 2.0, 3.0, 4.0)):
            x = 90 + side * (32 + 8 * k)
            full.tube((5, 65, x), (65, 65, x), width)
    x = 90 + 32 + 8 * (1.5, 2.0, 3.0).index(radius)
    full.clot((30, 65, x), (45, 65, x), radius)
    ridges = ridges_of(full)
    lumen = near(ridges, (15, 64.5, x - 0.5))
    clot = near(ridges, (37, 64.5, x - 0.5))
    light, dark = float(np.median(ridges.dark[lumen])), float(np.median(ridges.dark[clot]))
    assert abs(light) < 0.5 and 0.6 < dark < 1.5
    assert dark - light > 0.6
    assert abs(np.median(ridges.radius_mm[lumen]) - radius) < 0.6


def test_a_clots_context_is_lit_further_along_and_a_veins_is_not(
    chest: Callable[..., Any],
) -> None:
    full = chest(noise_hu=8.0)
    full.tube((5, 65, 40), (85, 65, 40), 2.5)
    full.clot((40, 65, 40), (50, 65, 40), 2.5)
    full.tube((5, 65, 140), (85, 65, 140), 2.5, hu=70.0)
    full.tube((5, 50, 140), (85, 50, 140), 2.5)
    paths = follow(ridges_of(full), STEP)
    nodes = np.array([near(paths.ridges, (45, 64.5, x - 0.5))[0] for x in (40, 140)])
    clot, vein = contexts(paths, nodes)
    lit = FACTS.index("lit_3")  # 10 to 15 mm along
    assert clot[lit] > 0.8 and vein[lit] < 0.1
    assert clot[FACTS.index("run_mm")] < 20 < 60 < vein[FACTS.index("run_mm")]
