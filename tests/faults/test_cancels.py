"""Cancel at every state of a sweep, and cancels that race success: one end, and never `failed`."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db import lifecycle
from app.db.lifecycle import LeaseLostError
from app.db.session import reading, writing
from app.db.tables import Event, Finish, Run
from tests.app import rows
from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.scenario import Scenario, Seen, each, told

CANCELLED = "it ends cancelled, told once, within the grace period; nothing is left over"
KEEPS = "what was finished is kept: the sweep ends with its recommendation, told once"
STATES = {
    "a sweep that waits": "",
    "a run just claimed": "after claim.take",
    "the first batch": "stage training",
    "the middle of writing a checkpoint": "write checkpoint",
    "an epoch's commit": "in Training.record.write",
    "a sweep that is paused": "paused",
    "the commit of a run's result": "before Training.succeed.write",
    "the commit of the recommendation": "before finish.record",
}
# A lane asks once a second whether it is to stop: a run must not be over before.
LONG = {**SHORT, "recipe": {"epochs": 100, "batch_size": 16}}
LATE = ("before Training.succeed.write", "before finish.record")


@pytest.mark.parametrize(
    "case",
    each(
        [
            Scenario("cancel", at, KEEPS if place in LATE else CANCELLED)
            for at, place in STATES.items()
        ]
    ),
    ids=str,
)
def test_a_cancel_at_any_state_ends_the_sweep_once(
    stack: Stack, case: Scenario, seen: Seen
) -> None:
    place = STATES[case.at]
    if place not in ("", "paused"):
        stack.harm.arm(place, "sleep", seconds=1)
    sweep_id = stack.sweep(**(SHORT if place in LATE else LONG))
    if place == "paused":
        stack.until(lambda: stack.epochs(sweep_id) >= 1, 90)
        assert stack.client.post(f"/v1/sweeps/{sweep_id}/pause").status_code == 202
        stack.until(lambda: stack.state(sweep_id) in ("paused", "succeeded"), 40)
    elif place:
        stack.until(lambda: stack.harm.taken(place), 90)
    answer = stack.client.post(f"/v1/sweeps/{sweep_id}/cancel")
    seen.hurt()
    assert answer.status_code in (202, 409), answer.text
    sweep = stack.ended(sweep_id)
    seen.well()
    holds.ended_once(stack.rows, sweep_id)
    assert sweep["state"] in ("cancelled", "succeeded")
    if place not in (*LATE, "paused"):
        assert sweep["state"] == "cancelled"
        assert sweep["recommendation"] is None
    assert (sweep["state"] == "succeeded") == (sweep["recommendation"] is not None)
    stack.tidy()
    seen.held()


RACES = 500
ONE_END = "the run has one end, succeeded or cancelled; so has the sweep; each is told once"


@told(
    Scenario(f"{RACES} cancels, each against a success at the same moment", "the commit", ONE_END)
)
def test_a_cancel_against_success_leaves_one_end(db: Engine, seen: Seen) -> None:
    """On SQLite and on PostgreSQL, two sessions at once: whoever commits first has decided."""
    ends: dict[str, int] = {"succeeded": 0, "cancelled": 0}
    for number in range(RACES // 2):
        sweep_id, _ = rows.sweep(states=("queued",))
        with writing() as session:
            run = lifecycle.claim_next_run(session, sweep_id, "lane", 30)
        assert run is not None
        seen.hurt()
        race(lambda run=run: succeed(run), lambda s=sweep_id: cancel(s), swap=number % 2 == 1)
        settle_cancelled(run)
        seen.well()
        ends[one_end(sweep_id, run.id)] += 1
    assert sum(ends.values()) == RACES // 2
    seen.held()


def race(first: Callable[[], Any], second: Callable[[], Any], swap: bool) -> None:
    start = threading.Barrier(2)
    acts = (second, first) if swap else (first, second)

    def run(act: Callable[[], Any]) -> None:
        start.wait()
        act()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def succeed(run: Run) -> None:
    with writing() as session:
        lifecycle.end(session, Run, run.id, run.attempt, "succeeded", weights="weights/x")


def cancel(sweep_id: str) -> None:
    with writing() as session:
        lifecycle.cancel(session, sweep_id)


def settle_cancelled(run: Run) -> None:
    """What a lane does that sees the wish: too late for a run that has succeeded."""
    try:
        with writing() as session:
            lifecycle.end_cancelled(session, Run, run.id, run.attempt)
    except LeaseLostError:
        return


def one_end(sweep_id: str, run_id: str) -> str:
    with reading() as session:
        run = session.get_one(Run, run_id)
        finish = session.get_one(Finish, sweep_id)
        events = list(session.scalars(select(Event).where(Event.sweep_id == sweep_id)))
    told_ends = [e.data["state"] for e in events if e.run_id == run_id and e.kind == "run"]
    assert [state for state in told_ends if state in lifecycle.ENDED] == [run.state]
    assert finish.state == ("queued" if run.state == "succeeded" else "cancelled")
    return run.state
