"""What a failure is called in the table: a code, a sentence without patient data, a digest."""

import hashlib
import traceback

from models.shortage import full_disk, out_of_memory


def digest_of(error: BaseException) -> str:
    """Where an unforeseen error came from, without what it said: messages can quote the data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.name}:{frame.lineno}" for frame in frames]
    digest = hashlib.sha256("|".join([type(error).__name__, *place]).encode()).hexdigest()[:12]
    where = place[-1] if place else "nowhere"
    return f"{type(error).__name__} in {where} (trace {digest}; the worker's log has it in full)"


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
