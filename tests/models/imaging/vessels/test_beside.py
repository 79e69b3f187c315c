from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels import beside, walks
from models.imaging.vessels.lumen import Contrast
from models.imaging.vessels.ridges import find_ridges

STEP = np.ones(3)
SIZE_MM = (110.0, 130.0, 180.0)
MUCUS_HU = 20.0


def facts_at(chest: Any, *places: tuple[int, int, int]) -> list[dict[str, float]]:
    hu = chest.volume().voxels.astype(np.float32)
    contrast = Contrast(chest.lumen_hu)
    ridges = find_ridges(hu, STEP, contrast, np.ones(hu.shape, dtype=bool))
    found = walks.walk(ridges.shown, np.array(places).reshape(-1, 3), STEP)
    rows = beside.facts(beside.greys(hu, contrast), ridges.shown, found, STEP)
    return [dict(zip(beside.FACTS, row, strict=True)) for row in rows.tolist()]


@pytest.fixture(scope="module")
def company(chest: Callable[..., Any]) -> Any:
    """Along z: a vein alone; a bronchus full of mucus beside an artery; a clot beside a bronchus;
    a vein that an artery crosses.
    """
    full = chest(noise_hu=25.0, size_mm=SIZE_MM)
    full.tube((5, 65, 30), (105, 65, 30), 2.5, hu=150.0)
    full.tube((5, 65, 60), (105, 65, 60), 2.0, hu=MUCUS_HU)
    full.tube((5, 65, 65), (105, 65, 65), 2.5)
    full.tube((5, 65, 110), (105, 65, 110), 2.5)
    full.clot((47, 65, 110), (63, 65, 110), 2.5)
    full.tube((5, 65, 116), (105, 65, 116), 2.7, hu=MUCUS_HU)
    full.tube((5, 65, 116), (105, 65, 116), 1.6, hu=-990.0)
    full.tube((5, 65, 150), (105, 65, 150), 2.5, hu=150.0)
    full.tube((55, 40, 155), (55, 90, 155), 2.5)
    return full


def test_mucus_has_a_bright_vessel_at_its_side_all_along_and_a_vein_has_none(company: Any) -> None:
    vein, mucus = facts_at(company, (55, 65, 30), (55, 65, 60))
    for stretch in ("near", "far"):
        assert vein[f"{stretch}_sides_clear"] == 0 and vein[f"{stretch}_rise"] < 0.1
        assert mucus[f"{stretch}_sides_clear"] >= 3
        assert mucus[f"{stretch}_level"] > 0.85 and mucus[f"{stretch}_dark"] < 0.2
        assert 4.0 <= mucus[f"{stretch}_away_mm"] <= 6.0 and mucus[f"{stretch}_unrest"] < 0.15
        assert mucus[f"{stretch}_darker"] < -0.5


def test_a_clotted_artery_has_its_bronchus_beside_it_and_air_in_it(company: Any) -> None:
    vein, clot = facts_at(company, (55, 65, 30), (55, 65, 110))
    assert clot["near_rise"] > 0.2 and clot["near_level"] < 0.8
    assert clot["near_air"] < vein["near_air"] - 0.02


def test_what_only_passes_by_is_lost_along_the_vessel(company: Any) -> None:
    (crossed,) = facts_at(company, (55, 65, 150))
    assert crossed["near_sides_clear"] > 0 and crossed["near_unrest"] > 0.3
    assert crossed["far_sides_clear"] == 0 and crossed["far_rise"] < 0.1


def test_the_rings_show_how_wide_the_vessel_itself_is(company: Any) -> None:
    (vein,) = facts_at(company, (55, 65, 30))
    means = [vein[f"near_mean_{k}"] for k in range(len(beside.RINGS_MM))]
    assert means[0] > 0.75 and abs(means[-1]) < 0.03
    half = beside.RINGS_MM[int(np.argmax(np.array(means) < means[0] / 2))]
    assert 2.0 <= half <= 3.5


def test_no_places_have_no_facts(company: Any) -> None:
    assert facts_at(company) == []
