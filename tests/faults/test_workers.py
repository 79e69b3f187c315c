"""Two API replicas and three tuning workers on one database: bells, pauses, kills at random."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from typing import Any

import psutil
import pytest
from celery import Celery

from tests.faults import holds
from tests.faults.fleet import APIS, SHORT, TUNERS, Fleet
from tests.faults.scenario import Scenario, Seen, each, told

ONCE = "one attempt, each epoch once, every digest as if it had come once"
BELLS = {"once": 1, "10 times": 10, "100 times, by ten senders at once": 100}
DIGESTS = "the sweep succeeds by itself with the digests of an undisturbed one, each end told once"
STALE = "another worker goes on; what the first writes later touches no row; same digests"
KILLS = 8
WIDE = {"arms": ["depth:1", "depth:2", "depth:4"], "recipe": {"epochs": 60, "batch_size": 16}}


@pytest.mark.parametrize(
    "case",
    each([Scenario("the same message to three workers", times, ONCE) for times in BELLS]),
    ids=str,
)
def test_a_message_may_come_as_often_as_it_likes(
    fleet: Fleet, calm_fleet: dict[str, Any], case: Scenario, seen: Seen
) -> None:
    sweep_id = fleet.sweep()
    queue = Celery(broker=fleet.broker.url)
    seen.hurt()

    def ring(_: int) -> None:
        queue.send_task("layertune.tune", (sweep_id,), queue="tune")

    with ThreadPoolExecutor(10) as senders:
        list(senders.map(ring, range(BELLS[case.at])))
    queue.close()
    fleet.same(sweep_id, calm_fleet)
    attempts = fleet.rows("SELECT attempt FROM runs WHERE sweep_id = ?", sweep_id)
    assert attempts == [(1,)]
    seen.well(holds.progressed(fleet.rows, sweep_id, 0))
    seen.held()


@told(Scenario("SIGSTOP to lane and worker, SIGCONT after another took over", "an epoch", STALE))
def test_a_worker_that_slept_past_its_lease_overwrites_nothing(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    fleet.harm.arm("before Training.record.write", pids=["parent", "self"], signal=signal.SIGSTOP)
    sweep_id = fleet.sweep()
    fleet.until(lambda: fleet.harm.taken("before Training.record.write"), 90)
    (hurt,) = fleet.harm.taken("before Training.record.write")
    lane, worker = fleet.lane_of(sweep_id)
    query = "SELECT attempt FROM runs WHERE sweep_id = ?"
    fleet.until(lambda: fleet.rows(query, sweep_id)[0][0] > 1, 90)
    for pid in (lane, worker):
        os.kill(pid, signal.SIGCONT)
    fleet.same(sweep_id, calm_fleet)
    fleet.until(lambda: not psutil.pid_exists(lane), 30)
    seen.hurt(hurt)
    seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
    seen.held()


@told(Scenario(f"{KILLS} times kill -9 of a lane, a worker or an API", "random moments", DIGESTS))
def test_kills_at_random_moments_change_nothing(fleet: Fleet, seen: Seen) -> None:
    calm_id = fleet.sweep(**WIDE)
    assert fleet.ended(calm_id, 180)["state"] == "succeeded"
    expected = holds.artefacts(fleet.rows, calm_id)
    chance = random.Random()  # noqa: S311 - the moments differ each time
    sweep_id = fleet.sweep(**WIDE)
    moments: list[float] = []
    for victims in cycle((Fleet.lanes, workers, apis)):
        time.sleep(chance.uniform(1, 4))
        with suppress(ProcessLookupError, IndexError):  # none just now, or it has just gone
            os.kill(chance.choice(victims(fleet)), signal.SIGKILL)
            moments.append(time.time())
        if len(moments) == KILLS:
            break
    fleet.same(sweep_id, expected)
    assert holds.progressed(fleet.rows, sweep_id, moments[-1]) > moments[-1], "it ended too soon"
    for moment in moments:
        seen.hurt(moment)
        seen.well(holds.progressed(fleet.rows, sweep_id, moment))
    seen.held()


def workers(fleet: Fleet) -> list[int]:
    return [fleet.processes[name].pid for name in TUNERS]


def apis(fleet: Fleet) -> list[int]:
    return [fleet.processes[name].pid for name in APIS]


@told(
    Scenario(
        "three sweeps at once, asked of both replicas by turns", "three workers",
        "no run is done twice, both replicas tell the same, same digests",
    )
)  # fmt: skip
def test_replicas_and_workers_share_one_database(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    seen.hurt()
    asked = {"dataset_id": fleet.dataset_id, **SHORT}
    answers = [fleet.clients[k % 2].post("/v1/sweeps", json=asked) for k in range(3)]
    sweeps = [answer.json()["id"] for answer in answers]
    for sweep_id in sweeps:
        fleet.same(sweep_id, calm_fleet)
        shown = [client.get(f"/v1/sweeps/{sweep_id}").json() for client in fleet.clients]
        assert shown[0] == shown[1]
        assert fleet.rows("SELECT attempt FROM runs WHERE sweep_id = ?", sweep_id) == [(1,)]
    seen.held()
