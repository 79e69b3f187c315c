"""Every change of state, nowhere else: claims by compare-and-set, writes fenced by the attempt."""

from app.db.lifecycle.changes import (
    LeaseLostError,
    checkpointed,
    claim,
    emit,
    renew,
    write,
)
from app.db.lifecycle.leases import (
    OUTAGE_WAITS_S,
    cancelled,
    end,
    end_cancelled,
    expired,
    idle,
    lose,
    release,
    unrung,
)
from app.db.lifecycle.predictions import cancel_prediction
from app.db.lifecycle.states import (
    BUSY,
    ENDED,
    WAITING,
    WORK,
    Work,
    outcomes,
    runs_of,
    state_of,
    sweep_state,
)
from app.db.lifecycle.sweeps import (
    ask_again,
    cancel,
    claim_next_run,
    erase_dataset,
    next_runs,
    pause,
    replace_pack,
    resume,
    settle,
)

__all__ = [
    "BUSY", "ENDED", "OUTAGE_WAITS_S", "WAITING", "WORK", "LeaseLostError", "Work", "ask_again",
    "cancel", "cancel_prediction", "cancelled", "checkpointed", "claim", "claim_next_run", "emit",
    "end", "end_cancelled", "erase_dataset", "expired", "idle", "lose", "next_runs", "outcomes",
    "pause", "release", "renew", "replace_pack", "resume", "runs_of", "settle", "state_of",
    "sweep_state", "unrung", "write",
]  # fmt: skip
