"""The folder with a byte budget: the oldest go first, never what somebody is making."""

import os
from pathlib import Path

from models.tuning.room import locked, make_room


def entry(folder: Path, name: str, age_s: float) -> Path:
    made = folder / "patches" / name
    made.mkdir(parents=True)
    (made / "train.u8").write_bytes(b"x" * 100)
    os.utime(made, (1e9 - age_s, 1e9 - age_s))
    return made


def test_the_least_recently_used_entries_go_until_there_is_room(tmp_path: Path) -> None:
    old, middle, new = (entry(tmp_path, name, age) for name, age in (("a", 3), ("b", 2), ("c", 1)))
    make_room(tmp_path, 100, 250, {new})
    assert [old.exists(), middle.exists(), new.exists()] == [False, False, True]


def test_an_entry_that_another_is_making_is_spared(tmp_path: Path) -> None:
    making, other = entry(tmp_path, "making", 3), entry(tmp_path, "other", 2)
    with locked(making.with_suffix(".lock")):
        make_room(tmp_path, 100, 200, set())
    assert making.exists()
    assert not other.exists()
