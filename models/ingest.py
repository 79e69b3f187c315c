"""Data at the door: an uploaded archive is examined file by file and rewritten as a pack."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from models import splits
from models.door.archive import Archive, open_archive
from models.door.arrivals import Arrival, Arrivals
from models.door.duplicates import Pair
from models.door.lines.wall import truth_of
from models.door.member import Limits
from models.door.recognition import Recognised, check_labels, recognise
from models.door.remarks import (
    on_duplicates,
    on_emboli,
    on_splits,
    on_things,
    per_label,
    remark,
)
from models.door.subjects import inseparable, subjects
from models.door.volumes.arrivals import VolumeArrivals
from models.ledger import LedgerEntry, Problem, RejectedError, rejected, tally
from models.pack import Manifest, PackedCase, PackWriter, writing
from models.task import Task

__all__ = ["LedgerEntry", "Limits", "RejectedError", "Tick", "ingest"]

PROBLEMS_MAX = 1000  # named in the manifest; the ledger has every one
AnyArrivals = Arrivals | VolumeArrivals
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

    Stages ticked: unpacking, reading, comparing, writing. The digest depends on the files, the
    task, `positive` and `seed` alone: neither on the kind of archive nor on the clock.
    Raises RejectedError, with `.problems` and `.ledger`, when the upload cannot be used at all.
    """
    limits = limits or Limits()
    ledger: list[LedgerEntry] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_archive(archive, limits, out.parent, partial(tick, "unpacking")) as source:
            found = recognise(source, task, partial(tick, "reading", 0, 1))
            ledger.extend(found.entries)
            _check_choices(task, positive, found)
            with (
                writing(out) as pack,
                closing(_arrivals(source, task, limits, pack, found)) as arrivals,
            ):
                for done, item in enumerate(found.items):
                    alive = partial(tick, "reading", done, len(found.items))
                    ledger.extend(arrivals.take(item, alive))
                pairs = arrivals.pairs(partial(tick, "comparing"))
                tick("writing", 0, 1)
                manifest = _manifest(task, (positive, seed), found, arrivals, pairs, ledger)
                pack.finish(manifest)
    except RejectedError as error:
        error.ledger = error.ledger or _sorted(ledger)
        raise
    return manifest, _sorted([*ledger, *_used(task, arrivals, manifest)])


def _arrivals(
    source: Archive, task: Task, limits: Limits, pack: PackWriter, found: Recognised
) -> AnyArrivals:
    if task.volumes:
        return VolumeArrivals(source, task, pack)
    return Arrivals(source, task, limits, pack, found.naming)


def _check_choices(task: Task, positive: str | None, found: Recognised) -> None:
    if truth_of(task) == "classes" and not task.volumes:
        check_labels(task, positive, [item.label for item in found.items if item.label])
    elif positive not in (None, task.positive):
        raise rejected(
            "positive_unknown",
            f"positive is {positive!r}; {task.name} says what is where, and has no such choice"
            + (f" ({task.positive} is positive)" if task.positive else ""),
        )


