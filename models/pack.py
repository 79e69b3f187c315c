"""The pack: an accepted upload as one stored zip of canonical names, read and written here alone.

The bytes of a pack do not depend on the clock, and its digest does not depend on the zip around
the members: it is the SHA-256 of the manifest, which carries the SHA-256 of each member. The
user's own file names occur in the manifest's problems and warnings and nowhere else.
"""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from models.case import CaseFiles
from models.ledger import LedgerEntry

__all__ = ["LedgerEntry", "Manifest", "Pack", "PackWriter", "PackedCase", "writing"]

MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold; any fixed one would do


@dataclass(frozen=True)
class PackedCase:
    """One case of the pack: which members it is made of, and what is known of it.

    `roles` maps `image` and `mask` to members. `split` is train, validation or test, given or
    drawn. `spacing_mm` is (row, column).
    """

    case_id: str
    subject: str
    roles: Mapping[str, str]
    label: str | None = None
    split: str | None = None
    spacing_mm: tuple[float, float] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a pack holds, and what was said about it at the door.

    `members` maps a member to its `sha256` and `bytes`; `counts` has files, cases, subjects and
    excluded; `class_counts` cases by label; `splits` cases by part. `problems` are files that
    were left out, `warnings` what a person should know; both have `file`, `code`, `detail`.
    `mask_values` are the numbers that the masks hold for `classes`, in their order; () = 1, 2, 3.
    """

    task: str
    layout: str
    classes: tuple[str, ...]
    cases: tuple[PackedCase, ...]
    members: Mapping[str, Mapping[str, Any]]
    positive: str | None = None
    split_origin: str = "drawn"
    counts: Mapping[str, int] = field(default_factory=dict)
    class_counts: Mapping[str, int] = field(default_factory=dict)
    subject_counts: Mapping[str, int] = field(default_factory=dict)  # subjects by label
    splits: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    mask_values: tuple[int, ...] = ()
    format: int = 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: one digest, one data set version."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        kept = asdict(self)
        if not self.mask_values:  # as packs were written before there were any
            del kept["mask_values"]
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text.encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Reads `to_json` back; ValueError where a later version of LayerTune wrote it."""
        found = json.loads(data)
        if found.get("format") != 1:
            raise ValueError(f"pack format {found.get('format')}: this version reads format 1")
        found["classes"] = tuple(found["classes"])
        found["cases"] = tuple(_case(row) for row in found["cases"])
        found["problems"] = tuple(found["problems"])
        found["warnings"] = tuple(found["warnings"])
        found["mask_values"] = tuple(found.get("mask_values", ()))
        return cls(**found)


def _case(row: dict[str, Any]) -> PackedCase:
    spacing = row.pop("spacing_mm")
    return PackedCase(**row, spacing_mm=None if spacing is None else (spacing[0], spacing[1]))


class PackWriter:
    """Members go in one at a time, so that memory does not grow with the archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, member: str, data: bytes) -> None:
        self.members[member] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        self._put(member, data)

    def finish(self, manifest: Manifest) -> None:
        """The manifest goes in last, for it is complete only now; readers find it by name."""
        self._put(MANIFEST, manifest.to_json())

    def _put(self, name: str, data: bytes) -> None:
        self._archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_STORED)


@contextmanager
def writing(out: Path) -> Iterator[PackWriter]:
    """A writer whose pack appears at `out` only when the block ends without an exception."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}-", suffix=".part", dir=out.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                yield PackWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(out)
        _sync_folder(out.parent)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Pack:
    """An open pack: the manifest at once, the members when asked for. Threads may share one."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.manifest = Manifest.from_json(archive.read(MANIFEST))

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        with zipfile.ZipFile(path) as archive:
            yield cls(archive)

    def read(self, member: str) -> bytes:
        """The bytes of a member; KeyError if there is none. The zip's checksum is verified."""
        return self._archive.read(member)

    def cases(self, split: str | None = None) -> tuple[CaseFiles, ...]:
        """The cases of one part, or all, in the manifest's order; bytes are read when asked."""
        return tuple(
            CaseFiles(
                case_id=case.case_id,
                subject=case.subject,
                roles=case.roles,
                open=partial(Pack.read, self),
                label=case.label,
                split=case.split,
                spacing_mm=case.spacing_mm,
                facts=case.facts,
            )
            for case in self.manifest.cases
            if split is None or case.split == split
        )
