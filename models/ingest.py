"""Data at the door: an uploaded archive is examined file by file and rewritten as a pack."""

from collections.abc import Callable
from pathlib import Path

from models.ledger import LedgerEntry, RejectedError
from models.member import Limits
from models.pack import Manifest
from models.task import Task

__all__ = ["LedgerEntry", "Limits", "RejectedError", "Tick", "ingest"]

Tick = Callable[[str, int, int], None]  # (stage, done, total), called at least every second or so


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def ingest(
    archive: Path,
    task: Task,
    out: Path,
    *,
    positive: str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    tick: Tick = _silent,
) -> tuple[Manifest, list[LedgerEntry]]:
    """Examines `archive` for `task` and writes the pack to `out` (temporary name, then renamed).

    Raises RejectedError, with `.problems` and `.ledger`, when the upload cannot be used at all.
    """
    raise NotImplementedError
