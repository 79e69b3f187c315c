"""The S3 store answering 500 for a while, or slowly: what needs it waits, nothing is lost."""

import time
from typing import Any

from tests.faults import holds
from tests.faults.embedded import phantoms
from tests.faults.fleet import Fleet
from tests.faults.scenario import Scenario, Seen, told

WAITS = "the work waits and goes on by itself; same digests, each epoch and each end once"
AWAY = "the store answers 500 to everything"
SLOW_S = 0.7


@told(Scenario(AWAY, "an epoch's checkpoint, for as long as four tries take", WAITS))
def test_a_sweep_waits_for_a_store_that_fails(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    fleet.harm.arm("stage training", "sleep", seconds=1)
    sweep_id = fleet.sweep()
    fleet.until(lambda: fleet.harm.taken("stage training"), 90)
    fleet.proxy.failing, fleet.proxy.seen = True, 0
    hurt = time.time()
    seen.hurt(hurt)
    fleet.until(lambda: fleet.proxy.seen >= 4, 60)
    lost = "SELECT lost_workers FROM runs WHERE sweep_id = ?"
    fleet.until(lambda: fleet.rows(lost, sweep_id)[0][0] > 0, 60)
    fleet.proxy.failing = False
    fleet.same(sweep_id, calm_fleet)
    seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
    seen.held()


@told(Scenario(AWAY, "checking an upload", "the check waits and is done by itself; same digest"))
def test_a_check_waits_for_a_store_that_fails(fleet: Fleet, seen: Seen) -> None:
    ready = digest_of(fleet, send(fleet))
    fleet.harm.arm("packing", "sleep", seconds=1)
    dataset_id = send(fleet)
    fleet.until(lambda: fleet.harm.taken("packing"), 60)
    fleet.proxy.failing, fleet.proxy.seen = True, 0
    seen.hurt()
    lost = "SELECT lost_workers FROM datasets WHERE id = ?"
    fleet.until(lambda: fleet.rows(lost, dataset_id)[0][0] > 0, 60)
    fleet.proxy.failing = False
    assert digest_of(fleet, dataset_id) == ready
    seen.held()


REFUSED = "the reply is an error, no row stays; sent again it is accepted"


@told(Scenario(AWAY, "receiving an upload", REFUSED))
def test_an_upload_that_cannot_be_stored_is_not_accepted(fleet: Fleet, seen: Seen) -> None:
    before = fleet.rows("SELECT count(*) FROM datasets")
    fleet.proxy.failing = True
    answer = fleet.client.post(**upload())
    fleet.proxy.failing = False
    seen.hurt()
    assert answer.status_code in (500, 503), answer.text
    assert fleet.rows("SELECT count(*) FROM datasets") == before
    assert digest_of(fleet, send(fleet))
    seen.held()


@told(Scenario(f"every answer of the store takes {SLOW_S} s longer", "a whole sweep", WAITS))
def test_a_slow_store_only_takes_longer(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    fleet.proxy.slow_s = SLOW_S
    try:
        seen.hurt()
        fleet.same(fleet.sweep(), calm_fleet)
        seen.held()
    finally:
        fleet.proxy.slow_s = 0


def upload() -> dict[str, Any]:
    return {
        "url": "/v1/datasets", "data": {"task": "classification", "name": "phantoms"},
        "files": {"archive": ("phantoms.zip", phantoms())},
    }  # fmt: skip


def send(fleet: Fleet) -> str:
    answer = fleet.client.post(**upload())
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def digest_of(fleet: Fleet, dataset_id: str) -> str:
    path = f"/v1/datasets/{dataset_id}"
    fleet.until(lambda: fleet.get(path)["state"] != "checking", 90)
    assert fleet.get(path)["state"] == "ready", fleet.get(path)
    return str(fleet.rows("SELECT digest FROM datasets WHERE id = ?", dataset_id)[0][0])
