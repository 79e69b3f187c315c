"""The parent's side of a child: stopped when asked, killed when deaf, its work given back."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Dataset, Prediction, Run, Sweep, now
from app.pids import folder
from tests.app import rows
from worker import children, jobs
from worker.predict import predict

Setting = Callable[[str, object], None]
STUBBORN = "tests.worker.stubborn"


@pytest.fixture(autouse=True)
def stopping() -> Iterator[threading.Event]:
    children.stopping.clear()
    yield children.stopping
    children.stopping.clear()


@pytest.fixture
def dataset_id(sqlite: Engine) -> str:
    return rows.dataset(state="checking")


def row(dataset_id: str) -> Dataset:
    with reading() as session:
        return session.get_one(Dataset, dataset_id)


def ask_to_stop_once_claimed(dataset_id: str, stopping: threading.Event) -> threading.Thread:
    def watch() -> None:
        until = time.monotonic() + 20
        while row(dataset_id).lease_owner is None and time.monotonic() < until:
            time.sleep(0.05)
        stopping.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_child_that_dies_counts_as_one_loss(
    dataset_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUBBORN", "dies")
    assert jobs.tend(STUBBORN, dataset_id) == -9
    found = row(dataset_id)
    assert (found.state, found.lease_owner, found.losses) == ("checking", None, 1)
    assert list(folder().glob("*.pid")) == []


def test_a_third_loss_with_the_worker_alive_says_how_it_ended(
    dataset_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUBBORN", "dies")
    monkeypatch.setattr("app.db.lifecycle.leases.WAITS_S", (0, 0, 0))
    for _ in range(3):
        jobs.tend(STUBBORN, dataset_id)
    found = row(dataset_id)
    assert found.state == "rejected"
    assert found.failure is not None
    assert found.failure["code"] == "lost_worker"
    assert "SIGKILL" in found.failure["detail"]


def test_a_child_is_told_to_stop_with_its_worker(
    dataset_id: str, monkeypatch: pytest.MonkeyPatch, stopping: threading.Event
) -> None:
    monkeypatch.setenv("STUBBORN", "listens")
    thread = ask_to_stop_once_claimed(dataset_id, stopping)
    assert jobs.tend(STUBBORN, dataset_id) == 7
    thread.join()


def test_a_deaf_child_is_killed_after_the_grace_period(
    dataset_id: str, monkeypatch: pytest.MonkeyPatch, stopping: threading.Event, setting: Setting
) -> None:
    monkeypatch.setenv("STUBBORN", "deaf")
    setting("grace_s", 0.5)
    thread = ask_to_stop_once_claimed(dataset_id, stopping)
    began = time.monotonic()
    assert jobs.tend(STUBBORN, dataset_id) == -9
    assert time.monotonic() - began < 25
    thread.join()
    assert row(dataset_id).losses == 0  # the worker was going, so it is not the child's fault


def test_a_child_without_progress_is_killed(
    dataset_id: str, monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    monkeypatch.setenv("STUBBORN", "deaf")
    setting("lease_s", 1)
    assert jobs.tend(STUBBORN, dataset_id) == -9
    assert row(dataset_id).losses == 1


def test_a_doubled_bell_starts_nothing(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(jobs, "tend", lambda module, row_id: started.append(module) or 0)
    ended, _ = rows.sweep(states=("succeeded",), finish="succeeded")
    jobs.tune(ended)
    jobs.tune("swp_that_was_never")
    jobs.check(rows.dataset(state="ready"))
    assert started == []


def test_a_bell_rings_on_when_two_lanes_would_find_work(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(jobs, "ring", lambda job, row_id: rung.append(row_id))
    monkeypatch.setattr(jobs, "tend", lambda module, row_id: 1)
    many, _ = rows.sweep(states=("queued", "queued", "queued"))
    one, _ = rows.sweep(states=("succeeded", "queued"))
    jobs.tune(many)
    jobs.tune(one)
    assert rung == [many]


def test_a_worker_makes_ready_for_lanes_when_a_sweep_is_under_way_and_not_before(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[object] = []
    monkeypatch.setattr(jobs.nursery, "warm", warmed.append)
    jobs.expect_lanes()
    rows.sweep(states=("succeeded",), finish="succeeded")
    rows.sweep(states=("queued",), paused_at=now())
    jobs.expect_lanes()
    assert warmed == []
    rows.sweep(states=("running", "queued"))
    jobs.expect_lanes()
    assert warmed == [children.CALM]


def test_a_worker_with_its_hands_full_leaves_the_row_to_others(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setitem(jobs.DOES, "tune", done.append)
    with jobs._slots["tune"]:
        jobs.answer("tune", "swp_1")
    jobs.answer("tune", "swp_2")
    assert done == ["swp_2"]


def test_a_lane_that_is_deaf_to_a_cancel_is_killed_and_its_run_is_cancelled(
    sqlite: Engine, setting: Setting
) -> None:
    setting("grace_s", 5)
    asked = now() - timedelta(seconds=4)
    _, (run_id,) = rows.sweep(states=("queued",), cancel_requested_at=asked)
    with writing() as session:
        attempt = lifecycle.claim(session, Run, run_id, "lane", 30)
    assert attempt == 1
    watch = jobs.Watch("lane")
    watch._looked -= 2
    assert watch.trouble() == ""  # it has a second left
    with writing() as session:
        session.execute(update(Sweep).values(cancel_requested_at=asked - timedelta(seconds=2)))
    watch._looked -= 2
    assert watch.trouble() == "it did not stop within 5 s of the cancel"
    jobs._lose_what_it_held("lane", "killed")
    with reading() as session:
        run = session.get_one(Run, run_id)
    assert (run.state, run.stop_reason, run.failure) == ("cancelled", "cancelled", None)


def test_a_worker_waits_for_what_it_does_aside_before_it_goes(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its main thread would take a lane's time to give back along."""
    done: list[str] = []

    may_end = threading.Event()

    def slow(row_id: str) -> None:
        may_end.wait(20)
        done.append(row_id)

    monkeypatch.setitem(jobs.DOES, "tune", slow)
    jobs.answer_aside("tune", "swp_1")
    jobs.drain(0.05)
    assert done == []  # not for ever
    threading.Timer(0.3, may_end.set).start()
    jobs.drain(20)
    assert done == ["swp_1"]


def test_a_prediction_worker_goes_on_with_the_next_until_none_waits(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []

    def run_queued(prediction_id: str, attempt: int, tick: Callable[[], None]) -> None:
        answered.append(prediction_id)
        with writing() as session:
            lifecycle.end(session, Prediction, prediction_id, attempt, "succeeded")

    monkeypatch.setattr("worker.predict.service.run_queued", run_queued)
    with writing() as session:
        session.add_all(
            Prediction(
                id=f"prd_{k}", workspace="default", created_by="key_1", state="queued",
                task="classification", model_id="mdl_1",
            )
            for k in range(5)
        )  # fmt: skip
    predict("prd_3")
    assert answered == ["prd_3", "prd_0", "prd_1", "prd_2", "prd_4"]
