"""A wall clock that jumps an hour ahead and back in one process: leases and ends of keys hold."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.auth import CACHED_S
from tests.faults import holds
from tests.faults.fleet import TUNERS, Fleet
from tests.faults.harm import PATIENCE
from tests.faults.scenario import Scenario, Seen, told

HOUR_S = 3600.0
JUMPS = "the clock of one process jumps an hour ahead, an hour back, and is right again"
KEEPS = "no lease is taken from a living lane, nobody is killed; one attempt, same digests"
STAYS_S = 3.0  # at each time: several passes of `reconcile`, each a second
VICTIMS = ("a lane that trains", "the worker of that lane", "another worker")
LONG = {"recipe": {"epochs": 60, "batch_size": 16}}


@told(*(Scenario(JUMPS, at, KEEPS) for at in VICTIMS))
def test_a_clock_that_jumps_in_one_process_takes_no_lease(fleet: Fleet) -> None:
    calm_id = fleet.sweep(**LONG)
    assert fleet.ended(calm_id)["state"] == "succeeded"
    expected = holds.artefacts(fleet.rows, calm_id)
    fleet.harm.arm("after Training.record.write", "sleep", seconds=0.6, keep=True)
    sweep_id = fleet.sweep(**LONG)
    fleet.until(lambda: fleet.epochs(sweep_id) >= 1, 90)
    lane, worker = fleet.lane_of(sweep_id)
    other = next(pid for pid in (fleet.processes[n].pid for n in TUNERS) if pid != worker)
    noted = []
    for at, pid in zip(VICTIMS, (lane, worker, other), strict=True):
        noted.append((Seen(Scenario(JUMPS, at, KEEPS)), time.time()))
        for seconds in (HOUR_S, -HOUR_S, 0.0):
            fleet.harm.set_clock(pid, seconds)
            time.sleep(STAYS_S)
    assert fleet.harm.shown(lane), "the lane's clock was never set"
    state = fleet.get(f"/v1/sweeps/{sweep_id}")["state"]
    assert state == "running", "it ended before the clocks had jumped"
    fleet.harm.clear()
    fleet.same(sweep_id, expected)
    attempts = fleet.rows(
        "SELECT attempt, losses, lost_workers FROM runs WHERE sweep_id = ?", sweep_id
    )
    assert attempts == [(1, 0, 0)]
    for seen, hurt in noted:
        seen.hurt(hurt)
        seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
        seen.held()


KEYS = "a key that lasts opens, one that has ended does not, a job is taken up at once"


@told(Scenario(JUMPS, "an API", KEYS))
def test_a_clock_that_jumps_in_an_api_ends_no_key_and_wakes_none(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    lasting, ending = key(fleet, 1800), key(fleet, 5 * PATIENCE)
    time.sleep(5 * PATIENCE)
    pid = fleet.processes["api-1"].pid
    assert (opens(fleet, lasting), opens(fleet, ending)) == (200, 401)
    for seconds in (HOUR_S, -HOUR_S, 0.0):
        fleet.harm.set_clock(pid, seconds)
        seen.hurt()
        time.sleep(CACHED_S + 0.5)
        assert (opens(fleet, lasting), opens(fleet, ending)) == (200, 401)
        fleet.same(fleet.sweep(), calm_fleet)
        seen.well()
    seen.held()


def key(fleet: Fleet, lasts_s: float) -> str:
    ends = datetime.now(UTC) + timedelta(seconds=lasts_s)
    asked = {"name": "clock", "role": "viewer", "expires_at": ends.isoformat()}
    answer = fleet.client.post("/v1/keys", json=asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def opens(fleet: Fleet, secret: str) -> int:
    """The status that the first API gives to a key; `fleet.client` asks the same one."""
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{fleet.client.base_url}/v1/datasets", headers=headers).status_code
