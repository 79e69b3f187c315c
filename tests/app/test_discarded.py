"""What an erasure discards is deleted, by whoever comes by, and nothing that is needed is."""

import fcntl
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app import discarded
from app.db.session import reading, writing
from app.db.tables import Discarded, now
from app.settings import settings
from app.storage import AwayError, Files, files
from tests.app import rows


def noted(*names: str) -> None:
    with writing() as session:
        discarded.note(session, names)


def test_an_object_without_a_row_is_deleted_and_one_with_a_row_stays(
    store: Files, db: Engine
) -> None:
    for name in ("packs/a.zip", "packs/b.zip", "measures/run_1-x.json"):
        store.put_bytes(name, b"x")
    rows.dataset(pack="packs/b.zip")
    noted("packs/a.zip", "packs/b.zip", "measures/run_1-x.json", "packs/never.zip")
    discarded.sweep(store)
    assert list(store.names()) == ["packs/b.zip"]


def test_what_was_stored_and_never_pointed_to_goes_after_a_day(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("packs/lost.zip", "packs/used.zip"):
        files().put_bytes(name, b"x")
        with writing() as session:
            discarded.ahead(session, name)
    rows.dataset(pack="packs/used.zip")
    discarded.sweep(files())
    assert files().exists("packs/lost.zip")  # its row may be on its way
    later = now() + discarded.ABANDONED + timedelta(minutes=1)
    monkeypatch.setattr(discarded, "now", lambda: later)
    discarded.sweep(files())
    assert list(files().names("packs/")) == ["packs/used.zip"]


def test_equal_data_have_packs_of_their_own() -> None:
    assert discarded.pack_name("ds_1", "d" * 64) != discarded.pack_name("ds_1", "d" * 64)
    assert discarded.pack_name("ds_1", "d" * 64).startswith(f"packs/ds_1-{'d' * 64}-")


def test_a_name_is_forgotten_only_after_every_machine_had_its_time(sqlite: Engine) -> None:
    noted("packs/new.zip")
    with writing() as session:
        session.add(Discarded(name="packs/old.zip", at=now() - 2 * discarded.KEPT))
    discarded.sweep(files())
    with reading() as session:
        assert list(session.scalars(select(Discarded.name))) == ["packs/new.zip"]


def test_a_store_that_is_away_is_asked_again(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    files().put_bytes("packs/a.zip", b"x")
    noted("packs/a.zip")

    def away(_: object, name: str) -> None:
        raise AwayError(name)

    with monkeypatch.context() as patch:
        patch.setattr(type(files()), "delete", away)
        discarded.sweep(files())
    discarded.sweep(files())
    assert not files().exists("packs/a.zip")


def cache(kind: str, name: str, age_s: float) -> Path:
    entry = settings().scratch / kind / name
    entry.mkdir(parents=True)
    (entry / "train.npy").write_bytes(b"pixels")
    at = time.time() - age_s
    os.utime(entry / "train.npy", (at, at))
    return entry


def test_caches_older_than_the_last_erasure_are_given_up(sqlite: Engine) -> None:
    old = [cache(kind, "old", 3600) for kind in discarded.KINDS]
    discarded.sweep_caches()
    assert all(entry.exists() for entry in old), "nothing was erased yet"
    rows.dataset(erased_at=now())
    busy = cache("patches", "busy", 3600)
    young = cache("prefix", "young", -60)
    with busy.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        discarded.sweep_caches()
    assert not any(entry.exists() for entry in old)
    assert busy.exists() and young.exists()
    discarded.sweep_caches()
    assert not busy.exists() and young.exists()


def test_what_a_killed_erasure_wrote_is_swept_after_a_day(sqlite: Engine) -> None:
    room = settings().scratch / discarded.ROOM
    room.mkdir(parents=True)
    for name, age_s in (("old.zip", 90_000), ("new.zip", 0)):
        (room / name).write_bytes(b"x")
        os.utime(room / name, (time.time() - age_s,) * 2)
    discarded.sweep_caches()
    assert [path.name for path in room.iterdir()] == ["new.zip"]
