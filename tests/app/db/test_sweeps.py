"""A sweep's life: its computed state, its finish, cancel, pause and resume at every moment."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Dataset, Event, Finish, Registration, Run, Sweep, now

MakeSweep = Callable[..., str]


def states(sweep_id: str) -> list[str]:
    with reading() as session:
        return [run.state for run in lifecycle.runs_of(session, sweep_id)]


def state(sweep_id: str) -> str:
    with reading() as session:
        return lifecycle.state_of(session, sweep_id)


def start(sweep_id: str) -> str:
    """Claims the next run; its id."""
    with writing() as session:
        run = lifecycle.claim_next_run(session, sweep_id, "lane", 30)
    assert run is not None
    return run.id


def finish_run(run_id: str, outcome: str = "succeeded", headline: float = 0.9) -> None:
    validation = {"auc": {"value": headline}} if outcome == "succeeded" else {}
    with writing() as session:
        attempt = session.get_one(Run, run_id).attempt
        lifecycle.end(session, Run, run_id, attempt, outcome, validation=validation)


def finish_sweep(sweep_id: str, outcome: str = "succeeded") -> None:
    with writing() as session:
        attempt = lifecycle.claim(session, Finish, sweep_id, "lane", 30)
        assert attempt is not None
        lifecycle.end(session, Finish, sweep_id, attempt, outcome)


def events(sweep_id: str) -> list[tuple[str, str]]:
    with reading() as session:
        found = session.scalars(select(Event).where(Event.sweep_id == sweep_id).order_by(Event.id))
        return [(event.kind, event.data["state"]) for event in found]


@pytest.mark.parametrize(
    ("runs", "finish", "paused", "expected"),
    [
        (["queued", "queued"], "waiting", False, "queued"),
        (["running", "queued"], "waiting", False, "running"),
        (["succeeded", "queued"], "waiting", False, "running"),
        (["succeeded", "failed"], "queued", False, "running"),
        (["succeeded", "skipped"], "running", False, "running"),
        (["succeeded", "skipped"], "succeeded", False, "succeeded"),
        (["succeeded", "failed"], "succeeded", False, "succeeded"),
        (["succeeded", "cancelled"], "succeeded", False, "cancelled"),
        (["cancelled", "cancelled"], "cancelled", False, "cancelled"),
        (["failed", "failed"], "failed", False, "failed"),
        (["succeeded", "succeeded"], "failed", False, "failed"),
        (["queued", "queued"], "waiting", True, "paused"),
        (["succeeded", "queued"], "waiting", True, "paused"),
        (["running", "queued"], "waiting", True, "pausing"),
        (["succeeded", "succeeded"], "running", True, "pausing"),
        (["succeeded", "succeeded"], "queued", True, "paused"),
    ],
)
def test_a_sweeps_state_is_computed(
    runs: Sequence[str], finish: str, paused: bool, expected: str
) -> None:
    sweep = Sweep(id="swp_1", paused_at=now() if paused else None)
    assert lifecycle.sweep_state(sweep, runs, finish) == expected


def test_a_sweep_succeeds_only_when_its_finish_has(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(2)
    assert state(sweep_id) == "queued"
    finish_run(start(sweep_id))
    finish_run(start(sweep_id))
    assert state(sweep_id) == "running"
    finish_sweep(sweep_id)
    assert state(sweep_id) == "succeeded"
    assert events(sweep_id)[-1] == ("sweep", "succeeded")


def test_one_failed_arm_fails_alone(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(2)
    finish_run(start(sweep_id), "failed")
    finish_run(start(sweep_id))
    finish_sweep(sweep_id)
    assert (state(sweep_id), states(sweep_id)) == ("succeeded", ["failed", "succeeded"])


def test_a_sweep_whose_only_success_is_scratch_has_failed(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(1, scratch=True)
    finish_run(start(sweep_id), "failed")
    finish_run(start(sweep_id))
    assert state(sweep_id) == "failed"
    with reading() as session:
        failure = session.get_one(Finish, sweep_id).failure
    assert failure == {
        "code": "no_depth_succeeded",
        "detail": "no depth run of the sweep succeeded",
    }


def test_a_sweep_of_scratch_alone_is_finished_by_it(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(0, scratch=True)
    finish_run(start(sweep_id))
    with reading() as session:
        assert session.get_one(Finish, sweep_id).state == "queued"


def test_a_plateau_skips_the_deeper_depths_but_not_scratch(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(5, scratch=True, policy="until_plateau")
    for headline in (0.900, 0.902, 0.901):  # two depths in a row gain less than 0.005
        finish_run(start(sweep_id), headline=headline)
    assert states(sweep_id) == ["succeeded"] * 3 + ["skipped"] * 2 + ["queued"]
    finish_run(start(sweep_id), headline=0.5)
    finish_sweep(sweep_id)
    assert state(sweep_id) == "succeeded"


def test_past_its_budget_a_sweep_finishes_with_what_it_has(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(3, budget_minutes=10.0)
    finish_run(start(sweep_id))
    with writing() as session:
        session.execute(update(Event).values(at=now() - timedelta(minutes=11)))
        assert lifecycle.claim_next_run(session, sweep_id, "lane", 30) is None
    assert states(sweep_id) == ["succeeded", "skipped", "skipped"]
    finish_sweep(sweep_id)
    assert state(sweep_id) == "succeeded"


def test_a_waiting_sweep_is_cancelled_at_once(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(2)
    with writing() as session:
        lifecycle.cancel(session, sweep_id)
    assert (state(sweep_id), states(sweep_id)) == ("cancelled", ["cancelled", "cancelled"])
    assert events(sweep_id)[-1] == ("sweep", "cancelled")


def test_cancel_waits_for_the_running_run_and_keeps_what_was_finished(
    make_sweep: MakeSweep,
) -> None:
    sweep_id = make_sweep(3)
    finish_run(start(sweep_id))
    run_id = start(sweep_id)
    with writing() as session:
        lifecycle.cancel(session, sweep_id)
        lifecycle.cancel(session, sweep_id)  # idempotent
    assert (state(sweep_id), states(sweep_id)) == ("running", ["succeeded", "running", "cancelled"])
    finish_run(run_id, "cancelled")  # the lane has seen it
    assert state(sweep_id) == "running"  # the finish recommends from what there is
    finish_sweep(sweep_id)
    assert (state(sweep_id), states(sweep_id)) == (
        "cancelled",
        ["succeeded", "cancelled", "cancelled"],
    )
    said = [what for what in events(sweep_id) if what[0] == "sweep"]
    assert said[-1] == ("sweep", "cancelled")
    assert said.count(("sweep", "cancelled")) == 1


@pytest.mark.parametrize("way", ["lost", "released"])
def test_a_cancelled_run_without_its_lane_is_cancelled_not_failed(
    make_sweep: MakeSweep, way: str
) -> None:
    sweep_id = make_sweep(1)
    run_id = start(sweep_id)
    with writing() as session:
        lifecycle.cancel(session, sweep_id)
        if way == "lost":
            lifecycle.lose(session, Run, run_id, 1, worker_alive=False, detail="killed")
        else:
            lifecycle.release(session, Run, run_id, 1)
    assert (state(sweep_id), states(sweep_id)) == ("cancelled", ["cancelled"])


def test_a_run_that_waits_to_be_tried_again_is_cancelled_at_once(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(1)
    run_id = start(sweep_id)
    with writing() as session:
        lifecycle.lose(session, Run, run_id, 1, worker_alive=True, detail="crashed")
        lifecycle.cancel(session, sweep_id)
    assert state(sweep_id) == "cancelled"


def test_a_run_that_ends_well_after_the_cancel_keeps_its_success(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(1)
    run_id = start(sweep_id)
    with writing() as session:
        lifecycle.cancel(session, sweep_id)
    finish_run(run_id)
    finish_sweep(sweep_id)
    assert (state(sweep_id), states(sweep_id)) == ("succeeded", ["succeeded"])


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_an_ended_sweep_is_not_cancelled_paused_or_resumed(make_sweep: MakeSweep, end: str) -> None:
    sweep_id = make_sweep(1)
    finish_run(start(sweep_id))
    finish_sweep(sweep_id, end)
    before = events(sweep_id)
    with writing() as session:
        lifecycle.cancel(session, sweep_id)
        lifecycle.pause(session, sweep_id)
        lifecycle.resume(session, sweep_id)
    assert state(sweep_id) == end
    assert events(sweep_id) == before


def test_pause_holds_a_sweep_and_resume_lets_it_go_on(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(2)
    run_id = start(sweep_id)
    with writing() as session:
        lifecycle.pause(session, sweep_id)
    assert state(sweep_id) == "pausing"
    with writing() as session:
        lifecycle.release(session, Run, run_id, 1)  # the lane gives back what it had
    assert (state(sweep_id), states(sweep_id)) == ("paused", ["queued", "queued"])
    assert events(sweep_id)[-1] == ("sweep", "paused")
    with writing() as session:
        assert lifecycle.claim_next_run(session, sweep_id, "lane", 30) is None
        lifecycle.resume(session, sweep_id)
    assert start(sweep_id) == run_id
    with reading() as session:
        assert session.get_one(Run, run_id).attempt == 2


def test_a_paused_sweep_can_be_cancelled(make_sweep: MakeSweep) -> None:
    sweep_id = make_sweep(2)
    with writing() as session:
        lifecycle.pause(session, sweep_id)
        lifecycle.cancel(session, sweep_id)
    assert state(sweep_id) == "cancelled"


def test_a_data_set_is_erased_only_when_no_sweep_needs_it(
    make_sweep: MakeSweep, dataset: str
) -> None:
    sweep_id = make_sweep(1)
    with writing() as session:
        assert not lifecycle.erase_dataset(session, dataset)
        lifecycle.cancel(session, sweep_id)
    with writing() as session:
        assert lifecycle.erase_dataset(session, dataset)
        assert session.get_one(Dataset, dataset, populate_existing=True).state == "deleted"


def test_a_failed_registration_is_asked_for_again(
    make_sweep: MakeSweep, make_registration: Callable[[str, str], str]
) -> None:
    sweep_id = make_sweep(1)
    wish = make_registration(sweep_id, start(sweep_id))
    with writing() as session:
        assert not lifecycle.ask_again(session, wish)  # it waits still
        assert lifecycle.claim(session, Registration, wish, "lane", 30) == 1
        lifecycle.end(session, Registration, wish, 1, "failed", failure={"code": "bug"})
    with writing() as session:
        assert lifecycle.ask_again(session, wish)
        assert lifecycle.claim(session, Registration, wish, "lane", 30) == 2
