"""Claims, fencing, losses: the same suite on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app.db import lifecycle
from app.db.lifecycle import LeaseLostError, Work, predictions
from app.db.session import reading, writing
from app.db.tables import Dataset, Event, Finish, Prediction, Registration, Run, Sweep, now

MakeSweep = Callable[..., str]


def runs(sweep_id: str) -> list[Run]:
    with reading() as session:
        return lifecycle.runs_of(session, sweep_id)


def one(table: Work, row_id: str) -> Any:
    with reading() as session:
        return session.get_one(table, row_id)


def claim(table: Work, row_id: str, owner: str = "lane", lease_s: float = 30) -> int | None:
    with writing() as session:
        return lifecycle.claim(session, table, row_id, owner, lease_s)


def lose(table: Work, row_id: str, attempt: int, *, worker_alive: bool = True) -> None:
    with writing() as session:
        lifecycle.lose(session, table, row_id, attempt, worker_alive=worker_alive, detail="no word")
        session.execute(update(table).where(table.id == row_id).values(due_at=None))


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Runs `work(0)` to `work(count - 1)` at the same time; raises what one of them raised."""
    gate, raised = threading.Barrier(count), []

    def go(number: int) -> None:
        gate.wait(10)
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - raised below, in the thread of the test
            raised.append(error)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]


def test_of_two_claimers_one_wins(make_sweep: MakeSweep) -> None:
    run_id = runs(make_sweep(1))[0].id
    won: list[int | None] = []
    in_threads(8, lambda number: won.append(claim(Run, run_id, f"lane-{number}")))
    assert sorted(attempt or 0 for attempt in won) == [0] * 7 + [1]
    row = one(Run, run_id)
    assert (row.state, row.attempt) == ("running", 1)


