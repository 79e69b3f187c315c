"""kill -9 at each step of a sweep and of an upload's check: the work ends by itself, the same."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.harm import wait_for
from tests.faults.scenario import Scenario, Seen, told

SAME = "the sweep succeeds by itself, every digest as if undisturbed, each epoch and each end once"
# In this order in one sweep. A place in an epoch is passed once before it is hurt: so an epoch has
# been committed since the harm before it, however fast the machine is.
PLACES = {
    "a claim": "after claim.take",
    "the middle of writing a checkpoint": "write checkpoint",
    "a checkpoint stored, not yet committed": "before Training.record.write",
    "an epoch's commit": "in Training.record.write",
    "an epoch just committed": "after Training.record.write",
    "the commit of a run's result": "in Training.succeed.write",
    "the first batch": "stage training",
    "a run's result just committed": "after Training.succeed.write",
    "the commit of the recommendation": "in finish.record",
    "the recommendation just committed": "after finish.record",
}
LAST_AT = "the recommendation just committed"
LAST = PLACES[LAST_AT]
IN_AN_EPOCH = ("write checkpoint", "before Training.record.write", "in Training.record.write",
               "after Training.record.write")  # fmt: skip
VICTIMS: dict[str, list[int | str]] = {
    "kill -9 of the lane": ["self"],
    "kill -9 of the worker": ["parent"],
    "kill -9 of worker and lane at once": ["parent", "self"],
}
CHECKS = {
    "packing an upload": "packing",
    "a pack stored, not yet committed": "before accept.record",
    "a pack's commit": "in accept.record",
    "a pack just committed": "after accept.record",
}
PACKED = "the data set becomes ready by itself, with the same digest; the upload is gone"
SWEEP = {"arms": ["depth:1", "depth:2", "depth:4"], "recipe": {"epochs": 7, "batch_size": 16}}


@pytest.fixture(scope="module")
def calm_sweep(stack: Stack) -> dict[str, Any]:
    """Everything the sweep of these tests makes when nobody troubles it."""
    sweep_id = stack.sweep(**SWEEP)
    assert stack.ended(sweep_id)["state"] == "succeeded"
    return holds.artefacts(stack.rows, sweep_id)


def places_of(victim: str) -> dict[str, str]:
    """A lane whose worker dies while it commits the end of everything has passed the last place
    before anybody could arm it: that one has a sweep of its own.
    """
    alone = VICTIMS[victim] == ["parent"]
    return {at: place for at, place in PLACES.items() if not (alone and place == LAST)}


def hurt_at_every_step(stack: Stack, victim: str, sweep_id: str) -> dict[str, float]:
    """Kills the victim at one place after another; the moments. The first is armed already."""
    moments: dict[str, float] = {}
    for at, place in places_of(victim).items():
        if moments:
            before = list(moments.values())[-1]
            if place not in IN_AN_EPOCH and "finish" not in place:  # another run may go first
                stack.until(lambda at=before: holds.progressed(stack.rows, sweep_id, at) > at, 90)
            half = place.startswith("write") and "self" in VICTIMS[victim]
            passed = int(place in IN_AN_EPOCH)
            stack.harm.arm(place, pids=VICTIMS[victim], half=half, after=passed)
        (moments[at],) = wait_for(partial(stack.harm.taken, place), 90, stack.said)
    return moments


@told(*(Scenario(do, at, SAME) for do in VICTIMS for at in places_of(do)))
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_at_any_step_of_a_sweep_changes_nothing(
    stack: Stack, calm_sweep: dict[str, Any], victim: str
) -> None:
    stack.harm.arm(next(iter(PLACES.values())), pids=VICTIMS[victim])
    sweep_id = stack.sweep(**SWEEP)
    moments = hurt_at_every_step(stack, victim, sweep_id)
    stack.same(sweep_id, calm_sweep)
    well = {at: holds.progressed(stack.rows, sweep_id, hurt) for at, hurt in moments.items()}
    for (at, hurt), (after, following) in pairwise(moments.items()):
        if "recommendation" not in after:  # there only the last step is left, and it is hurt
            assert hurt < well[at] <= following, f"nothing came on after {at}"
    for at, hurt in moments.items():
        seen = Seen(Scenario(victim, at, SAME))
        seen.hurt(hurt)
        seen.well(well[at])
        seen.held()


@told(Scenario("kill -9 of the worker", LAST_AT, SAME))
def test_a_worker_killed_after_the_last_commit_changes_nothing(
    stack: Stack, undisturbed_short: dict[str, Any]
) -> None:
    stack.harm.arm(LAST, pids=["parent"])
    sweep_id = stack.sweep(**SHORT)
    (hurt,) = wait_for(partial(stack.harm.taken, LAST), 90, stack.said)
    stack.same(sweep_id, undisturbed_short)
    seen = Seen(Scenario("kill -9 of the worker", LAST_AT, SAME))
    seen.hurt(hurt)
    seen.well(holds.progressed(stack.rows, sweep_id, hurt))
    seen.held()


@told(*(Scenario(do, at, PACKED) for do in VICTIMS for at in CHECKS))
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_at_any_step_of_a_check_changes_nothing(stack: Stack, victim: str) -> None:
    (expected,) = stack.rows("SELECT digest FROM datasets WHERE id = ?", stack.dataset_id)
    noted = []
    for at, place in CHECKS.items():
        stack.harm.arm(place, pids=VICTIMS[victim])
        dataset_id = stack.send_upload()
        (hurt,) = wait_for(partial(stack.harm.taken, place), 60, stack.said)
        stack.checked(dataset_id)
        query = "SELECT digest, times FROM datasets WHERE id = ?"
        ((digest, times),) = stack.rows(query, dataset_id)
        assert (digest,) == expected
        seen = Seen(Scenario(victim, at, PACKED))
        seen.hurt(hurt)
        seen.well(max(hurt, holds.moment(holds.plain(times)["ready"])))
        noted.append(seen)
    stack.tidy()
    for seen in noted:
        seen.held()
