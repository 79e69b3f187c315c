"""The broom takes what killed attempts left, and nothing that somebody still needs."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from app import ids
from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Dataset, Idempotency, Prediction, Run, now
from app.idempotency import KEPT
from app.settings import settings
from app.storage import files
from tests.app import rows
from worker.leftovers import Broom, sweep_checkpoints, sweep_folders, sweep_objects


def folder(name: str) -> Path:
    made = settings().scratch / name
    made.mkdir(parents=True)
    (made / "checkpoint.safetensors").write_bytes(b"x")
    return made


def test_folders_of_attempts_that_are_over_go_and_the_one_at_work_stays(db: Engine) -> None:
    sweep_id, (run_id,) = rows.sweep(states=("queued",))
    with writing() as session:
        first = lifecycle.claim(session, Run, run_id, "a", 30)
        assert first is not None
        lifecycle.release(session, Run, run_id, first)
        second = lifecycle.claim(session, Run, run_id, "b", 30)
    dead = folder(f"runs/{run_id}-{first}")
    alive = folder(f"runs/{run_id}-{second}")
    finished = folder(f"finishes/{sweep_id}-1")
    strange = folder("checks/ds_of_a_database_that_is_gone-1")
    patches = folder("patches/0123")
    sweep_folders()
    assert [dead.exists(), finished.exists(), strange.exists()] == [False] * 3
    assert alive.exists()
    assert patches.exists()


def test_the_folder_of_a_run_given_back_goes_before_it_is_claimed_again(db: Engine) -> None:
    _, (run_id,) = rows.sweep(states=("queued",))
    with writing() as session:
        attempt = lifecycle.claim(session, Run, run_id, "a", 30)
        assert attempt is not None
        lifecycle.release(session, Run, run_id, attempt)
    left = folder(f"runs/{run_id}-{attempt}")
    sweep_folders()
    assert not left.exists()


def test_uploads_go_once_checked_and_strays_once_a_day_old(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {name: f"uploads/{ids.new('upl')}" for name in ("orphan", "waiting", "checked")}
    for name in names.values():
        files().put_bytes(name, b"zip")
    rows.dataset(state="checking", upload=names["waiting"])
    rows.dataset(state="ready", upload=names["checked"])
    sweep_objects()
    # The orphan is young: its row may still come.
    assert set(files().names("uploads/")) == {names["orphan"], names["waiting"]}
    monkeypatch.setattr("worker.leftovers.now", lambda: now() + timedelta(days=2))
    sweep_objects()
    assert list(files().names("uploads/")) == [names["waiting"]]


def test_inputs_go_once_answered(db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {state: ids.new("prd") for state in ("queued", "succeeded")}
    with writing() as session:
        session.add_all(
            Prediction(
                id=row_id, workspace="default", created_by="key_1", state=state,
                task="classification", model_id="mdl_1",
            )
            for state, row_id in made.items()
        )  # fmt: skip
    for row_id in made.values():
        files().put_bytes(f"inputs/{row_id}", b"jpeg")
    monkeypatch.setattr("worker.leftovers.now", lambda: now() + timedelta(days=2))
    sweep_objects()
    assert list(files().names("inputs/")) == [f"inputs/{made['queued']}"]


def test_pictures_and_films_go_when_they_are_old_or_nobodys(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lost, at_work = ids.new("prd"), ids.new("prd"), ids.new("prd")
    mine = f"outputs/{kept}/2/timeline.png"
    facts = {"object": mine, "sha256": "a" * 64, "bytes": 3}
    with writing() as session:
        for row_id, state, outputs in (
            (kept, "succeeded", {"timeline.png": facts}), (at_work, "running", None),
        ):  # fmt: skip
            session.add(
                Prediction(
                    id=row_id, workspace="default", created_by="key_1", state=state, long=True,
                    task="polyp", model_id="mdl_1", outputs=outputs,
                )
            )  # fmt: skip
    stale = f"outputs/{kept}/1/timeline.png"  # of an attempt that lost its lease
    for name in (mine, stale, f"outputs/{lost}/1/timeline.png", f"outputs/{at_work}/1/a.mp4"):
        files().put_bytes(name, b"png")
    sweep_objects()
    left = list(files().names("outputs/"))
    assert stale not in left
    assert len(left) == 3  # one may still be on its way to its row
    monkeypatch.setattr("worker.leftovers.now", lambda: now() + timedelta(days=2))
    sweep_objects()
    assert list(files().names("outputs/")) == [mine]
    monkeypatch.setattr("worker.leftovers.now", lambda: now() + timedelta(days=31))
    sweep_objects()
    assert list(files().names("outputs/")) == []


def test_what_a_video_leaves_that_waited_for_days_stays_until_its_row_names_it(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_id = ids.new("prd")
    with writing() as session:
        session.add(
            Prediction(
                id=row_id, workspace="default", created_by="key_1", state="queued", long=True,
                task="polyp", model_id="mdl_1",
            )
        )  # fmt: skip
        session.flush()
        attempt = lifecycle.claim(session, Prediction, row_id, "me", 30)
    now_stored, before = (f"outputs/{row_id}/{n}/a.mp4" for n in (attempt, 0))
    for name in (now_stored, before):
        files().put_bytes(name, b"mp4")
    monkeypatch.setattr("worker.leftovers.now", lambda: now() + timedelta(days=2))
    sweep_objects()
    assert list(files().names("outputs/")) == [now_stored]


def test_checkpoints_go_with_the_end_of_their_run(db: Engine) -> None:
    _, run_ids = rows.sweep(states=("running", "queued", "cancelled", "failed"))
    for run_id in run_ids:
        files().put_bytes(f"checkpoints/{run_id}/{'a' * 64}.safetensors", b"x")
    with writing() as session:
        session.execute(update(Dataset).values(state="ready"))
    sweep_checkpoints()
    kept = [name.split("/")[1] for name in files().names("checkpoints/")]
    assert kept == sorted(run_ids[:2])


def test_a_volume_that_nobody_looks_at_any_more_is_given_up(db: Engine) -> None:
    shown = settings().scratch / "shown"
    shown.mkdir(parents=True)
    for name, age_s in (("old.npy", 90_000), ("new.npy", 60)):
        (shown / name).write_bytes(b"voxels")
        os.utime(shown / name, (time.time() - age_s,) * 2)
    sweep_folders()
    assert [path.name for path in shown.iterdir()] == ["new.npy"]


def test_replies_are_kept_to_be_given_again_for_a_week(db: Engine) -> None:
    asked = {"workspace": "default", "route": "create_sweep", "body_sha256": "a", "status": 202}
    moments = {"old": now() - KEPT - timedelta(hours=1), "new": now() - KEPT + timedelta(hours=1)}
    with writing() as session:
        for key, moment in moments.items():
            session.add(Idempotency(**asked, key=key, created_at=moment, location=None, reply={}))
    Broom(objects=True).sweep_all()
    with reading() as session:
        assert session.scalars(select(Idempotency.key)).all() == ["new"]


def test_findings_leave_the_database_once_they_have_had_their_time_and_never_before_they_ended(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    with writing() as session:
        for state, days in (("succeeded", 3), ("failed", 3), ("succeeded", 1), ("queued", 3)):
            row_id = made[state, days] = ids.new("prd")
            session.add(
                Prediction(
                    id=row_id, workspace="default", created_by="key_1", state=state, long=False,
                    task="polyp", model_id="mdl_1", created_at=now() - timedelta(days=days),
                )
            )  # fmt: skip
    Broom(objects=True).sweep_all()
    with reading() as session:
        assert len(session.scalars(select(Prediction.id)).all()) == len(made)
    monkeypatch.setattr(settings(), "findings_kept_s", 2 * 86_400)
    Broom(objects=True).sweep_all()
    with reading() as session:
        left = set(session.scalars(select(Prediction.id)))
    assert left == {made["succeeded", 1], made["queued", 3]}
