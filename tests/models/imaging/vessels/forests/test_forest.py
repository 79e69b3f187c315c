from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier

from models.imaging.vessels.forests import fitting, second_look
from models.imaging.vessels.forests.fitting import Seen, fit
from models.imaging.vessels.forests.forest import FIRST, SECOND, Forest, read, scores, write
from models.imaging.vessels.places import FACTS, Places
from models.imaging.vessels.walks import STEPS

DARK, WIDE = FACTS.index("local_dark"), FACTS.index("radius_mm")


def facts_of(count: int, seed: int = 0) -> np.ndarray:
    """Of few values: of many the library takes percentiles first, 0.1 s for each fact."""
    return np.random.default_rng(seed).normal(size=(count, len(FACTS))).round(1)


def places(count: int, seed: int = 0) -> Places:
    at = np.random.default_rng([1, seed]).integers(0, 200, (count, 3))
    ones, vessel = np.ones(count), np.zeros((count, 2 * STEPS + 1, 5))
    return Places(at, at * 1.0, facts_of(count, seed), ones, ones, vessel)


def seen(count: int, seed: int = 0) -> Seen:
    """Dark places are emboli in wide vessels, and bright ones in narrow ones."""
    found = places(count, seed)
    hit = (found.facts[:, DARK] > 0.8) == (found.facts[:, WIDE] > 0)
    hit &= np.abs(found.facts[:, DARK]) > 0.8
    return Seen(found, np.where(hit, np.arange(1, count + 1), 0))


@pytest.mark.parametrize(
    ("path", "facts"), [(FIRST, FACTS), (SECOND, second_look.FACTS)], ids=["first", "second"]
)
def test_each_forest_that_ships_is_of_the_facts_that_places_have(
    path: Path, facts: tuple[str, ...]
) -> None:
    made = read(path, facts)
    assert made.fact.max() < len(facts)
    said = scores(np.random.default_rng(0).normal(size=(700, len(facts))), made)
    assert said.shape == (700,) and np.isfinite(said).all() and said.std() > 0
    assert scores(np.empty((0, len(facts))), made).shape == (0,)


def test_a_forest_of_other_facts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(load_file(FIRST), path, metadata={"facts": "length,breadth"})
    with pytest.raises(ValueError, match="fit it again"):
        read(path, FACTS)


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
    assert scores(facts, made).tolist() == [7.5, 10.5, 12.5]


def test_facts_that_matter_only_together_are_found_and_the_file_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "TREES", 60)
    new = seen(1000, seed=9)
    first, second = fit([seen(1000, seed) for seed in range(fitting.FOLDS)])
    said = scores(new.places.facts, first)
    again = scores(second_look.facts(new.places, said), second)
    for values in (said, again):
        assert (values[new.on > 0][:, None] > values[new.on == 0]).mean() > 0.93
    write(first, tmp_path / "forest.safetensors", FACTS)
    reread = read(tmp_path / "forest.safetensors", FACTS)
    assert np.array_equal(said, scores(new.places.facts, reread))


def test_the_second_forest_learns_of_words_about_phantoms_that_the_first_never_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Facts that say nothing: of its own phantoms a forest knows the answer by heart."""
    monkeypatch.setattr(fitting, "TREES", 60)
    rng = np.random.default_rng(5)
    rows = [
        Seen(places(900, seed), np.where(rng.random(900) < 0.2, 1 + np.arange(900), 0))
        for seed in range(fitting.FOLDS)
    ]
    told: dict[int, np.ndarray] = {}
    whole = second_look.facts

    def heard(found: Places, said: np.ndarray) -> np.ndarray:
        told[id(found)] = said
        return whole(found, said)

    monkeypatch.setattr(second_look, "facts", heard)
    first, _ = fit(rows)
    for row in rows:
        assert 0.4 < ranked(told[id(row.places)], row.on) < 0.6
        assert ranked(scores(row.places.facts, first), row.on) > 0.8


def ranked(said: np.ndarray, on: np.ndarray) -> float:
    return float((said[on > 0][:, None] > said[on == 0]).mean())


def test_trees_side_by_side_answer_as_the_library_does() -> None:
    taught = seen(900)
    boosted = HistGradientBoostingClassifier(max_iter=20).fit(taught.places.facts, taught.on > 0)
    facts = facts_of(200, seed=2)
    found = scores(facts, fitting._side_by_side(boosted))
    assert np.allclose(found, boosted.decision_function(facts))
