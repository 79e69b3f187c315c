"""The patch set: finite, cut once, the same on every machine."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.case import Case
from models.discovery import backbones, tasks
from models.pack import Pack
from models.spec import recipe
from models.tuning.errors import BadDataError
from models.tuning.patches import cutting
from models.tuning.patches.cutting import prepare
from models.tuning.patches.sets import PatchSet, labels_of
from models.tuning.room import make_room

TASK, TINY = tasks()["classification"], backbones()["tiny"]


def cut(pack: Path, workdir: Path, **given: object) -> PatchSet:
    given = {"recipe": recipe(epochs=3), "task": TASK, "cache_max_bytes": 1 << 30, **given}
    task, chosen = given.pop("task"), given.pop("recipe")
    return prepare(pack, task, TINY, chosen, workdir=workdir, **given)


def test_training_has_every_variant_and_validation_what_serving_sees(pack, tmp_path) -> None:
    found = cut(pack, tmp_path)
    assert found.train.shape == (28, 3, 64, 64, 3)
    assert found.validation.shape == (10, 64, 64, 3)
    assert not np.array_equal(found.train[0, 0], found.train[0, 1])
    with Pack.open(pack) as opened:
        files = opened.cases("validation")[0]
        case: Case = TASK.read(files)
        (served,) = TASK.rois(case, 64, None)
    assert np.array_equal(found.validation[0], served.pixels)
    assert found.validation_rows[0].case_id == files.case_id
    assert found.classes.tolist() == [0, 1] * 14


def test_a_set_is_cut_once_and_again_the_same(pack, tmp_path, monkeypatch) -> None:
    first, second = cut(pack, tmp_path / "a"), cut(pack, tmp_path / "b")
    assert np.array_equal(first.train, second.train)
    assert first.digest == second.digest

    def never(*_: object) -> None:
        raise AssertionError("cut twice")

    monkeypatch.setattr(cutting, "_cut", never)
    assert np.array_equal(cut(pack, tmp_path / "a").train, first.train)


def test_what_another_edition_of_a_task_finds_is_another_set(pack, tmp_path) -> None:
    found = cut(pack, tmp_path, task=replace(TASK, edition="other forests"))
    assert found.digest != cut(pack, tmp_path).digest


def test_a_fraction_takes_whole_subjects_and_is_nested(pack, tmp_path) -> None:
    def subjects(fraction: float, seed: int = 0) -> set[str]:
        found = cut(pack, tmp_path, fraction=fraction, seed=seed)
        return {found.train_rows[k].subject for k in found.picked}

    half, quarter = subjects(0.5), subjects(0.25)
    assert len(half) == 7 and quarter < half
    assert len(cut(pack, tmp_path, fraction=0.5).picked) == 14
    assert subjects(0.5, seed=1) != half


def test_a_small_disk_budget_lowers_the_variants(pack, tmp_path) -> None:
    one_variant = 28 * 64 * 64 * 3
    found = cut(pack, tmp_path, cache_max_bytes=2 * 2 * one_variant + 1)
    assert found.variants == 2
    assert found.digest != cut(pack, tmp_path).digest


def test_another_builder_that_died_leaves_nothing_in_the_way(pack, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cutting, "_serve", None)
    with pytest.raises(TypeError):
        cut(pack, tmp_path)
    monkeypatch.undo()
    assert cut(pack, tmp_path).train.shape[0] == 28


def test_a_case_with_an_unknown_label_is_named(pack, tmp_path) -> None:
    with Pack.open(pack) as opened:
        files = replace(opened.cases("train")[0], label="grey")
        labels = labels_of(opened.manifest, TASK)
        with pytest.raises(BadDataError, match="case_000001: label 'grey' is none of dark, bright"):
            cutting._view(files, TASK, 64, labels, 1)


def test_only_patches_and_prefixes_are_given_up_the_oldest_first(tmp_path) -> None:
    for age, name in ((30, "patches/old"), (20, "prefix/new"), (99, "objects/mine")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    make_room(tmp_path, 50, 150, set())
    assert not (tmp_path / "patches/old").exists()
    assert (tmp_path / "prefix/new").exists()
    make_room(tmp_path, 500, 150, {tmp_path / "prefix/new"})
    assert (tmp_path / "prefix/new").exists() and (tmp_path / "objects/mine").exists()
