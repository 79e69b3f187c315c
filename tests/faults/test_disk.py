"""A whole stack on a small tmpfs (a mount namespace of its own) that is filled to the last byte."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import holds
from tests.faults.embedded import SHORT, Stack, phantoms
from tests.faults.scenario import Scenario, Seen, told

DISK = 256 * 2**20
FULL = "no byte is free on the disk of the whole stack (tmpfs of 256 MB)"
WAITS = "the work waits and goes on once there is room; same digests, each epoch and each end once"
REFUSED = "the reply is an error, nothing is left over; with room again it is accepted"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("small") / "var", disk_bytes=DISK)
    made.start()
    try:
        made.upload()
        yield made
    finally:
        made.client.close()
        if made.runs():
            made.stop()


@pytest.fixture(scope="module")
def expected(small: Stack) -> dict[str, Any]:
    sweep_id = small.sweep(**SHORT)
    assert small.ended(sweep_id)["state"] == "succeeded"
    return holds.artefacts(small.rows, sweep_id)


@pytest.fixture(autouse=True)
def room_again(small: Stack) -> Iterator[None]:
    yield
    filler(small).unlink(missing_ok=True)
    small.harm.clear()


def filler(small: Stack) -> Path:
    return small.inside / "filler"


def fill(small: Stack) -> float:
    """Takes every byte that is free, again as long as some come free; the moment it was done."""
    with filler(small).open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    return time.time()


def empty(small: Stack) -> None:
    filler(small).unlink()


@told(Scenario(FULL, "receiving an upload", REFUSED))
def test_an_upload_to_a_full_disk_is_refused(small: Stack, seen: Seen) -> None:
    count = "SELECT count(*) FROM datasets"
    before = small.rows(count)
    fill(small)
    seen.hurt()
    answer = small.client.post(
        "/v1/datasets", data={"task": "classification", "name": "full"},
        files={"archive": ("a.zip", phantoms())},
    )  # fmt: skip
    empty(small)
    assert answer.status_code in (500, 503, 507), answer.text
    assert small.rows(count) == before
    small.tidy()
    small.checked(small.send_upload())
    seen.held()


@told(Scenario(FULL, "packing an upload", WAITS))
def test_a_check_waits_for_room(small: Stack, seen: Seen) -> None:
    (expected,) = small.rows("SELECT digest FROM datasets WHERE id = ?", small.dataset_id)
    small.harm.arm("packing", "sleep", seconds=2)
    dataset_id = small.send_upload()
    small.until(lambda: small.harm.taken("packing"), 60)
    hurt = fill(small)
    seen.hurt(hurt)
    until_log(small, "worker-io", "disk is full")
    empty(small)
    seen.hurt()  # recovery counts from the moment there is room
    small.checked(dataset_id)
    assert small.rows("SELECT digest FROM datasets WHERE id = ?", dataset_id) == [expected]
    seen.well()
    small.tidy()
    seen.times = 1
    seen.held()


@told(Scenario(FULL, "writing a checkpoint", WAITS))
def test_a_run_waits_for_room(small: Stack, expected: dict[str, Any], seen: Seen) -> None:
    small.harm.arm("stage training", "sleep", seconds=2)
    sweep_id = small.sweep(**SHORT)
    small.until(lambda: small.harm.taken("stage training"), 90)
    fill(small)
    until_log(small, "worker-tune-1", "disk is full")
    empty(small)
    hurt = time.time()
    seen.hurt(hurt)
    small.same(sweep_id, expected)
    seen.well(holds.progressed(small.rows, sweep_id, hurt))
    seen.held()


def until_log(small: Stack, name: str, words: str) -> None:
    """Logs are on the full disk: what is waited for is the row's loss, else a while."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if words in (small.inside / "log" / f"{name}.log").read_text(errors="replace"):
            return
        time.sleep(0.2)
