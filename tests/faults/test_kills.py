"""Whatever is killed in the middle of a sweep: it ends by itself, with the very same weights."""

import time

import psutil
import pytest

from tests.faults import holds
from tests.faults.embedded import Stack
from tests.faults.scenario import Scenario, Seen, each, told

SAME = "the sweep succeeds by itself with the same weights, each epoch and each end once"
MIDDLE = "the middle of a sweep of two runs"
VICTIMS = {
    "kill -9 of the lane": ("worker-lane",),
    "kill -9 of the API": ("api",),
    "kill -9 of worker, lane and API together": ("worker-tune-1", "worker-lane", "api"),
}


def run_until_middle(stack: Stack) -> str:
    sweep_id = stack.sweep()
    stack.until(lambda: stack.epochs(sweep_id) >= 3, 100)
    return sweep_id


def ends_the_same(
    stack: Stack, sweep_id: str, undisturbed: dict[str, str], hurt: float, seen: Seen
) -> None:
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == undisturbed
    holds.ended_once(stack.rows, sweep_id)
    seen.hurt(hurt)
    seen.well(holds.progressed(stack.rows, sweep_id, hurt))
    seen.held()


@pytest.mark.parametrize(
    "case", each([Scenario(do, MIDDLE, SAME, long=False) for do in VICTIMS]), ids=str
)
def test_a_sweep_survives_kill_9_and_ends_in_the_same_weights(
    stack: Stack, undisturbed: dict[str, str], case: Scenario, seen: Seen
) -> None:
    sweep_id = run_until_middle(stack)
    for victim in VICTIMS[case.do]:
        stack.kill(victim)
    ends_the_same(stack, sweep_id, undisturbed, time.time(), seen)
    assert "lane" not in case.do or stack.attempts(sweep_id) > 1


@told(
    Scenario("kill -9 of the worker", MIDDLE, f"{SAME}; its lane does not outlive it", long=False)
)
def test_a_lane_does_not_outlive_its_killed_worker_and_another_goes_on(
    stack: Stack, undisturbed: dict[str, str], seen: Seen
) -> None:
    sweep_id = run_until_middle(stack)
    lane = stack.pid("worker-lane")
    stack.kill("worker-tune-1")
    hurt = time.time()
    stack.until(lambda: not psutil.pid_exists(lane), 30)
    ends_the_same(stack, sweep_id, undisturbed, hurt, seen)
    assert stack.attempts(sweep_id) > 1


@told(Scenario("kill -9 of the broker", "just before a sweep is asked for", SAME, long=False))
def test_a_worker_hears_again_after_the_broker_was_killed_and_came_back(
    stack: Stack, undisturbed: dict[str, str], seen: Seen
) -> None:
    stack.kill("valkey")
    hurt = time.time()
    sweep_id = stack.sweep()
    ends_the_same(stack, sweep_id, undisturbed, hurt, seen)
