import numpy as np
import pytest

from models.imaging.vessels.fitting import Seen, fit
from models.imaging.vessels.places import FACTS
from models.imaging.vessels.scorecard import (
    KINDS,
    Card,
    kinds,
    parsed,
    plausibility,
    scorecard,
    written,
)


def places(count: int, seed: int = 0) -> np.ndarray:
    facts = np.random.default_rng(seed).normal(size=(count, len(FACTS)))
    facts[:, FACTS.index("tissue_7")] = 0.2
    facts[:, FACTS.index("radius_mm")] = 2.0
    return facts


def test_the_card_that_ships_is_of_the_facts_that_places_have() -> None:
    card = scorecard()
    assert tuple(card) == KINDS
    assert all(len(one.edges) == len(FACTS) for one in card.values())
    assert parsed(written(card)).keys() == card.keys()


def test_a_card_of_other_facts_is_refused() -> None:
    text = written(scorecard()).replace("local_dark", "something_else")
    with pytest.raises(ValueError, match="fit it again"):
        parsed(text)


def test_points_are_those_of_the_step_a_fact_falls_in() -> None:
    edges = tuple(np.array([0.0, 1.0]) for _ in FACTS)
    points = tuple(np.array([1.0, 2.0, 4.0]) for _ in FACTS)
    facts = np.array([[-0.5] * len(FACTS), [0.5] * len(FACTS), [1.0] * len(FACTS)])
    scores = Card(0.25, edges, points).scores(facts)
    assert np.allclose(scores, 0.25 + len(FACTS) * np.array([1, 2, 4]))


def test_a_place_amid_tissue_is_central_and_one_in_a_thick_vessel_wide() -> None:
    facts = places(4)
    facts[0, FACTS.index("tissue_7")] = 0.9
    facts[1, FACTS.index("radius_mm")] = 5.0
    facts[2, FACTS.index("radius_mm")] = 0.0  # on no ridge
    assert [KINDS[k] for k in kinds(facts)] == ["central", "wide", "central", "narrow"]


def test_fitting_finds_the_fact_that_matters_and_leaves_the_others_alone() -> None:
    facts = np.concatenate([places(600, seed) for seed in range(3)])
    facts[:600, FACTS.index("radius_mm")] = 5.0
    facts[600:1200, FACTS.index("tissue_7")] = 0.9
    on = (facts[:, FACTS.index("local_dark")] > 1.2).astype(np.int64)
    card = fit([Seen(facts, np.where(on, np.arange(1, len(on) + 1), 0))])
    scores = plausibility(facts, card)
    assert (scores[on > 0][:, None] > scores[on == 0]).mean() > 0.95
    spread = {
        name: max(float(np.ptp(card[kind].points[k])) for kind in KINDS)
        for k, name in enumerate(FACTS)
    }
    assert max(spread, key=lambda name: spread[name]) == "local_dark"
