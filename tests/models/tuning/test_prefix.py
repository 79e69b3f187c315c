"""The prefix cache: what is stored, when, and that it is exact."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.discovery import backbones
from models.spec import Numerics
from models.tuning.patches.sets import PatchSet
from models.tuning.prefix import cache as caching
from models.tuning.prefix.cache import Cost, PrefixCache, worth
from models.tuning.prefix.features import Features, Inputs, advance


@pytest.fixture
def features(patches: PatchSet, tiny_weights: Path) -> Features:
    backbone = backbones()["tiny"]
    network = backbone.build(2, str(tiny_weights)).eval()
    network = network.to(memory_format=torch.channels_last)
    inputs = Inputs.of(backbone, torch.device("cpu"))
    return Features(patches, inputs, network, Numerics("cpu", "float32", 1))


def filled(folder: Path, features: Features, borders=range(1, 6), budget=1 << 30) -> PrefixCache:
    cache = PrefixCache(folder / "prefix", budget, features)
    cache.ensure(list(borders))
    return cache


def test_maps_are_the_same_bits_in_any_company(features: Features) -> None:
    pixels = features.patches.pixels(np.arange(40))
    whole = advance(features.network[:5], features.inputs(pixels))
    for part in (np.arange(2), np.arange(39, 40), np.array([5, 3, 38, 7, 11])):
        alone = advance(features.network[:5], features.inputs(pixels[part]))
        assert torch.equal(alone, whole[part])


def test_cached_maps_are_what_the_layers_give(features: Features, tmp_path: Path) -> None:
    cache = filled(tmp_path, features)
    flat = np.array([7, 0, 119, 63, 64])  # 40 patches of 3 variants
    held = np.array([120, 140])  # validation comes after
    for border in (3, 5):
        maps = cache.stored(border)
        assert maps and max(maps) <= border
        stored = Features(
            features.patches, features.inputs, features.network, features.numerics, maps
        )
        for rows in (flat, held):
            (read,), (made,) = stored.at(border, rows), features.at(border, rows)
            assert torch.equal(read, made)


def test_a_second_arm_reads_what_the_first_stored(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, features)

    def never(*_: object) -> None:
        raise AssertionError("a second pass")

    monkeypatch.setattr(caching, "probe", never)
    assert filled(tmp_path, features, [3, 4]).stored(4)


def test_a_reboot_voids_the_cache(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled(tmp_path, features, [5])
    assert cache.stored(5)
    monkeypatch.setattr(caching, "boot", lambda: "another start")
    assert not cache.stored(5)


def test_maps_that_another_process_gives_up_are_not_stored_any_more(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled(tmp_path, features, [4])
    assert cache.stored(4)
    opened = cache._open

    def too_late(border: int) -> object:
        shutil.rmtree(cache._entry)  # between the look and the opening
        return opened(border)

    monkeypatch.setattr(cache, "_open", too_late)
    assert cache.stored(4) == {}


def test_other_weights_have_another_cache(features: Features, tmp_path: Path) -> None:
    filled(tmp_path, features, [5])
    with torch.no_grad():
        features.network[0][0].weight.mul_(1.01)
    assert not PrefixCache(tmp_path / "prefix", 1 << 30, features).stored(5)


def test_the_budget_keeps_the_borders_nearest_the_output(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "worth", lambda cost: True)
    per_patch = {5: 64 * 8 * 8 * 4, 4: 48 * 8 * 8 * 4}
    budget = (per_patch[5] + per_patch[4]) * len(features.patches)
    cache = filled(tmp_path, features, budget=budget)
    stored = {
        int(marker.stem)
        for marker in (tmp_path / "prefix").rglob("*.json")
        if json.loads(marker.read_text())["stored"]
    }
    assert stored == {4, 5}
    assert not cache.stored(3)
    assert not filled(tmp_path / "none", features, budget=10).stored(5)


def test_maps_that_outweigh_the_patch_are_kept_only_if_slow_to_make() -> None:
    def cost(seconds: float, size: int) -> Cost:
        return Cost(seconds, size, 150_000, (1,), "float32", "float32")

    assert worth(cost(0.0, 5_000))  # near the output: always
    assert worth(cost(0.003, 800_000))  # 2 ms to move
    assert not worth(cost(0.001, 800_000))


def test_a_full_disk_costs_time_and_no_run(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching, "reserve", full)
    assert not filled(tmp_path, features).stored(5)