def _sorted(ledger: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    return sorted(ledger, key=lambda entry: entry.file)


def _manifest(
    task: Task,
    choices: tuple[str | None, int],
    found: Recognised,
    arrivals: AnyArrivals,
    pairs: Sequence[Pair],
    ledger: Sequence[LedgerEntry],
) -> Manifest:
    """Subjects, splits, counts and remarks over all that was taken in."""
    positive, seed = choices
    taken = arrivals.taken
    if not taken:
        why = Problem("no_cases", "no file of the archive became a case")
        raise RejectedError([why, *_problems(task, ledger)])
    of_case = subjects([arrival.item for arrival in taken], pairs)
    given = any(arrival.item.split for arrival in taken)
    shown = [_shown(task, arrival) for arrival in taken]
    unit_of_case = of_case if given else inseparable(of_case, pairs)
    parts, origin = _split(taken, unit_of_case, shown, seed)
    cases = tuple(
        PackedCase(
            case_id=arrival.case_id,
            subject=subject,
            roles=arrival.roles,
            label=label,
            split=parts[arrival.case_id],
            spacing_mm=arrival.item.spacing_mm,
            facts=arrival.facts,
        )
        for arrival, subject, label in zip(taken, of_case, shown, strict=True)
    )
    labels = [arrival.labels for arrival in taken]
    classes, values = _classes(task, positive, arrivals, found)
    of_cases, of_subjects = per_label(cases, labels)
    manifest = Manifest(
        task=task.name,
        layout=found.layout,
        classes=classes,
        positive=positive or (task.positive if task.positive in classes else None),
        # What a volume shows is in its facts and labels; its patches differ in their class.
        cases=tuple(replace(case, label=None) for case in cases) if task.volumes else cases,
        members=dict(arrivals.members),
        split_origin=origin,
        counts=_counts(ledger, arrivals, cases),
        class_counts={name: of_cases.get(name, 0) for name in classes},
        subject_counts={name: of_subjects.get(name, 0) for name in classes},
        splits={part: sum(case.split == part for case in cases) for part in splits.SPLITS},
        problems=tuple(problem.as_json() for problem in _problems(task, ledger)),
        mask_values=values,
    )
    said = (*found.warnings, *_warnings(replace(manifest, cases=cases), task, arrivals, pairs))
    return replace(manifest, warnings=said)


def _shown(task: Task, arrival: Arrival) -> str | None:
    """What a case is called in ledger and split; of a map task, all that it shows."""
    if task.volumes:
        return splits.POSITIVE if task.positive in arrival.labels else splits.NEGATIVE
    if truth_of(task) == "classes":
        return arrival.item.label
    return splits.TOGETHER.join(arrival.labels) or None


def _classes(
    task: Task, positive: str | None, arrivals: AnyArrivals, found: Recognised
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes, and the numbers that masks hold for them, () for 1, 2, 3."""
    if isinstance(arrivals, VolumeArrivals):
        return task.classes, ()
    if truth_of(task) == "classes":
        labels = [label for arrival in arrivals.taken for label in arrival.labels]
        return check_labels(task, positive, labels), ()
    if task.classes:
        return task.classes, ()
    values = tuple(sorted(arrivals.values))
    plain = values == tuple(range(1, len(values) + 1))
    return tuple(map(found.naming.name, values)), () if plain else values


def _split(
    taken: Sequence[Arrival], of_case: Sequence[str], shown: Sequence[str | None], seed: int
) -> tuple[dict[str, splits.Split], str]:
    rows = [
        splits.SplitRow(arrival.case_id, subject, label, arrival.item.split)
        for arrival, subject, label in zip(taken, of_case, shown, strict=True)
    ]
    try:
        return splits.assign(rows, seed)
    except splits.LeakError as error:
        raise RejectedError(
            [Problem("split_leak", str(error))]
            + [_leak(subject, rows) for subject in error.subjects[:PROBLEMS_MAX]]
        ) from error
    except splits.SplitError as error:
        raise rejected("bad_split", str(error)) from error


def _leak(subject: str, rows: Sequence[splits.SplitRow]) -> Problem:
    parts = sorted({row.split for row in rows if row.subject == subject and row.split})
    return Problem("split_leak", f"subject {subject} is in {' and in '.join(parts)}")


def _counts(
    ledger: Sequence[LedgerEntry], arrivals: AnyArrivals, cases: Sequence[PackedCase]
) -> dict[str, int]:
    """Of an upload that is taken; the ledger does not have the files of its cases yet."""
    files, excluded = tally(ledger)
    return {
        "files": files + sum(len(arrival.files) for arrival in arrivals.taken),
        "cases": len(cases),
        "subjects": len({case.subject for case in cases}),
        "excluded": excluded,
    }


def _problems(task: Task, ledger: Sequence[LedgerEntry]) -> list[Problem]:
    lines = [line for line in _sorted(ledger) if line.fate in ("excluded", "unreadable")]
    problems = [Problem(line.code or "excluded", line.detail or "", line.file) for line in lines]
    said = _once_per_case(lines, problems) if task.volumes else problems
    if len(said) > PROBLEMS_MAX:
        more = f"{len(said) - PROBLEMS_MAX} more files were left out; see the ledger"
        said = said[:PROBLEMS_MAX]
        said.append(Problem("more_problems", more))
    return said


def _once_per_case(lines: Sequence[LedgerEntry], problems: Sequence[Problem]) -> list[Problem]:
    """What is said alike of all slices of a series is said of the first, with their number."""
    alike: dict[tuple[str | None, ...], list[Problem]] = defaultdict(list)
    for line, problem in zip(lines, problems, strict=True):
        alike[line.subject, line.split, problem.code, problem.detail].append(problem)
    return [
        replace(those[0], detail=f"{those[0].detail} (and {len(those) - 1} more files)")
        if len(those) > 1
        else those[0]
        for those in alike.values()
    ]


def _warnings(
    manifest: Manifest, task: Task, arrivals: AnyArrivals, pairs: Sequence[Pair]
) -> tuple[dict[str, object], ...]:
    """`manifest` with the labels of volumes in it."""
    cases = manifest.cases
    files = [arrival.item.files["image"] for arrival in arrivals.taken]
    without = sum(arrival.item.split is None for arrival in arrivals.taken)
    said = [*on_duplicates(pairs, cases, files), *on_splits(cases)]
    if 0 < without < len(files):
        said.append(
            remark("split_missing", f"{without} case(s) had no split and follow their subject, "
                   "else are in train")
        )  # fmt: skip
    problems = splits.floor_problems(manifest, truth_of(task), volumes=task.volumes)
    said += [remark("below_floor", detail) for detail in problems]
    if task.volumes:
        said += on_emboli(cases)
    elif truth_of(task) == "map":
        labels = [arrival.labels for arrival in arrivals.taken]
        said += on_things(cases, labels, manifest.positive)
    return tuple([*said, *arrivals.warnings()])


def _used(task: Task, arrivals: AnyArrivals, manifest: Manifest) -> list[LedgerEntry]:
    """The ledger's lines for the files of every case, with what was noted of it."""
    lines = []
    for arrival, case in zip(arrivals.taken, manifest.cases, strict=True):
        label = _shown(task, arrival)
        for file in arrival.files:
            code, detail = arrivals.said_of(arrival, file)
            line = LedgerEntry(
                file, "used", code, detail, case.case_id, case.subject, label, case.split
            )
            lines.append(line)
    return lines
