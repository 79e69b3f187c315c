import numpy as np
import pytest

from models.imaging.vessels import places
from models.imaging.vessels.forests import second_look
from models.imaging.vessels.forests.second_look import OF_NEIGHBOURS, facts, plausibility
from models.imaging.vessels.places import Places
from models.imaging.vessels.walks import STEPS

WALK_MM = places.FACTS.index("walk_mm")


def row(*at_mm: float) -> Places:
    """Places along a line; the k-th has a walk of k mm."""
    at = np.array([[0.0, 0.0, x] for x in at_mm])
    own = np.zeros((len(at), len(places.FACTS)))
    own[:, WALK_MM] = np.arange(len(at))
    ones, vessel = np.ones(len(at)), np.zeros((len(at), 2 * STEPS + 1, 5))
    return Places(at.astype(np.int64), at, own, ones, ones, vessel)


def asked(found: Places, said: list[float]) -> list[dict[str, float]]:
    rows = facts(found, np.array(said))[:, -len(OF_NEIGHBOURS) :]
    return [dict(zip(OF_NEIGHBOURS, values, strict=True)) for values in rows.tolist()]


def test_neighbours_within_each_radius_are_counted_and_no_others() -> None:
    one, near, far = asked(row(0, 6, 30), [0.0, 2.0, 4.0])
    likely = [1 / (1 + np.exp(-value)) for value in (0.0, 2.0, 4.0)]
    assert one["better_0"] == 0 and one["better_1"] == one["better_2"] == 2
    assert one["sum_0"] == pytest.approx(likely[0])
    assert one["sum_1"] == pytest.approx(likely[0] + likely[1])
    assert one["mean_1"] == pytest.approx((likely[0] + likely[1]) / 2)
    assert near["better_1"] == 0 and far["sum_2"] == pytest.approx(likely[2])


def test_a_places_standing_in_its_volume_is_its_rank_and_how_far_it_is_above_others() -> None:
    said = np.linspace(3, -3, 201).tolist()
    found = asked(row(*(50.0 * k for k in range(201))), said)
    assert found[0]["rank"] == 0 and found[7]["rank"] == pytest.approx(np.log(8))
    assert found[0]["said_20"] == found[200]["said_20"] == pytest.approx(said[20])
    assert found[0]["over_20"] == pytest.approx(said[0] - said[20])
    assert found[20]["over_100"] == pytest.approx(said[20] - said[100])


def test_measures_of_neighbours_are_averaged_by_their_probability() -> None:
    one, *_ = asked(row(0, 4, 5, 40), [-20.0, 0.0, 0.0, 9.0])
    assert one["near_walk_mm"] == pytest.approx(1.5)


def test_few_places_and_none_have_facts_too() -> None:
    (only,) = asked(row(3), [1.5])
    assert only["said"] == only["said_20"] == 1.5 and only["over_100"] == 0
    assert facts(row(), np.empty(0)).shape == (0, len(second_look.FACTS))
    assert plausibility(places.NONE).shape == (0,)
