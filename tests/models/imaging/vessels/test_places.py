from collections.abc import Callable
from typing import Any

import numpy as np

from models.imaging.vessels.places import FACTS, find_places
from models.imaging.vessels.scene import see


def test_where_no_dark_cluster_is_a_place_is_as_wide_as_its_vessel(
    chest: Callable[..., Any],
) -> None:
    full = chest()
    full.tube((20, 60, 40), (70, 60, 40), 3.0)
    full.clot((40, 60, 40), (50, 60, 40), 3.0)
    scene = see(full.volume())
    assert scene is not None
    found = find_places(scene)
    alone = found.facts[:, FACTS.index("cluster_mm")] == 0
    assert alone.any()
    voxel_mm = float((6 * np.prod(scene.grid.step_mm) / np.pi) ** (1 / 3))
    assert found.diameter_mm.min() > voxel_mm + 0.1
