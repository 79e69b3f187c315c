"""Cancel, pause, shutdown and a killed supervisor: asked to stop, nothing is lost or left over."""

import os
import signal
import time

from tests.faults import holds
from tests.faults.embedded import Stack
from tests.faults.harm import PATIENCE
from tests.faults.scenario import Scenario, Seen, told
from tests.faults.test_kills import MIDDLE, SAME, ends_the_same, run_until_middle


@told(Scenario("cancel", MIDDLE, "it ends cancelled, told once, never failed", long=False))
def test_a_cancelled_sweep_is_cancelled_and_never_failed(stack: Stack, seen: Seen) -> None:
    sweep_id = run_until_middle(stack)
    seen.hurt()
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/cancel").status_code == 202
    assert stack.ended(sweep_id, 40)["state"] == "cancelled"
    seen.well()
    states = {run["state"] for run in stack.get(f"/v1/sweeps/{sweep_id}")["runs"]}
    assert states <= {"cancelled", "succeeded"}
    assert "cancelled" in states
    holds.ended_once(stack.rows, sweep_id)
    seen.held()


@told(Scenario("pause, then resume", MIDDLE, SAME, long=False))
def test_a_paused_sweep_holds_and_goes_on_to_the_same_weights(
    stack: Stack, undisturbed: dict[str, str], seen: Seen
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/pause").status_code == 202
    stack.until(lambda: stack.state(sweep_id) == "paused", 40)
    held = stack.epochs(sweep_id)
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/resume").status_code == 202
    ends_the_same(stack, sweep_id, undisturbed, time.time(), seen)
    assert stack.epochs(sweep_id) > held


@told(
    Scenario(
        "SIGINT to `up`, then start again", MIDDLE,
        f"every process ends within 20 s, no loss is counted; {SAME}", long=False,
    )
)  # fmt: skip
def test_sigint_drains_everything_and_a_second_start_goes_on(
    stack: Stack, undisturbed: dict[str, str], seen: Seen
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.stop(signal.SIGINT) < 20 * PATIENCE
    assert stack.alive() == []
    leased = stack.rows("SELECT id FROM runs WHERE lease_owner IS NOT NULL")
    states = {
        state for (state,) in stack.rows("SELECT state FROM runs WHERE sweep_id = ?", sweep_id)
    }
    assert leased == []
    assert states <= {"queued", "succeeded"}
    began = time.time()
    stack.start()
    ends_the_same(stack, sweep_id, undisturbed, began, seen)
    lost = stack.rows("SELECT losses + lost_workers FROM runs WHERE sweep_id = ?", sweep_id)
    assert set(lost) == {(0,)}


@told(Scenario("kill -9 of `up`, then start again", MIDDLE, SAME, long=False))
def test_a_killed_up_is_cleaned_up_after_and_its_sweep_goes_on(
    stack: Stack, undisturbed: dict[str, str], seen: Seen
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.process is not None
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    began = time.time()
    stack.start()
    ends_the_same(stack, sweep_id, undisturbed, began, seen)


def test_a_second_up_on_the_same_folder_says_that_one_is_running(stack: Stack) -> None:
    other = Stack(stack.var)
    other.output = stack.var.parent / "second.out"
    try:
        other.start()
    except AssertionError as error:
        assert "is running on" in str(error)
    assert other.process is not None
    assert other.process.wait(10) == 1
    assert stack.runs()
