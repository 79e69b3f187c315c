"""Whatever is killed in the middle of a sweep: it ends by itself, with the very same weights."""

import psutil
import pytest

from tests.faults.conftest import Stack


def run_until_middle(stack: Stack) -> str:
    sweep_id = stack.sweep()
    stack.until(lambda: stack.epochs(sweep_id) >= 3, 100)
    return sweep_id


@pytest.mark.parametrize("victim", ["worker-lane", "api"])
def test_a_sweep_survives_kill_9_and_ends_in_the_same_weights(
    stack: Stack, undisturbed: dict[str, str], victim: str
) -> None:
    sweep_id = run_until_middle(stack)
    stack.kill(victim)
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed
    assert victim != "worker-lane" or stack.attempts(sweep_id) > 1


def test_a_lane_does_not_outlive_its_killed_worker_and_another_goes_on(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    sweep_id = run_until_middle(stack)
    lane = stack.pid("worker-lane")
    stack.kill("worker-tune-1")
    stack.until(lambda: not psutil.pid_exists(lane), 30)
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed
    assert stack.attempts(sweep_id) > 1


def test_lane_worker_and_api_killed_together_change_nothing(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    sweep_id = run_until_middle(stack)
    for victim in ("worker-tune-1", "worker-lane", "api"):
        stack.kill(victim)
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed
    assert stack.attempts(sweep_id) > 1


def test_a_worker_hears_again_after_the_broker_was_killed_and_came_back(
    stack: Stack, undisturbed: dict[str, str]
) -> None:
    stack.kill("valkey")
    sweep_id = stack.sweep()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed


def test_every_epoch_is_recorded_once_whatever_happened(stack: Stack) -> None:
    sweep_id = run_until_middle(stack)
    stack.kill("worker-lane")
    assert stack.ended(sweep_id)["state"] == "succeeded"
    query = "SELECT run_id, epoch FROM epochs JOIN runs ON runs.id = run_id WHERE sweep_id = ?"
    rows = stack.rows(query, sweep_id)
    assert len(rows) == len(set(rows)) == 60  # 2 arms of 30 epochs
