from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier

from models.imaging.vessels import fitting
from models.imaging.vessels.fitting import Seen, fit
from models.imaging.vessels.forest import FILE, Forest, forest, plausibility, read, write
from models.imaging.vessels.places import FACTS

DARK, WIDE = FACTS.index("local_dark"), FACTS.index("radius_mm")


def places(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, len(FACTS)))


def seen(count: int, seed: int = 0) -> Seen:
    """Dark places are emboli in wide vessels, and bright ones in narrow ones."""
    facts = places(count, seed)
    hit = (facts[:, DARK] > 0.8) == (facts[:, WIDE] > 0)
    hit &= np.abs(facts[:, DARK]) > 0.8
    return Seen(facts, np.where(hit, np.arange(1, count + 1), 0))


def test_the_forest_that_ships_is_of_the_facts_that_places_have_and_answers_with_numbers() -> None:
    scores = plausibility(places(700), forest())
    assert scores.shape == (700,) and np.isfinite(scores).all()
    assert plausibility(places(0), forest()).shape == (0,)


def test_a_forest_of_other_facts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(load_file(FILE), path, metadata={"facts": "length,breadth"})
    with pytest.raises(ValueError, match="fit it again"):
        read(path)


def test_a_tree_is_asked_from_its_root_and_answers_with_a_leaf() -> None:
    made = Forest(
        start=np.array([0.5]), steps=np.array([2]),
        fact=np.array([[DARK, 0, WIDE, 0, 0], [0, 0, 0, 0, 0]], dtype=np.int16),
        edge=np.array([[1.0, np.inf, 3.0, np.inf, np.inf], [np.inf] * 5]),
        left=np.array([[1, 1, 3, 3, 4], [0, 1, 2, 3, 4]], dtype=np.int16),
        right=np.array([[2, 1, 4, 3, 4], [0, 1, 2, 3, 4]], dtype=np.int16),
        value=np.array([[0.0, -1.0, 0.0, 2.0, 4.0], [8.0, 0.0, 0.0, 0.0, 0.0]]),
    )  # fmt: skip
    facts = np.zeros((3, len(FACTS)))
    facts[:, DARK], facts[:, WIDE] = (1.0, 1.1, 1.1), (9.0, 3.0, 3.1)
    assert plausibility(facts, made).tolist() == [7.5, 10.5, 12.5]


def test_facts_that_matter_only_together_are_found_and_the_file_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "TREES", 60)
    taught, new = seen(3000), seen(1000, seed=1)
    made = fit([taught])
    scores = plausibility(new.facts, made)
    assert (scores[new.on > 0][:, None] > scores[new.on == 0]).mean() > 0.95
    write(made, tmp_path / "forest.safetensors")
    again = plausibility(new.facts, read(tmp_path / "forest.safetensors"))
    assert np.array_equal(scores, again)


def test_trees_side_by_side_answer_as_the_library_does() -> None:
    taught = seen(900)
    boosted = HistGradientBoostingClassifier(max_iter=20).fit(taught.facts, taught.on > 0)
    facts = places(200, seed=2)
    found = plausibility(facts, fitting._side_by_side(boosted))
    assert np.allclose(found, boosted.decision_function(facts))


def test_a_place_beside_an_embolus_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "TREES", 10)
    taught = seen(2000)
    beside = Seen(places(500, seed=3), np.full(500, -1))
    facts = places(100, seed=4)
    with_it, without = (plausibility(facts, fit(rows)) for rows in ([taught, beside], [taught]))
    assert np.array_equal(with_it, without)
