"""The broker killed at each step, flushed, full or deaf: the table alone is enough."""

import os
import signal
import time
from typing import Any

import pytest
import redis

from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.fleet import Fleet
from tests.faults.scenario import Scenario, Seen, each, told

SAME = "training goes on, new work is found in the table; same digests, each end once"
STEPS = ("after claim.take", "stage training", "write checkpoint", "in Training.record.write",
         "in Training.succeed.write", "in finish.record")  # fmt: skip
DEAF_S, GONE_S = 20, 120


@told(
    Scenario(
        "kill -9 of the broker, six times", "a claim, the first batch, the middle of writing a "
        "checkpoint, the commits of an epoch, of a result and of the recommendation", SAME,
    )
)  # fmt: skip
def test_a_broker_killed_at_every_step_of_one_sweep_changes_nothing(
    stack: Stack, undisturbed_short: dict[str, Any], seen: Seen
) -> None:
    for place in STEPS:
        stack.harm.arm(place, "sleep", seconds=0.3)
    sweep_id = stack.sweep(**SHORT)
    moments = []
    for place in STEPS:
        stack.until(lambda place=place: stack.harm.taken(place), 90)
        stack.kill("valkey")
        moments.append(time.time())
    stack.same(sweep_id, undisturbed_short)
    for moment in moments:
        seen.hurt(moment)
        seen.well(holds.progressed(stack.rows, sweep_id, moment))
    seen.held()


def flushed(broker: redis.Redis, fleet: Fleet) -> None:
    broker.flushall()


def full(broker: redis.Redis, fleet: Fleet) -> None:
    broker.config_set("maxmemory", "1")


def deaf(broker: redis.Redis, fleet: Fleet) -> None:
    os.kill(fleet.broker.process.pid, signal.SIGSTOP)


HARM = {
    "flushed just after a sweep was asked for": flushed,
    "full (maxmemory reached) while a sweep is asked for and run": full,
    f"deaf (SIGSTOP) for {DEAF_S} s, a sweep asked for meanwhile": deaf,
}


@pytest.mark.parametrize(
    "case", each([Scenario("the broker", f"is {how}", SAME) for how in HARM]), ids=str
)
def test_a_broker_that_does_not_serve_changes_nothing(
    fleet: Fleet, calm_fleet: dict[str, Any], case: Scenario, seen: Seen
) -> None:
    harm = HARM[case.at.removeprefix("is ")]
    with redis.Redis.from_url(fleet.broker.url) as broker:
        if harm is not flushed:
            harm(broker, fleet)
        hurt = time.time()
        sweep_id = fleet.sweep()
        if harm is flushed:
            harm(broker, fleet)
        seen.hurt(hurt)
        if harm is deaf:
            time.sleep(DEAF_S)
            os.kill(fleet.broker.process.pid, signal.SIGCONT)
        fleet.same(sweep_id, calm_fleet)
        broker.config_set("maxmemory", "0")
    seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
    seen.held()


HEARD = "accepts, answers and trains without it; a bell is heard again once it is back"


@told(Scenario("the broker", f"is gone for {GONE_S} s (killed, nothing listens)", HEARD))
def test_a_worker_hears_again_when_the_broker_is_back(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    fleet.broker.end()
    seen.hurt()
    began = time.monotonic()
    first = fleet.sweep()
    fleet.same(first, calm_fleet)  # the table is the queue
    time.sleep(max(0.0, GONE_S - (time.monotonic() - began)))
    fleet.same(fleet.sweep(), calm_fleet)  # and stays it
    assert fleet.client.get("/healthz/ready").status_code in (200, 503)
    fleet.broker.start()
    with redis.Redis.from_url(fleet.broker.url) as broker:
        fleet.until(lambda: listening(broker) >= 2, 60)
    seen.well()
    seen.held()


def listening(broker: redis.Redis) -> int:
    """How many clients wait for a bell."""
    try:
        return sum(str(client["cmd"]) == "brpop" for client in broker.client_list())
    except redis.RedisError:
        return 0
