"""The network of straightened vessels learns what is at a place, in company of what is not."""

import numpy as np
import pytest

from models.imaging.vessels.plausible import ASKED
from models.imaging.vessels.straightened import network
from models.imaging.vessels.straightened.pictures import CHANNELS, LONG
from models.tuning import pretrain_straightened
from models.tuning.pretrain_straightened import Shown, train

MIDDLE = LONG // 2


def shown(seed: int) -> Shown:
    """Dark in the middle and lit to one side is an embolus; dark all along is none."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(900, CHANNELS, LONG)) * 0.5
    kind = rng.choice(3, 900, p=[0.4, 0.5, 0.1])
    pictures[kind > 0, :8, MIDDLE - 5 : MIDDLE + 6] -= 1.0
    pictures[kind == 1, :8, MIDDLE + 6 :] -= 1.0
    on = np.where(kind == 2, np.arange(1, 901), 0)
    side = rng.random(900) < 0.5
    pictures[side] = pictures[side][..., ::-1]
    return Shown(pictures.astype(np.float16), on)


def test_what_lies_along_a_vessel_is_learned_from_either_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pretrain_straightened, "BATCH", 64)
    made = train([shown(seed) for seed in range(2)], epochs=5)
    new = shown(9)
    said = network.scores(new.pictures.astype(np.float32), made)
    assert (said[new.on > 0][:, None] > said[new.on == 0]).mean() > 0.95


def test_a_phantom_shows_the_likeliest_places_and_all_that_lie_on_emboli() -> None:
    found = pretrain_straightened._phantom("plain", 8100)
    assert found is not None and len(found.on) == len(found.pictures)
    assert ASKED <= len(found.on) <= ASKED + (found.on > 0).sum()
    assert len(set(found.on.tolist())) > 2 and np.isfinite(found.pictures).all()
