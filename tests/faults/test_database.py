"""The database killed, restarted, or refusing a commit: nothing is lost, nothing is half there."""

import time
from functools import partial
from typing import Any

from tests.faults import holds
from tests.faults.embedded import phantoms
from tests.faults.fleet import Fleet
from tests.faults.harm import wait_for
from tests.faults.scenario import Scenario, Seen, told

SAME = "lanes wait and go on; same digests, each epoch and each end once"
PLACES = {
    "a claim": "after claim.take",
    "the first batch": "stage training",
    "the middle of writing a checkpoint": "write checkpoint",
    "a checkpoint stored, not yet committed": "before Training.record.write",
    "an epoch's commit": "in Training.record.write",
    "the commit of a run's result": "in Training.succeed.write",
    "the commit of the recommendation": "in finish.record",
}
KILL = "kill -9 of PostgreSQL"
LONGER = {"recipe": {"epochs": 20, "batch_size": 16}}  # the lane trains on while it is away


@told(*(Scenario(KILL, at, SAME) for at in PLACES))
def test_a_database_killed_at_any_step_of_a_sweep_is_waited_for(fleet: Fleet) -> None:
    calm_id = fleet.sweep(**LONGER)
    assert fleet.ended(calm_id)["state"] == "succeeded"
    expected, noted = holds.artefacts(fleet.rows, calm_id), []
    first = next(iter(PLACES.values()))
    fleet.harm.arm(first, "sleep", seconds=1)
    sweep_id = fleet.sweep(**LONGER)
    for at, place in PLACES.items():
        if place != first:
            fleet.harm.arm(place, "sleep", seconds=1)  # the kill falls into that second
        (hurt,) = wait_for(partial(fleet.harm.taken, place), 90, fleet.logs)
        fleet.postgres.kill()
        time.sleep(0.5)
        fleet.start_database()
        seen = Seen(Scenario(KILL, at, SAME))
        noted.append((seen, hurt))
    fleet.same(sweep_id, expected)
    for seen, hurt in noted:
        seen.hurt(hurt)
        seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
        seen.held()


@told(Scenario("fast shutdown of PostgreSQL for 5 s", "the middle of a sweep", SAME))
def test_a_database_that_is_restarted_is_waited_for(
    fleet: Fleet, calm_fleet: dict[str, Any], seen: Seen
) -> None:
    sweep_id = fleet.sweep()
    fleet.until(lambda: fleet.epochs(sweep_id) >= 1, 90)
    seen.hurt()
    hurt = time.time()
    fleet.postgres.stop()
    time.sleep(5)
    fleet.start_database()
    fleet.same(sweep_id, calm_fleet)
    seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
    seen.held()


def refuse(fleet: Fleet, table: str, when: str = "TRUE") -> None:
    """COMMIT itself fails, once, where a row of `table` is in it: a deferred constraint says no."""
    fleet.rows("CREATE SEQUENCE IF NOT EXISTS refused")
    fleet.rows(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        # a sequence is not rolled back: the second try may pass
        "IF nextval('refused') = 1 THEN RAISE EXCEPTION 'refused' USING ERRCODE = '53100'; END IF; "
        "RETURN NULL; END $$"
    )
    fleet.rows("SELECT setval('refused', 1, false)")
    fleet.rows(
        f"CREATE CONSTRAINT TRIGGER refusal AFTER INSERT OR UPDATE ON {table} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
    )


def refused(fleet: Fleet) -> bool:
    return bool(fleet.rows("SELECT is_called FROM refused")[0][0])


def allow(fleet: Fleet, table: str) -> None:
    fleet.rows(f"DROP TRIGGER refusal ON {table}")


COMMITS = {
    "an epoch": ("events", "NEW.kind = 'epoch'"),
    "a run's result": ("runs", "NEW.state = 'succeeded'"),
    "the recommendation": ("sweeps", "NEW.recommendation IS NOT NULL"),
}
AGAIN = "it is tried again: no event without its row, no row without its event; same digests"


@told(*(Scenario("PostgreSQL refuses the commit", at, AGAIN) for at in COMMITS))
def test_a_commit_that_fails_is_tried_again(fleet: Fleet, calm_fleet: dict[str, Any]) -> None:
    for at, (table, when) in COMMITS.items():
        seen = Seen(Scenario("PostgreSQL refuses the commit", at, AGAIN))
        refuse(fleet, table, when)
        sweep_id = fleet.sweep()
        fleet.until(lambda: refused(fleet), 90)
        seen.hurt()
        hurt = time.time()
        fleet.same(sweep_id, calm_fleet)
        allow(fleet, table)
        seen.well(holds.progressed(fleet.rows, sweep_id, hurt))
        seen.held()


NOTHING = "the reply is an error, no row and no upload stay; sent again it is accepted"


@told(Scenario("PostgreSQL refuses the commit", "accepting an upload", NOTHING))
def test_an_upload_whose_commit_fails_is_not_accepted(fleet: Fleet, seen: Seen) -> None:
    count = "SELECT count(*) FROM datasets"
    before = fleet.rows(count)
    refuse(fleet, "datasets")
    form = {"data": {"task": "classification", "name": "again"}}
    answer = fleet.client.post("/v1/datasets", files={"archive": ("a.zip", phantoms())}, **form)
    seen.hurt()
    allow(fleet, "datasets")
    assert answer.status_code in (500, 503), answer.text
    assert fleet.rows(count) == before
    again = fleet.client.post("/v1/datasets", files={"archive": ("a.zip", phantoms())}, **form)
    assert again.status_code == 202, again.text
    path = f"/v1/datasets/{again.json()['id']}"
    fleet.until(lambda: fleet.get(path)["state"] == "ready", 60)
    seen.held()
