"""A subject taken out: a pack written anew without it, and a run's outputs without its rows."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models import splits
from models.pack import Manifest, Pack, PackedCase, writing

ERASED = "(erased)"
NAME_MIN = 3  # a shorter name, or a plain number, is no name of anybody in a sentence


class LastSubjectError(ValueError):
    """There would be no case left: the data set itself is what should be erased."""


def _quiet() -> None:
    """Nobody watches."""


def without_subject(
    pack: Path, subject: str, files: Sequence[str], out: Path, tick: Callable[[], object] = _quiet
) -> Manifest:
    """Writes the pack without the subject's cases to `out`, and returns its manifest.

    `files` are the names that the subject's files had in the upload: where problems and warnings
    name them, they do so no more. Cases keep their ids and parts; nothing is drawn anew.
    Raises LastSubjectError where no other subject is there.
    """
    with Pack.open(pack) as opened:
        before = opened.manifest
        kept = tuple(case for case in before.cases if case.subject != subject)
        if not kept:
            raise LastSubjectError("no other subject is in the pack")
        with writing(out) as writer:
            for case in kept:
                for member in case.roles.values():
                    tick()
                    writer.add(member, opened.read(member))
            made = _manifest(before, kept, subject, files, writer.members)
            writer.finish(made)
    return made


def _manifest(
    before: Manifest,
    kept: tuple[PackedCase, ...],
    subject: str,
    files: Sequence[str],
    members: Mapping[str, Mapping[str, Any]],
) -> Manifest:
    gone = [case for case in before.cases if case.subject == subject]
    shown = [_labels(before, case) for case in gone]
    problems = [row for row in before.problems if row.get("file") not in files]
    counts = {
        **before.counts,
        "files": before.counts.get("files", 0) - len(files),
        "cases": len(kept),
        "subjects": len({case.subject for case in kept}),
        "excluded": before.counts.get("excluded", 0) - (len(before.problems) - len(problems)),
    }
    return replace(
        before,
        cases=kept,
        members=dict(members),
        counts={name: max(0, count) for name, count in counts.items()},
        class_counts=_less(before.class_counts, [label for labels in shown for label in labels]),
        subject_counts=_less(
            before.subject_counts, {label for labels in shown for label in labels}
        ),
        splits={part: sum(case.split == part for case in kept) for part in splits.SPLITS},
        problems=tuple(scrubbed(row, subject, files) for row in problems),
        warnings=tuple(scrubbed(row, subject, files) for row in before.warnings),
    )


def _labels(manifest: Manifest, case: PackedCase) -> tuple[str, ...]:
    """What a case was counted under, as the door counted it."""
    if case.label is not None:
        parts = tuple(case.label.split(splits.TOGETHER))
        return (case.label,) if case.label in manifest.classes else parts
    if "emboli" in case.facts and len(manifest.classes) > 1:
        return (manifest.classes[1 if case.facts["emboli"] else 0],)
    return ()


def _less(counts: Mapping[str, int], gone: Sequence[str] | set[str]) -> dict[str, int]:
    taken = Counter(gone)
    return {label: max(0, count - taken[label]) for label, count in counts.items()}


def scrubbed(row: Any, subject: str, files: Sequence[str]) -> Any:
    """The same JSON, in which neither the files nor the subject is named any more."""
    if isinstance(row, str):
        return _plain(row, subject, files)
    if isinstance(row, Mapping):
        return {key: scrubbed(value, subject, files) for key, value in row.items()}
    if isinstance(row, list | tuple):
        return [scrubbed(value, subject, files) for value in row]
    return row


def _plain(text: str, subject: str, files: Sequence[str]) -> str:
    for name in sorted(files, key=len, reverse=True):
        text = text.replace(name, ERASED)
    if len(subject) < NAME_MIN or subject.isdigit():
        return ERASED if text == subject else text
    return re.sub(rf"(?<![\w-]){re.escape(subject)}(?![\w-])", ERASED, text)


def measures_without(content: bytes, subject: str) -> bytes | None:
    """A run's outputs (models.measures) without the subject's rows; None if it has none."""
    found = json.loads(content)
    rows = [row for row in found["rows"] if row[1] != subject]
    if len(rows) == len(found["rows"]):
        return None
    return json.dumps({**found, "rows": rows}, separators=(",", ":")).encode()
