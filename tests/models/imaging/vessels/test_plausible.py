"""The forests and the network together order a volume's places."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels import plausible
from models.imaging.vessels.forests import second_look
from models.imaging.vessels.places import NONE, Places, find_places
from models.imaging.vessels.scene import Scene, see


@pytest.fixture(scope="module")
def looked_at(chest: Callable[..., Any]) -> tuple[Scene, Places, np.ndarray]:
    full = chest().tree().clots()
    scene = see(full.volume())
    assert scene is not None
    found = find_places(scene)
    voxels = np.round(full.volume().to_voxel(scene.grid.to_mm(found.at))).astype(int)
    return scene, found, full.labels[tuple(voxels.T)] > 0


def test_places_in_clots_are_more_plausible_than_others(
    looked_at: tuple[Scene, Places, np.ndarray],
) -> None:
    scene, found, on = looked_at
    said = plausible.plausibility(scene, found)
    assert 5 <= on.sum() < len(on) / 2
    assert (said[on][:, None] > said[~on]).mean() > 0.9


def test_what_the_network_is_not_asked_about_gains_nothing_by_that(
    looked_at: tuple[Scene, Places, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, found, _ = looked_at
    forests = second_look.plausibility(found)
    monkeypatch.setattr(plausible, "ASKED", 10)
    said = plausible.plausibility(scene, found)
    asked = plausible.likeliest(forests)
    rest = np.setdiff1d(np.arange(len(said)), asked)
    assert len(asked) == 10 and forests[asked].min() >= forests[rest].max()
    assert said[rest].max() <= said[asked].max()
    order = np.argsort(forests[rest])
    assert (np.diff(said[rest][order]) >= 0).all()


def test_a_volume_without_places_has_none_that_are_plausible(
    looked_at: tuple[Scene, Places, np.ndarray],
) -> None:
    assert plausible.plausibility(looked_at[0], NONE).shape == (0,)


def test_the_edition_is_of_every_file_that_orders_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    own = plausible.edition()
    (tmp_path / "other.safetensors").write_bytes(b"another network")
    monkeypatch.setattr(plausible.network, "FILE", tmp_path / "other.safetensors")
    assert plausible.edition.__wrapped__() != own
