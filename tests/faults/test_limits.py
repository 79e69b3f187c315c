"""A lane under a real memory limit, and work that kills whoever does it."""

from typing import Any

from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.scenario import Scenario, Seen, told

ROOM = 4 * 2**20
TYPED = (
    "the run fails as out_of_memory (or goes on in halves), never as a bug; the next sweep is well"
)
POISON = "after 3 tries at one checkpoint the run fails as lost_worker; the sweep goes on"
WORKER = "the run fails as lost_worker at the 20th loss (counted from 18 here); the worker lives on"
TWO = {"arms": ["depth:1", "depth:2"], "recipe": {"epochs": 4, "batch_size": 16}}


@told(
    Scenario(
        "RLIMIT_AS of a lane set to what it has and 4 MB more", "a batch after the first", TYPED
    )
)
def test_a_lane_out_of_memory_says_so(
    stack: Stack, undisturbed_short: dict[str, Any], seen: Seen
) -> None:
    stack.harm.arm("stage training", "limit", bytes=ROOM, after=1)
    sweep_id = stack.sweep(**{**SHORT, "recipe": {"epochs": 4, "batch_size": 32}})
    sweep = stack.ended(sweep_id)
    assert stack.harm.taken("stage training")
    seen.hurt(stack.harm.taken("stage training")[0])
    holds.ended_once(stack.rows, sweep_id)
    codes = {(run.get("failure") or {}).get("code") for run in sweep["runs"]}
    assert codes <= {None, "out_of_memory", "lost_worker"}, sweep["runs"]
    stack.same(stack.sweep(**SHORT), undisturbed_short)
    seen.held()


def first_run(stack: Stack, sweep_id: str) -> str:
    query = "SELECT id FROM runs WHERE sweep_id = ? ORDER BY position"
    return str(stack.rows(query, sweep_id)[0][0])


@told(Scenario("a run that kills its lane", "each first batch", POISON))
def test_a_run_that_kills_its_lane_each_time_is_given_up(stack: Stack, seen: Seen) -> None:
    sweep_id = stack.sweep(**TWO)
    run_id = first_run(stack, sweep_id)
    stack.harm.arm("stage training", keep=True, **{"if": {"run": run_id}})
    sweep = stack.ended(sweep_id, 200)
    assert sweep["state"] == "succeeded", sweep
    holds.ended_once(stack.rows, sweep_id)
    ended = {run["id"]: run["state"] for run in sweep["runs"]}
    assert ended.pop(run_id) == "failed"
    assert set(ended.values()) == {"succeeded"}
    query = "SELECT attempt, failure FROM runs WHERE id = ?"
    ((attempts, failure),) = stack.rows(query, run_id)
    assert (attempts, holds.plain(failure)["code"]) == (3, "lost_worker")
    deaths = stack.harm.taken("stage training")
    assert len(deaths) == 3
    seen.hurt(deaths[0])
    seen.times = len(deaths)
    seen.held()


@told(Scenario("a run that kills its worker and its lane", "each first batch", WORKER))
def test_a_run_that_kills_its_worker_each_time_is_given_up(
    stack: Stack, undisturbed_short: dict[str, Any], seen: Seen
) -> None:
    stack.harm.arm("stage training", keep=True, pids=["parent", "self"])
    sweep_id = stack.sweep(**SHORT)
    stack.until(lambda: stack.harm.taken("stage training"), 90)
    seen.hurt(stack.harm.taken("stage training")[0])
    stack.write("UPDATE runs SET lost_workers = 18 WHERE sweep_id = ?", sweep_id)
    stack.write("UPDATE runs SET lease_until = '2000-01-01' WHERE sweep_id = ?", sweep_id)
    stack.until(lambda: len(stack.harm.taken("stage training")) > 1, 90)
    stack.write("UPDATE runs SET lease_until = '2000-01-01' WHERE sweep_id = ?", sweep_id)
    sweep = stack.ended(sweep_id, 300)
    assert sweep["state"] == "failed"
    holds.ended_once(stack.rows, sweep_id)
    (run,) = sweep["runs"]
    assert run["failure"]["code"] == "lost_worker"
    seen.times = len(stack.harm.taken("stage training"))
    seen.held()
    stack.harm.clear()
    stack.same(stack.sweep(**SHORT), undisturbed_short)
