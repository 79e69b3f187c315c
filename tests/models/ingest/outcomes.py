"""What becomes of an upload: the manifest and ledger of what is taken, or the refusal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.discovery import tasks
from models.ingest import LedgerEntry, RejectedError, ingest
from models.pack import Manifest
from models.task import Task
from tests.models.ingest.uploads import packed, written

CLASSES = tasks()["classification"]


def taken(
    folder: Path,
    files: Mapping[str, bytes],
    task: Task = CLASSES,
    kind: str = "zip",
    **options: Any,
) -> tuple[Manifest, dict[str, LedgerEntry]]:
    upload = written(folder, packed(kind, files), f"upload-{kind}")
    manifest, ledger = ingest(upload, task, folder / "out" / "pack.zip", **options)
    assert [path.name for path in (folder / "out").iterdir()] == ["pack.zip"]
    return manifest, {entry.file: entry for entry in ledger}


def refusal(
    folder: Path, files: Mapping[str, bytes], task: Task = CLASSES, **options: Any
) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        taken(folder, files, task, **options)
    assert list((folder / "out").iterdir()) == []  # nothing half-written stays
    return caught.value


def codes(manifest: Manifest) -> set[str]:
    return {warning["code"] for warning in manifest.warnings}


def of(manifest: Manifest, code: str) -> Mapping[str, Any]:
    (warning,) = [warning for warning in manifest.warnings if warning["code"] == code]
    return warning
