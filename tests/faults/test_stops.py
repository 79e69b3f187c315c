"""Cancel, pause, shutdown and a killed supervisor: asked to stop, nothing is lost or left over."""

import os
import signal

from tests.faults.conftest import Stack
from tests.faults.test_kills import run_until_middle


def test_a_cancelled_sweep_is_cancelled_and_never_failed(stack: Stack) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/cancel").status_code == 202
    assert stack.ended(sweep_id, 40)["state"] == "cancelled"
    states = {run["state"] for run in stack.get(f"/v1/sweeps/{sweep_id}")["runs"]}
    assert states <= {"cancelled", "succeeded"}
    assert "cancelled" in states


def test_a_paused_sweep_holds_and_goes_on_to_the_same_weights(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/pause").status_code == 202
    stack.until(lambda: stack.state(sweep_id) == "paused", 40)
    held = stack.epochs(sweep_id)
    assert stack.client.post(f"/v1/sweeps/{sweep_id}/resume").status_code == 202
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.epochs(sweep_id) > held
    assert stack.weights(sweep_id) == undisturbed


def test_sigint_drains_everything_and_a_second_start_goes_on(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.stop(signal.SIGINT) < 20
    assert stack.alive() == []
    leased = stack.rows("SELECT id FROM runs WHERE lease_owner IS NOT NULL")
    states = {
        state for (state,) in stack.rows("SELECT state FROM runs WHERE sweep_id = ?", sweep_id)
    }
    assert leased == []
    assert states <= {"queued", "succeeded"}
    stack.start()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed
    lost = stack.rows("SELECT losses + lost_workers FROM runs WHERE sweep_id = ?", sweep_id)
    assert set(lost) == {(0,)}


def test_a_killed_up_is_cleaned_up_after_and_its_sweep_goes_on(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    sweep_id = run_until_middle(stack)
    assert stack.process is not None
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    stack.start()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed


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
