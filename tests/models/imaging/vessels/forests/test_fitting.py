from functools import cache

import numpy as np
import pytest

from models.imaging import ctpa_phantom
from models.imaging.vessels import candidates, find
from models.imaging.vessels.forests import fitting
from models.imaging.vessels.forests.fitting import look
from models.imaging.vessels.places import FACTS
from models.volume import Volume


def test_every_embolus_of_a_phantom_has_places_and_the_larger_ones_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    see, find_places = cache(fitting.see), cache(fitting.find_places)
    for room in (fitting, candidates):  # both look at the same places, which take long to find
        monkeypatch.setattr(room, "see", see)
        monkeypatch.setattr(room, "find_places", find_places)
    made = ctpa_phantom.volume(np.random.default_rng(31), style="other", emboli=5)
    seen = look(made.volume, made.emboli)
    assert seen is not None and seen.places.facts.shape == (len(seen.on), len(FACTS))
    assert np.isfinite(seen.places.facts).all()
    assert set(seen.on.tolist()) == set(range(int(made.emboli.max()) + 1))
    assert (seen.on > 0).mean() < 0.05
    places = [candidate.centre_voxel for candidate in find(made.volume)]
    away = [
        float((np.linalg.norm((np.argwhere(made.emboli == k)[:, None] - places)
                              * made.volume.spacing_mm, axis=2)).min())
        for k, embolus in enumerate(made.facts["emboli"], start=1)
        if embolus["level"] != "subsegmental"
    ]  # fmt: skip
    assert away and max(away) < 2.0


def test_a_volume_without_contrast_teaches_nothing() -> None:
    volume = Volume(np.full((30, 40, 40), 40, dtype=np.int16), np.eye(4))
    assert look(volume, np.zeros((30, 40, 40), dtype=np.uint8)) is None
