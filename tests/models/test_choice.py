"""The choice, on losses worked by hand: the metric is a mean, so every SE is a closed form."""

import json

import numpy as np
import pytest

from models.choice import NothingToChooseError, choose
from models.findings import Measure
from models.stats import Floats
from models.sweep import Outcome

SUBJECTS = 16
BEST = np.linspace(0.7, 0.9, SUBJECTS)
# Losses by turns; mean, bootstrap SE = half the step / sqrt(16):
NEAR = np.tile([0.06, -0.04], 8)  # .010, .0125: within one SE and within .02
CLEAR = np.tile([0.09, -0.01], 8)  # .040, .0125: neither
VAGUE = np.tile([0.30, -0.25], 8)  # .025, .069: within one SE, but more than .02


def mean_score(measures: list[Measure], weights: Floats) -> Floats:
    return weights @ np.array([row.scores[0] for row in measures]) / weights.sum(axis=1)


def measures(values: np.ndarray, per_subject: int = 1) -> list[Measure]:
    return [
        Measure(f"c{k:03d}", f"s{k // per_subject:03d}", 0, np.array([value, 1 - value]))
        for k, value in enumerate(values)
    ]


def run(
    depth: int,
    state: str = "succeeded",
    scratch: bool = False,
    seed: int = 0,
    fraction: float = 1.0,
) -> Outcome:
    name = f"{'s' if scratch else 'd'}{depth}/{seed}/{fraction}"
    return Outcome(name, depth, scratch, seed, fraction, state)


def chosen(
    losses: dict[Outcome, np.ndarray],
    others: tuple[Outcome, ...] = (),
    per_subject: int = 1,
    **options: float,
):
    found = {outcome.id: measures(BEST - loss, per_subject) for outcome, loss in losses.items()}
    return choose(found, [*losses, *others], mean_score, **options)


ZERO = np.zeros(SUBJECTS)


def test_the_shallowest_depth_that_loses_next_to_nothing() -> None:
    found = chosen({run(1): CLEAR, run(2): NEAR, run(3): CLEAR, run(4): ZERO})
    assert (found.arm, found.best, found.run_id) == ("depth:2", "depth:4", "d2/0/1.0")
    row = found.table[1]
    assert row.loss == pytest.approx(0.01)
    assert row.se == pytest.approx(0.0125, rel=0.1)
    assert found.reason == (
        "shallowest depth within one standard error of the best (depth:4): "
        f"loss 0.010, SE {row.se:.3f}, 16 subjects"
    )


def test_a_loss_above_the_absolute_bound_is_too_much_however_vague() -> None:
    found = chosen({run(1): VAGUE, run(2): ZERO})
    assert found.arm == "depth:2"
    assert (
        "depth:1 is within one standard error too, but 0.025 is more than the 0.02 allowed"
        in found.reason
    )
    assert chosen({run(1): VAGUE, run(2): ZERO}, max_loss=0.03).arm == "depth:1"


def test_more_standard_errors_may_be_allowed() -> None:
    small = CLEAR / 4  # loss .010, SE .0031
    assert chosen({run(1): small, run(2): ZERO}).arm == "depth:2"
    assert chosen({run(1): small, run(2): ZERO}, max_se=4.0).arm == "depth:1"


def test_a_best_that_nothing_shallower_comes_near_says_what_is_nearest() -> None:
    found = chosen({run(1): CLEAR * 2, run(2): CLEAR, run(3): ZERO})
    assert found.arm == found.best == "depth:3"
    assert "no shallower depth comes within one standard error and 0.02 of it" in found.reason
    assert "nearest: depth:2, loss 0.040" in found.reason


def test_what_is_not_told_apart_is_listed_with_p_and_not_called_equal() -> None:
    found = chosen({run(1): VAGUE, run(2): CLEAR, run(3): NEAR, run(4): ZERO})
    assert found.arm == "depth:3"
    (row,) = found.not_distinguished  # depth:2 is told apart; 3 and 4 are the answer and the best
    assert row["arm"] == "depth:1"
    assert row["p"] == pytest.approx(0.72, abs=0.12)  # two-sided, z = .025 / .069
    by_arm = {row.arm: row.p for row in found.table}
    assert by_arm["depth:2"] is not None and by_arm["depth:2"] < 0.05
    assert by_arm["depth:4"] is None


