"""The failure table is what the scenarios saw: none is missing, none is told that is not there."""

import json
from pathlib import Path

import pytest

from tests.faults.page import PAGE, RESULTS, line_of, read, render, scenarios, seconds
from tests.faults.scenario import Scenario

CASES = scenarios()
ONE = Scenario("kill", "once", "well")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_scenario_has_its_row_in_the_table(case: Scenario) -> None:
    assert f"| {case.do} | {case.at} | {case.holds} |" in PAGE.read_text()


def test_the_results_tell_of_scenarios_that_exist() -> None:
    rows, _ = read(RESULTS)
    known = {(case.do, case.at, case.holds) for case in CASES}
    assert {(row["do"], row["at"], row["holds"]) for row in rows} <= known


def test_the_page_is_made_of_the_results_and_of_nothing_else() -> None:
    assert PAGE.read_text() == render(RESULTS, CASES)


def test_what_was_seen_twice_is_one_row_and_what_was_not_says_so(tmp_path: Path) -> None:
    row = {"do": ONE.do, "at": ONE.at, "holds": ONE.holds, "on": 0}
    results = tmp_path / "results.jsonl"
    lines = [
        {**row, "times": 1, "seconds": [2.0]},
        {"note": "a busy day"},
        {**row, "times": 2, "seconds": [1.0, 4.0]},
    ]
    results.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    page = render(results, [ONE, Scenario("kill", "twice", "well")])
    assert "| kill | once | well | 2.0 s, 4.0 s | 3 times |" in page
    assert "| kill | twice | well | | **not seen yet** |" in page
    assert "1 of 2 scenarios seen, harm done 3 times" in page
    assert "a busy day" in page


def test_what_needed_no_recovery_is_said_so() -> None:
    assert seconds([]) == seconds([0.0]) == "at once"
    assert "at once" in line_of(ONE, {"times": 1, "seconds": []})
