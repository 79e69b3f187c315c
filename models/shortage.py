"""What a machine lacks, told from an error: room on a disk, or memory. Neither is a bug."""

import errno
from collections.abc import Iterator

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# How OpenCV, thread pools, torch and oneDNN say it.
NO_MEMORY = (
    "Insufficient memory", "can't start new thread", "not enough memory", "can't allocate memory",
    "out of memory", "could not create a primitive",
)  # fmt: skip


def full_disk(error: BaseException | None) -> bool:
    """Whether a disk without room is behind an error; safetensors tells it in words alone."""
    return any(
        (isinstance(one, OSError) and one.errno in DISK_FULL)
        or any(f"(os error {number})" in str(one) for number in DISK_FULL)
        for one in _behind(error)
    )


def out_of_memory(error: BaseException | None) -> bool:
    """Whether the want of memory is behind an error; many tell it in words alone."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno == errno.ENOMEM)
        or any(words in str(one) for words in NO_MEMORY)
        for one in _behind(error)
    )


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