def test_equal_depths_give_the_shallowest() -> None:
    found = chosen({run(1): ZERO, run(2): ZERO})
    assert found.arm == found.best == "depth:1"
    assert found.reason.startswith(
        "best on validation and the shallowest depth compared, 16 subjects"
    )


def test_scratch_is_compared_said_and_never_recommended() -> None:
    found = chosen({run(1): NEAR, run(2): ZERO, run(2, scratch=True): -CLEAR})
    assert found.arm == "depth:1"
    assert "scratch is better on validation" in found.reason
    assert found.table[-1].arm == "scratch"
    assert found.table[-1].loss == pytest.approx(-0.04)
    worse = chosen({run(1): ZERO, run(1, scratch=True): CLEAR})
    assert "scratch" not in worse.reason


def test_seeds_are_averaged_and_the_better_one_stands_for_the_arm() -> None:
    found = chosen({
        run(1, seed=0): ZERO + 0.03, run(1, seed=1): ZERO - 0.01,  # mean loss .01 to depth 2
        run(2, seed=0): ZERO, run(2, seed=1): ZERO,
    })  # fmt: skip
    # The mean loss is the same in every resample: no standard error, so .01 is a sure loss.
    assert (found.arm, found.run_id) == ("depth:2", "d2/0/1.0")
    assert found.table[0].loss == pytest.approx(0.01)
    assert found.table[0].run_id == "d1/1/1.0"
    assert found.table[0].seeds == pytest.approx((0.77, 0.81))


def test_smaller_fractions_do_not_choose() -> None:
    found = chosen({run(1, fraction=0.5): ZERO - 0.1, run(1): CLEAR, run(2): ZERO})
    assert found.arm == "depth:2"
    assert [row.arm for row in found.table] == ["depth:1", "depth:2"]


def test_failed_and_ruled_out_depths_are_named() -> None:
    others = (run(2, "failed"), run(4, "skipped"), run(5, "skipped"))
    found = chosen({run(1): CLEAR, run(3): ZERO}, others)
    assert found.arm == "depth:3"
    assert found.reason.endswith("failed: depth:2, not run: depth:4 depth:5")


def test_few_subjects_and_a_wide_interval_are_said() -> None:
    wide = np.tile([0.5, -0.1], 8)
    found = chosen({run(1): wide, run(2): wide + CLEAR}, per_subject=4)
    assert found.few_subjects and found.subjects == 4
    assert "only 4 subjects on validation (few_subjects)" in found.reason
    assert "wide interval" in found.reason


def test_a_validation_part_that_tells_nothing_apart_is_said() -> None:
    flat = BEST - 0.8
    found = chosen({run(1): flat, run(2): flat})
    assert "too small or too easy to tell the depths apart" in found.reason


def test_a_lone_depth_is_no_comparison() -> None:
    assert chosen({run(3): ZERO}).reason.startswith("the only depth there is to choose from")


def test_without_a_depth_there_is_nothing_to_choose() -> None:
    with pytest.raises(NothingToChooseError):
        chosen({run(2, scratch=True): ZERO}, (run(1, "failed"),))


def test_a_choice_is_json() -> None:
    found = chosen({run(1): CLEAR, run(2): NEAR, run(3): ZERO, run(3, scratch=True): VAGUE})
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["arm"] == "depth:2"
    assert record["not_distinguished"] == found.not_distinguished
    assert [row["arm"] for row in record["table"]] == ["depth:1", "depth:2", "depth:3", "scratch"]


def test_a_sweep_of_scratch_alone_recommends_it() -> None:
    found = chosen({run(6, scratch=True): ZERO})
    assert found.arm == "scratch"
    assert found.reason.startswith("no depth was asked for: scratch is the only arm")
