"""Lanes are forks of a server that has imported what they need; all else is as it was."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from worker import children


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests/worker/nursed.py saw, and when it had gone."""
    away = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    given = {
        "LAYERTUNE_VAR": str(tmp_path_factory.mktemp("nursed")), "LAYERTUNE_GRACE_S": "0.5",
        "LAYERTUNE_DATABASE_URL": away,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "tests.worker.nursed"], env=os.environ | given, text=True,
        stdout=subprocess.PIPE, timeout=120, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ran.stdout)
    return {**found, "given": given}


def test_a_lane_looks_as_if_it_had_been_started_by_hand(told: dict[str, Any]) -> None:
    command = told["first"]["command"]
    assert command[1:5] == ["-m", "worker.lane", "swp_none", "--owner"]
    assert command[5].startswith("tune@here/lane_") and command[6] == "--pipe"
    assert told["first"]["var"] == told["given"]["LAYERTUNE_VAR"]
    assert told["first"]["leads"] is True and told["waits"] is None


def test_the_worker_itself_has_no_torch(told: dict[str, Any]) -> None:
    assert told["torch"] is False


def test_a_lane_that_is_killed_is_known_by_its_signal_and_the_next_is_of_the_same_server(
    told: dict[str, Any],
) -> None:
    assert told["killed"] == -9
    assert told["second"]["server"] == told["first"]["server"]


def test_a_server_has_one_thread_as_what_is_forked_must(told: dict[str, Any]) -> None:
    assert told["first"]["threads"] == told["fourth"]["threads"] == 1


def test_a_lane_does_not_outlive_its_worker(told: dict[str, Any]) -> None:
    assert told["left"] in (0, os.EX_TEMPFAIL)  # it went in time, or at the end of its grace


def test_a_lane_whose_server_was_killed_is_ended_and_another_server_starts(
    told: dict[str, Any],
) -> None:
    assert told["abandoned"] == children.nursery.ABANDONED and told["alive"] is False
    assert told["fourth"]["server"] != told["first"]["server"]


def test_servers_go_with_their_worker(told: dict[str, Any]) -> None:
    until = time.monotonic() + 10
    while psutil.pid_exists(told["fourth"]["server"]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(told["fourth"]["server"])


def test_what_calms_a_lane_is_not_left_in_the_workers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")  # what a user has set stays
    with children.nursery._beside(children.CALM):
        assert os.environ["OMP_WAIT_POLICY"] == "active"
        assert os.environ["MALLOC_MMAP_MAX_"] == "0"
    assert os.environ["OMP_WAIT_POLICY"] == "active" and "MALLOC_MMAP_MAX_" not in os.environ
