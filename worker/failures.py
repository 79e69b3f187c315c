"""What a failure is called in the table: a code, a sentence without patient data, a digest."""

import errno
import hashlib
import traceback

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# How OpenCV, thread pools, torch and oneDNN say it.
NO_MEMORY = (
    "Insufficient memory", "can't start new thread", "not enough memory", "can't allocate memory",
    "out of memory", "could not create a primitive",
)  # fmt: skip


def digest_of(error: BaseException) -> str:
    """Where an unforeseen error came from, without what it said: messages can quote the data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.name}:{frame.lineno}" for frame in frames]
    digest = hashlib.sha256("|".join([type(error).__name__, *place]).encode()).hexdigest()[:12]
    where = place[-1] if place else "nowhere"
    return f"{type(error).__name__} in {where} (trace {digest}; the worker's log has it in full)"


def full_disk(error: BaseException | None) -> bool:
    """Whether a disk without room is behind an error; safetensors tells it in words alone."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return True
        if any(f"(os error {number})" in str(error) for number in DISK_FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def out_of_memory(error: BaseException | None) -> bool:
    """Whether the want of memory is behind an error; many tell it in words alone."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        if any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def failure_of(error: BaseException) -> dict[str, str]:
    """An error that nobody foresaw, as the row keeps it; what the machine lacks is no bug."""
    if full_disk(error):
        way_out = "free some disk below LAYERTUNE_VAR or lower LAYERTUNE_CACHE_MAX_BYTES"
        return {"code": "disk_full", "detail": f"no space was left on the disk: {way_out}"}
    if out_of_memory(error):
        way_out = "use a smaller batch_size or backbone, or a machine with more of it"
        return {
            "code": "out_of_memory",
            "detail": f"this machine's memory does not suffice: {way_out}",
        }
    return {"code": "bug", "detail": digest_of(error)}