def test_four_lanes_share_a_sweep_without_an_error(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(8)
    taken: list[str] = []

    def lane(number: int) -> None:
        while True:
            with writing() as session:
                run = lifecycle.claim_next_run(session, sweep_id, f"lane-{number}", 30)
            if run is None:
                return
            taken.append(run.id)
            for epoch in range(3):
                with writing() as session:
                    lifecycle.checkpointed(session, run.id, 1, f"c{epoch}", epochs_done=epoch + 1)
                    lifecycle.emit(session, sweep_id, "epoch", {"epoch": epoch}, run_id=run.id)
            with writing() as session:
                value = {"auc": {"value": 0.9}}
                lifecycle.end(session, Run, run.id, 1, "succeeded", validation=value)

    in_threads(4, lane)
    assert len(taken) == len(set(taken)) == 8
    assert [run.state for run in runs(sweep_id)] == ["succeeded"] * 8
    assert one(Finish, sweep_id).state == "queued"  # opened once, by whoever ended last


def test_a_claim_and_a_cancel_at_once_do_not_block_each_other(make_sweep: MakeSweep) -> None:
    for _ in range(5):
        sweep_id = make_sweep(4)

        def work(number: int, sweep_id: str = sweep_id) -> None:
            with writing() as session:
                if number == 0:
                    lifecycle.cancel(session, sweep_id)
                else:
                    lifecycle.claim_next_run(session, sweep_id, f"lane-{number}", 30)

        in_threads(4, work)
        states = {run.state for run in runs(sweep_id)}
        assert states <= {"running", "cancelled"}


@pytest.mark.parametrize("table", [Dataset, Prediction], ids=["dataset", "prediction"])
def test_a_row_that_is_claimed_cannot_be_claimed_again(
    table: Work, dataset: str, prediction: str
) -> None:
    row_id = dataset if table is Dataset else prediction
    assert claim(table, row_id) == 1
    assert claim(table, row_id) is None


def test_a_row_is_not_claimed_before_it_is_due(prediction: str) -> None:
    later = now() + timedelta(seconds=60)
    with writing() as session:
        session.execute(update(Prediction).values(due_at=later))
    assert claim(Prediction, prediction) is None
    with writing() as session:
        at = later + timedelta(seconds=1)
        assert lifecycle.claim(session, Prediction, prediction, "w", 30, at=at) == 1


def test_a_stale_owner_writes_nothing(make_sweep: MakeSweep) -> None:
    run_id = runs(make_sweep(1))[0].id
    assert claim(Run, run_id, "first") == 1
    lose(Run, run_id, 1)
    assert claim(Run, run_id, "second") == 2
    for stale in (
        lambda s: lifecycle.renew(s, Run, run_id, 1, 30),
        lambda s: lifecycle.checkpointed(s, run_id, 1, "stale", epochs_done=9),
        lambda s: lifecycle.end(s, Run, run_id, 1, "succeeded"),
        lambda s: lifecycle.release(s, Run, run_id, 1),
        lambda s: lifecycle.lose(s, Run, run_id, 1, worker_alive=True, detail="late"),
    ):
        with pytest.raises(LeaseLostError), writing() as session:
            stale(session)
    row = one(Run, run_id)
    assert (row.state, row.attempt, row.lease_owner) == ("running", 2, "second")
    assert (row.checkpoint, row.epochs_done) == (None, 0)


def test_an_ended_row_is_never_written_again(prediction: str) -> None:
    claim(Prediction, prediction)
    with writing() as session:
        lifecycle.end(session, Prediction, prediction, 1, "succeeded", reply={"finding": 1})
    with pytest.raises(LeaseLostError), writing() as session:
        lifecycle.end(session, Prediction, prediction, 1, "failed", failure={"code": "bug"})
    assert one(Prediction, prediction).reply == {"finding": 1}
    assert claim(Prediction, prediction) is None


def test_progress_renews_a_lease_and_silence_ends_it(prediction: str) -> None:
    claim(Prediction, prediction, lease_s=30)
    with reading() as session:
        assert lifecycle.expired(session) == []
    with writing() as session:
        lifecycle.renew(session, Prediction, prediction, 1, -1)
    with reading() as session:
        assert lifecycle.expired(session) == [(Prediction, prediction, 1)]


def test_a_lost_attempt_waits_2_5_and_15_seconds(make_sweep: MakeSweep) -> None:
    run_id = runs(make_sweep(1))[0].id
    waits = []
    for attempt in range(1, 5):
        assert claim(Run, run_id) == attempt
        before = now()
        with writing() as session:
            lifecycle.lose(session, Run, run_id, attempt, worker_alive=False, detail="gone")
        row = one(Run, run_id)
        assert (row.state, row.lease_owner, row.rung_at) == ("queued", None, None)
        waits.append(round((row.due_at - before).total_seconds()))
        with writing() as session:
            session.execute(update(Run).where(Run.id == run_id).values(due_at=None))
    assert waits == [2, 5, 15, 15]


def test_three_losses_at_one_checkpoint_fail_a_run(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(1)
    run_id = runs(sweep_id)[0].id
    for attempt in (1, 2, 3):
        assert claim(Run, run_id) == attempt
        lose(Run, run_id, attempt)
    row = one(Run, run_id)
    assert (row.state, row.failure["code"]) == ("failed", "lost_worker")
    assert one(Finish, sweep_id).state == "failed"


def test_a_new_checkpoint_resets_the_losses(make_sweep: MakeSweep) -> None:
    run_id = runs(make_sweep(1))[0].id
    for attempt in range(1, 9):
        assert claim(Run, run_id) == attempt
        with writing() as session:
            lifecycle.checkpointed(session, run_id, attempt, f"c{attempt}", epochs_done=attempt)
        lose(Run, run_id, attempt)
    row = one(Run, run_id)
    assert (row.state, row.losses, row.checkpoint) == ("queued", 1, "c8")


def test_a_lost_worker_is_forgiven_nineteen_times(prediction: str) -> None:
    for attempt in range(1, 20):
        assert claim(Prediction, prediction) == attempt
        lose(Prediction, prediction, attempt, worker_alive=False)
        assert one(Prediction, prediction).state == "queued"
    assert claim(Prediction, prediction) == 20
    lose(Prediction, prediction, 20, worker_alive=False)
    row = one(Prediction, prediction)
    assert (row.state, row.failure["code"], row.lost_workers) == ("failed", "lost_worker", 20)


def test_a_data_set_whose_check_is_lost_for_good_is_rejected(dataset: str) -> None:
    for attempt in (1, 2, 3):
        assert claim(Dataset, dataset) == attempt
        lose(Dataset, dataset, attempt)
    assert one(Dataset, dataset).state == "rejected"


def test_a_released_row_waits_unharmed(make_sweep: MakeSweep) -> None:
    run_id = runs(make_sweep(1))[0].id
    claim(Run, run_id)
    with writing() as session:
        lifecycle.checkpointed(session, run_id, 1, "c1", epochs_done=1)
        lifecycle.release(session, Run, run_id, 1)
    row = one(Run, run_id)
    assert (row.state, row.lease_owner, row.losses, row.checkpoint) == ("queued", None, 0, "c1")
    assert claim(Run, run_id) == 2


def test_every_state_keeps_the_time_it_was_entered(prediction: str) -> None:
    claim(Prediction, prediction)
    with writing() as session:
        lifecycle.end(session, Prediction, prediction, 1, "failed", failure={"code": "bad_data"})
    times = one(Prediction, prediction).times
    assert list(times) == ["running", "failed"]
    assert times["running"] < times["failed"]


def test_a_transaction_that_fails_leaves_the_claim_undone(prediction: str) -> None:
    def broken(session: Session) -> None:
        assert lifecycle.claim(session, Prediction, prediction, "w", 30) == 1
        raise ConnectionError

    with pytest.raises(ConnectionError), writing() as session:
        broken(session)
    assert one(Prediction, prediction).state == "queued"


def test_waiting_rows_are_rung_once_until_the_ring_is_old(dataset: str, prediction: str) -> None:
    with writing() as session:
        assert lifecycle.unrung(session, 300) == [(Dataset, dataset), (Prediction, prediction)]
    with writing() as session:
        assert lifecycle.unrung(session, 300) == []
        assert lifecycle.unrung(session, -1) == [(Dataset, dataset), (Prediction, prediction)]


def test_a_sweep_is_rung_once_for_all_its_runs(
    make_sweep: MakeSweep, dataset: str, make_registration: Callable[[str, str], str]
) -> None:
    sweep_id = make_sweep(3)
    with writing() as session:
        session.execute(update(Dataset).values(state="ready"))
        assert lifecycle.unrung(session, 300) == [(Run, sweep_id)]
    make_registration(sweep_id, runs(sweep_id)[0].id)
    with writing() as session:
        assert lifecycle.unrung(session, 300) == [(Registration, sweep_id)]


def test_rows_of_a_sweep_in_hand_or_on_hold_stay_unrung(make_sweep: MakeSweep) -> None:
    served, held = make_sweep(2), make_sweep(2)
    claim(Run, runs(served)[0].id)
    with writing() as session:
        lifecycle.pause(session, held)
        session.execute(update(Dataset).values(state="ready"))
        assert lifecycle.unrung(session, 300) == []
    assert [run.rung_at for run in runs(served) + runs(held)] == [None] * 4
    with writing() as session:
        lifecycle.resume(session, held)
        assert lifecycle.unrung(session, 300) == [(Run, held)]


def test_two_reconcilers_do_not_ring_twice(dataset: str) -> None:
    rung: list[Any] = []

    def work(_: int) -> None:
        with writing() as session:
            rung.extend(lifecycle.unrung(session, 300))

    in_threads(4, work)
    assert rung == [(Dataset, dataset)]


def test_events_are_committed_in_the_order_of_their_ids(db: Engine, make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(1)
    seen: list[int] = []

    def write(number: int) -> None:
        for _ in range(10):
            with writing() as session:
                lifecycle.emit(session, sweep_id, "stage", {"writer": number})

    def read() -> None:  # as the event stream does: only what is later than the last one seen
        last = 0
        while len(seen) < 40:
            with reading() as session:
                found = select(Event.id).where(Event.sweep_id == sweep_id, Event.id > last)
                for event_id in session.scalars(found.order_by(Event.id)):
                    seen.append(event_id)
                    last = event_id

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    in_threads(4, write)
    reader.join(10)
    assert len(seen) == 40  # none was committed behind the reader's back
    assert one(Sweep, sweep_id).id == sweep_id


# ---- a prediction's wish ----------------------------------------------------------------------


def test_a_waiting_prediction_is_cancelled_at_once_and_never_claimed(prediction: str) -> None:
    with writing() as session:
        assert lifecycle.cancel_prediction(session, prediction)
    with writing() as session:
        assert not lifecycle.cancel_prediction(session, prediction)
        assert lifecycle.claim(session, Prediction, prediction, "me", 30) is None
        row = session.get_one(Prediction, prediction)
    assert (row.state, "cancelled" in row.times) == ("cancelled", True)


def test_a_cancel_is_not_lost_on_a_prediction_that_is_given_back_meanwhile(
    prediction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker loses it between the first change that the cancel makes and the second."""
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, prediction, "me", 30)
        assert attempt is not None
    change = predictions.change

    def then_lost(session: Session, *given: Any) -> bool:
        monkeypatch.undo()
        changed = change(session, *given)
        lifecycle.lose(session, Prediction, prediction, attempt, worker_alive=True, detail="killed")
        return changed

    monkeypatch.setattr(predictions, "change", then_lost)
    with writing() as session:
        lifecycle.cancel_prediction(session, prediction)
    assert one(Prediction, prediction).state == "cancelled"


@pytest.mark.parametrize("how", ["release", "lose", "end"])
def test_a_claimed_prediction_that_was_cancelled_ends_so_however_it_is_let_go(
    prediction: str, how: str
) -> None:
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, prediction, "me", 30)
        assert attempt is not None
        assert not lifecycle.cancelled(session, Prediction, prediction)
    with writing() as session:
        assert not lifecycle.cancel_prediction(session, prediction)
        assert lifecycle.cancelled(session, Prediction, prediction)
        assert session.get_one(Prediction, prediction).state == "running"
    with writing() as session:
        mine = session, Prediction, prediction, attempt
        if how == "release":
            lifecycle.release(*mine)
        elif how == "lose":
            lifecycle.lose(*mine, worker_alive=True, detail="killed")
        else:
            lifecycle.end_cancelled(*mine)
        assert session.get_one(Prediction, prediction).state == "cancelled"


def test_a_prediction_that_has_ended_cannot_be_cancelled(prediction: str) -> None:
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, prediction, "me", 30)
        assert attempt is not None
        lifecycle.end(session, Prediction, prediction, attempt, "succeeded")
    with writing() as session:
        assert not lifecycle.cancel_prediction(session, prediction)
        row = session.get_one(Prediction, prediction)
    assert (row.state, row.cancel_requested_at) == ("succeeded", None)
