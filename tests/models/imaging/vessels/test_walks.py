from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels import walks
from models.imaging.vessels.lumen import Contrast
from models.imaging.vessels.ridges import find_ridges

STEP = np.ones(3)
SIZE_MM = (110.0, 130.0, 180.0)


def facts_at(chest: Any, *places: tuple[int, int, int]) -> list[dict[str, float]]:
    hu = chest.volume().voxels.astype(np.float32)
    ridges = find_ridges(hu, STEP, Contrast(chest.lumen_hu), np.ones(hu.shape, dtype=bool))
    found = walks.facts(walks.walk(ridges.shown, np.array(places), STEP))
    return [dict(zip(walks.FACTS, row, strict=True)) for row in found.tolist()]


@pytest.fixture(scope="module")
def vessels(chest: Callable[..., Any]) -> Any:
    """Along z: a clot of 16 mm in an artery, a vein, an artery that a vein touches in passing."""
    full = chest(noise_hu=8.0, size_mm=SIZE_MM)
    full.tube((5, 65, 40), (105, 65, 40), 2.5)
    full.clot((47, 65, 40), (63, 65, 40), 2.5)
    full.tube((5, 65, 55), (105, 65, 55), 2.5, hu=150.0)
    full.tube((5, 65, 140), (105, 65, 140), 2.5)
    full.tube((20, 40, 133), (90, 90, 158), 2.5, hu=150.0)
    return full


def test_a_clot_ends_in_lumen_both_ways_and_is_as_long_as_it_is(vessels: Any) -> None:
    (found,) = facts_at(vessels, (55, 65, 40))
    assert 10 <= found["walk_mm"] <= 20 and 0.7 < found["walk_dark"] < 1.2
    for side in ("up", "down"):
        assert found[f"{side}_lit_mm"] <= 12 and found[f"{side}_lost_mm"] > 30
        assert found[f"{side}_drop"] > 0.5 and found[f"{side}_straight"] > 0.95
        assert found[f"{side}_dark_0"] > 0.6 and abs(found[f"{side}_dark_3"]) < 0.25


def test_the_place_within_a_clot_moves_its_ends_and_not_its_length(vessels: Any) -> None:
    one, other = facts_at(vessels, (50, 65, 40), (60, 65, 40))
    assert abs(one["walk_mm"] - other["walk_mm"]) <= 3
    assert one["up_lit_mm"] != one["down_lit_mm"]


def test_a_vein_is_dark_as_far_as_it_is_followed(vessels: Any) -> None:
    (found,) = facts_at(vessels, (55, 65, 55))
    assert found["walk_mm"] >= 55 and found["walk_unrest"] < 0.1
    assert found["up_lit_mm"] == found["down_lit_mm"] == walks.STEP_MM * (walks.STEPS + 1)
    assert 0.5 < found["walk_dark"] < 0.9 and found["up_drop"] < 0.2


def test_a_walk_stays_in_its_vessel_where_another_touches_it(vessels: Any) -> None:
    artery, vein = facts_at(vessels, (20, 65, 140), (34, 50, 138))
    assert artery["walk_dark"] < 0.2 and artery["up_straight"] > 0.97 < artery["down_straight"]
    assert max(artery[f"{side}_dark_{k}"] for side in ("up", "down") for k in (0, 1)) < 0.3
    assert vein["walk_dark"] > 0.4


def test_a_vessel_that_ends_is_lost_there(chest: Callable[..., Any]) -> None:
    full = chest(noise_hu=8.0, size_mm=SIZE_MM)
    full.tube((5, 65, 40), (60, 65, 40), 2.5, hu=100.0)
    (found,) = facts_at(full, (50, 65, 40))
    near, far = sorted((found["up_lost_mm"], found["down_lost_mm"]))
    assert 9 <= near <= 16 and far > 30
    side = "up" if found["up_lost_mm"] == near else "down"
    assert found[f"{side}_dark_4"] == found[f"{side}_wide_4"] == walks.NOT_THERE


def test_veins_are_known_by_many_long_dark_stretches_or_not_at_all(vessels: Any) -> None:
    few = facts_at(vessels, (55, 65, 55))
    many = facts_at(vessels, (55, 65, 40), *[(z, 65, 55) for z in range(40, 70)])
    assert few[0]["vein_dark"] == walks.NOT_THERE
    clot, vein = many[0], many[-1]
    assert 0.5 < vein["vein_dark"] < 0.9 and abs(vein["like_veins"]) < 0.1
    assert clot["like_veins"] > 0.1 and vein["as_dark"] > 0.8 > 0.2 > clot["as_dark"]


def test_no_places_have_no_facts(vessels: Any) -> None:
    hu = vessels.volume().voxels.astype(np.float32)
    ridges = find_ridges(hu, STEP, Contrast(350.0), np.ones(hu.shape, dtype=bool))
    none = walks.walk(ridges.shown, np.empty((0, 3), dtype=np.int64), STEP)
    assert walks.facts(none).shape == (0, len(walks.FACTS))
