"""What a failure is called: a code and a place, never what an error quoted."""

import errno

import pytest

from models.shortage import full_disk, out_of_memory
from worker.children import how_it_ended
from worker.failures import failure_of


def broken(message: str) -> Exception:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_a_bug_is_named_by_its_place_and_not_by_its_words() -> None:
    found = failure_of(broken("cannot read Mustermann_1961.png"))
    assert found["code"] == "bug"
    assert "Mustermann" not in found["detail"]
    assert "ValueError in test_failures.py:broken:" in found["detail"]


def test_the_same_bug_has_the_same_digest_whatever_it_said() -> None:
    assert failure_of(broken("one")) == failure_of(broken("another"))


def test_a_full_disk_is_no_bug() -> None:
    found = failure_of(OSError(errno.ENOSPC, "No space left on device"))
    assert found["code"] == "disk_full"
    assert "LAYERTUNE_CACHE_MAX_BYTES" in found["detail"]


def test_an_exit_status_is_told_in_words() -> None:
    assert how_it_ended(-9) == "the process was killed by SIGKILL, as when memory runs out"
    assert how_it_ended(1) == "the process exited with status 1"


def test_a_full_disk_is_known_whoever_tells_it() -> None:
    assert full_disk(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert full_disk(RuntimeError("I/O error: No space left on device (os error 28)"))
    wrapped = RuntimeError("cannot save")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert full_disk(wrapped)
    assert not full_disk(OSError(errno.EACCES, "Permission denied"))
    assert not full_disk(None)


def test_the_want_of_memory_is_known_whoever_tells_it() -> None:
    wrapped = RuntimeError("cannot read")
    wrapped.__cause__ = MemoryError()
    assert out_of_memory(wrapped)
    assert out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert out_of_memory(RuntimeError("OpenCV: (-4:Insufficient memory) Failed to allocate"))
    assert not out_of_memory(ValueError("a number"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("could not create a primitive"),
    ],
)
def test_what_the_machine_lacks_is_no_bug(error: Exception) -> None:
    told = failure_of(error)
    assert told["code"] == "out_of_memory" and "batch_size" in told["detail"]
