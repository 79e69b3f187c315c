"""What an epoch shows of candidates: every view of every thing, and as many others, drawn anew."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.tuning.device import generator
from models.tuning.errors import BadDataError
from models.tuning.fit import epoch_rows, epoch_views, even_views, fit
from models.tuning.patches.sets import PatchSet, Row
from models.tuning.run import Settings

THINGS = (3, 11, 12, 26, 39)


def of_candidates(patches: PatchSet, things: tuple[int, ...] = THINGS) -> PatchSet:
    """The same 40 patches as four volumes of ten candidates each."""
    truths = [int(k in things) for k in range(40)]
    rows = [
        Row(f"volume_{k}", f"p{k}", 0, 10, truths=tuple(truths[10 * k : 10 * k + 10]), count=3)
        for k in range(4)
    ]
    return replace(patches, train_rows=tuple(rows))


def shown(patches: PatchSet, asked, epoch: int) -> np.ndarray:
    return np.concatenate(epoch_views(patches, asked, epoch))


def test_an_epoch_shows_every_variant_of_every_thing_and_as_many_others(spec, patches) -> None:
    found, asked = of_candidates(patches), spec(stratify=True)
    views = shown(found, asked, 0)
    assert len(set(views.tolist())) == len(views) == 2 * len(THINGS) * 3
    things = {3 * k + v for k in THINGS for v in range(3)}
    assert things <= set(views.tolist())
    assert found.truth(np.sort(views)).sum() == len(things)
    assert max(len(batch) for batch in epoch_views(found, asked, 0)) == 13


def test_others_are_drawn_anew_each_epoch_and_alike_for_a_seed(spec, patches) -> None:
    found = of_candidates(patches)
    first, again, second, other = (
        shown(found, spec(stratify=True, seed=seed), epoch)
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert np.array_equal(first, again)
    assert set(first.tolist()) != set(second.tolist())
    assert set(first.tolist()) != set(other.tolist())


def test_no_other_is_seen_twice_before_each_was_seen_once(patches) -> None:
    found = of_candidates(patches, tuple(range(20)))  # 60 views of things, 20 others of 3 variants
    views = even_views(found, np.random.default_rng(0))
    others = views[found.classes[views // 3] == 0]
    assert np.bincount(others // 3, minlength=40)[20:].tolist() == [3] * 20
    fewer = even_views(of_candidates(patches, tuple(range(8))), np.random.default_rng(0))
    others = fewer[24:] // 3
    assert len(others) == 24 and len(set(others.tolist())) == 24
    assert len(set((fewer[24:] % 3).tolist())) == 3


def test_only_picked_volumes_are_shown(spec, patches) -> None:
    found = replace(of_candidates(patches), picked=np.arange(10, 20))
    views = shown(found, spec(stratify=True), 0)
    assert set((views // 3).tolist()) <= set(range(10, 20))
    assert len(views) == 2 * 2 * 3


def test_without_a_thing_among_the_candidates_nothing_is_to_be_learnt(spec, patches) -> None:
    with pytest.raises(BadDataError, match="positive"):
        epoch_views(of_candidates(patches, ()), spec(stratify=True), 0)


def test_cases_of_images_are_shown_in_one_variant_an_epoch_as_ever(spec, patches) -> None:
    for stratify in (False, True):
        asked = spec(stratify=stratify)
        for epoch in range(4):
            rows = epoch_rows(patches, asked, generator(asked.seed, "order", epoch))
            assert np.array_equal(np.sort(shown(patches, asked, epoch)), 3 * rows + epoch % 3)
    candidates = of_candidates(patches)  # not to be balanced: each once
    assert sorted(shown(candidates, spec(), 1) // 3) == list(range(40))


@pytest.mark.parametrize("arm", ["depth:2", "depth:6"])
def test_a_resumed_run_on_candidates_ends_in_the_bits_of_a_whole_one(
    arm, spec, patches, tiny_weights, tmp_path: Path
) -> None:
    found, asked = of_candidates(patches), spec(arm, stratify=True)
    list(fit(asked, found, weights=tiny_weights, folder=tmp_path / "whole"))
    checkpoint = tmp_path / "parts" / "checkpoint.safetensors"
    for _ in range(3):
        run = fit(
            asked, found, weights=tiny_weights, folder=tmp_path / "parts",
            checkpoint=checkpoint if checkpoint.exists() else None,
            settings=Settings(cache=tmp_path / "prefix"),
        )  # fmt: skip
        next(run)
        run.close()
    list(fit(asked, found, weights=tiny_weights, folder=tmp_path / "parts", checkpoint=checkpoint))
    ends = [
        hashlib.sha256((tmp_path / name / "weights.safetensors").read_bytes()).hexdigest()
        for name in ("whole", "parts")
    ]
    assert ends[0] == ends[1]
