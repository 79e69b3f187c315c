"""Policies: what may start, what is ruled out, and that a sweep always comes to its end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sweep import ENDED, Outcome, next_allowed, skipped

UNTIL = "until_plateau"


def sweep(
    depths: int,
    scratch: bool = True,
    seeds: tuple[int, ...] = (0,),
    fractions: tuple[float, ...] = (1.0,),
) -> list[Outcome]:
    arms = [(depth, False) for depth in range(1, depths + 1)] + (
        [(depths, True)] if scratch else []
    )
    return [
        Outcome(f"{'s' if alone else 'd'}{depth}/{seed}/{part}", depth, alone, seed, part, "queued")
        for depth, alone in arms
        for seed in seeds
        for part in fractions
    ]


def ended(runs: list[Outcome], **values: float | str | None) -> list[Outcome]:
    """The sweep after these runs (by id up to the first slash) ended: a headline, or a state."""
    found = []
    for run in runs:
        value = values.get(run.id.partition("/")[0], "")
        if isinstance(value, float):
            run = replace(run, state="succeeded", headline=value)
        elif value:
            run = replace(run, state=value)
        found.append(run)
    return found


def arms(ids: list[str]) -> list[str]:
    return [run_id.partition("/")[0] for run_id in ids]


def test_exhaustive_lets_everything_start_in_order() -> None:
    runs = ended(sweep(3), d1="running")
    assert arms(next_allowed("exhaustive", runs)) == ["d2", "d3", "s3"]
    assert skipped("exhaustive", runs) == []


def test_a_depth_waits_for_every_shallower_one() -> None:
    assert arms(next_allowed(UNTIL, sweep(3))) == ["d1"]
    assert next_allowed(UNTIL, ended(sweep(3), d1="running")) == []
    assert arms(next_allowed(UNTIL, ended(sweep(3), d1=0.8))) == ["d2"]


def test_two_depths_in_a_row_without_gain_end_the_climb() -> None:
    one = ended(sweep(5), d1=0.80, d2=0.90, d3=0.904)  # a gain of .004 over the best so far
    assert arms(next_allowed(UNTIL, one)) == ["d4"]
    assert skipped(UNTIL, one) == []
    two = ended(one, d4=0.9089)  # .0049 over the best so far, which is .904
    assert skipped(UNTIL, two) == [("d5/0/1.0", "plateau")]
    assert arms(next_allowed(UNTIL, two)) == ["s5"]


def test_a_gain_of_exactly_the_threshold_counts() -> None:
    runs = ended(sweep(5), d1=0.900, d2=0.901, d3=0.906)
    assert arms(next_allowed(UNTIL, runs)) == ["d4"]
    assert skipped(UNTIL, ended(runs, d4=0.907)) == []  # the row began anew


def test_a_failed_depth_neither_gains_nor_stops_the_climb() -> None:
    runs = ended(sweep(5), d1=0.90, d2="failed", d3=0.90)
    assert arms(next_allowed(UNTIL, runs)) == ["d4"]
    assert skipped(UNTIL, ended(runs, d4=0.90)) == [("d5/0/1.0", "plateau")]
    assert arms(next_allowed(UNTIL, ended(sweep(2), d1="failed", d2="failed"))) == ["s2"]


def test_scratch_runs_last_and_only_if_listed() -> None:
    runs = ended(sweep(2), d1=0.7, d2="running")
    assert next_allowed(UNTIL, runs) == []
    assert arms(next_allowed(UNTIL, ended(runs, d2=0.9))) == ["s2"]
    assert next_allowed(UNTIL, ended(sweep(2, scratch=False), d1=0.7, d2=0.9)) == []


def test_seeds_of_a_depth_run_side_by_side_and_are_judged_by_their_mean() -> None:
    runs = sweep(4, seeds=(0, 1))
    assert arms(next_allowed(UNTIL, runs)) == ["d1", "d1"]
    half = [replace(runs[0], state="succeeded", headline=0.9), *runs[1:]]
    assert next_allowed(UNTIL, half) == ["d1/1/1.0"]


def test_smaller_fractions_follow_their_depth_and_share_its_end() -> None:
    runs = sweep(4, scratch=False, fractions=(0.5, 1.0))
    assert next_allowed(UNTIL, runs) == ["d1/0/1.0"]
    runs = [replace(r, state="succeeded", headline=0.9) if r.id == "d1/0/1.0" else r for r in runs]
    assert next_allowed(UNTIL, runs) == ["d2/0/1.0", "d1/0/0.5"]
    full = [
        replace(r, state="succeeded", headline=0.9) if r.fraction == 1.0 and r.depth < 4 else r
        for r in runs
    ]
    assert {run_id for run_id, _ in skipped(UNTIL, full)} == {"d4/0/0.5", "d4/0/1.0"}
    assert set(next_allowed(UNTIL, full)) == {"d1/0/0.5", "d2/0/0.5", "d3/0/0.5"}


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match="racing"):
        next_allowed("racing", sweep(2))


@given(
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from([(0,), (0, 1)]),
    st.sampled_from([(1.0,), (0.5, 1.0)]),
    st.lists(
        st.one_of(st.floats(0.4, 1.0), st.sampled_from(["failed", "cancelled"])),
        min_size=40,
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_whatever_fails_every_run_comes_to_an_end(
    depths: int, scratch: bool, seeds: tuple[int, ...], fractions: tuple[float, ...],
    results: list[float | str], lanes: int,
) -> None:  # fmt: skip
    runs = sweep(depths, scratch, seeds, fractions)
    for _ in range(len(runs) + 1):
        ruled_out = {run_id for run_id, _ in skipped(UNTIL, runs)}
        runs = [replace(run, state="skipped") if run.id in ruled_out else run for run in runs]
        taken = next_allowed(UNTIL, runs)[:lanes]
        for run_id in taken:
            result = results.pop()
            done = (
                {"state": "succeeded", "headline": result}
                if isinstance(result, float)
                else {"state": result}
            )
            runs = [replace(run, **done) if run.id == run_id else run for run in runs]
        if not taken:
            break
    assert all(run.state in ENDED for run in runs)
    assert all(run.state != "skipped" for run in runs if run.scratch)
