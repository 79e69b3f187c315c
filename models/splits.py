"""Splits: train, validation and test, by subject, who is never on two sides (paper 1.1, 1.4)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Split = Literal["train", "validation", "test"]
Origin = Literal["given", "given_validation_drawn", "drawn"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SHARES: dict[Split, float] = {"train": 0.70, "validation": 0.15, "test": 0.15}
VALIDATION_OF_TRAIN = 0.20  # when a split is given without a validation part (paper 1.1: 80/20)
FLOOR_CLASSES = 2
FLOOR_CASES = 10  # of each of two classes, for class tasks
FLOOR_SUBJECTS = 5  # for maps, volumes and boundaries
POSITIVE, NEGATIVE = "positive", "negative"  # what a volume is called, in ledger and split
TOGETHER = " + "  # between the classes that one case of a map task shows, in its label
NAMED = 20  # subjects named in a message before "and n more"


@dataclass(frozen=True)
class SplitRow:
    """What a split needs to know of a case; `split` is the one the user gave, if any.

    `label` is the class of the case, or all that it shows, with ` + ` between them; None: nothing.
    """

    case_id: str
    subject: str
    label: str | None = None
    split: str | None = None


class SplitError(ValueError):
    """The given split cannot be used; the message says why and what to do."""


class LeakError(SplitError):
    """Subjects stand in two parts of a given split; `subjects` names each with its parts."""

    def __init__(self, parts: Mapping[str, Sequence[str]]) -> None:
        self.subjects = tuple(sorted(parts))
        named = [f"{subject} ({' and '.join(parts[subject])})" for subject in self.subjects[:NAMED]]
        more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
        super().__init__(
            f"{len(parts)} subject(s) are in more than one split: {', '.join(named)}{more}; "
            "put all cases of a subject into one split, or give no split at all"
        )


def assign(cases: Sequence[SplitRow], seed: int = 0) -> tuple[dict[str, Split], Origin]:
    """The part of every case, and whether the user gave it or it was drawn here.

    A given split is kept. Without a validation part a fifth of train is drawn, by subject;
    without a test part there is none. A case without a split among cases that have one follows
    its subject, else it is train. Nothing given: 70/15/15 by subject, stratified by label.
    Raises LeakError naming the subjects on two sides, SplitError for a part that is unknown or
    a split without train.
    """
    if all(case.split is None for case in cases):
        return _drawn(cases, SHARES, seed), "drawn"
    given = _given(cases)
    if "train" not in given.values():
        raise SplitError("the given split has no train part: name one `train`, or give no split")
    if "validation" in given.values():
        return given, "given"
    train = [case for case in cases if given[case.case_id] == "train"]
    shares: dict[Split, float] = {
        "train": 1 - VALIDATION_OF_TRAIN,
        "validation": VALIDATION_OF_TRAIN,
    }
    return {**given, **_drawn(train, shares, seed)}, "given_validation_drawn"


def _given(cases: Sequence[SplitRow]) -> dict[str, Split]:
    known: dict[str, Split] = {split: split for split in SPLITS}
    parts: dict[str, list[Split]] = defaultdict(list)
    for case in cases:
        if case.split is None:
            continue
        if case.split not in known:
            raise SplitError(
                f"case {case.case_id!r}: split {case.split!r}; use train, validation or test"
            )
        if known[case.split] not in parts[case.subject]:
            parts[case.subject].append(known[case.split])
    leaks = {subject: found for subject, found in parts.items() if len(found) > 1}
    if leaks:
        raise LeakError(leaks)
    return {
        case.case_id: parts[case.subject][0] if parts.get(case.subject) else "train"
        for case in cases
    }


def _subjects(cases: Iterable[SplitRow]) -> dict[str, Counter[str]]:
    """Subject -> cases of each label, subjects in order of name."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        found[case.subject].update((case.label or "").split(TOGETHER))
    return dict(sorted(found.items()))


def _drawn(cases: Sequence[SplitRow], shares: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """Deals subjects out, largest first, each to the part that is furthest behind its share.

    Behind is measured as Sainte-Lague does, per label: (dealt + half of this one) / share; the
    parts so come as close to their shares in every label as whole subjects allow.
    """
    subjects = _subjects(cases)
    order = _shuffled(list(subjects), seed)
    order.sort(key=lambda subject: -subjects[subject].total())
    left = Counter(label for counts in subjects.values() for label in counts)  # subjects per label
    dealt: dict[Split, Counter[str]] = {part: Counter() for part in shares}
    part_of: dict[str, Split] = {}
    for done, subject in enumerate(order):
        counts = subjects[subject]
        allowed = _allowed(counts, left, dealt, len(order) - done)
        part = min(allowed, key=lambda part: _behind(counts, dealt[part], shares[part]))
        part_of[subject] = part
        dealt[part] += counts
        left -= Counter(dict.fromkeys(counts, 1))
    return {case.case_id: part_of[case.subject] for case in cases}


def _allowed(
    counts: Counter[str],
    left: Counter[str],
    dealt: Mapping[Split, Counter[str]],
    subjects_left: int,
) -> list[Split]:
    """The parts a subject may go to: those that would else stay empty, or without its label."""
    empty = [part for part in dealt if not dealt[part]]
    if subjects_left <= len(empty):
        return empty
    for label in sorted(counts, key=lambda label: left[label]):
        lacking = [part for part in dealt if not dealt[part][label]]
        if lacking and left[label] <= len(lacking):
            return lacking
    return list(dealt)


def _behind(counts: Counter[str], dealt: Counter[str], share: float) -> float:
    mixed = sum(n * (dealt[label] + n / 2) for label, n in counts.items())
    return mixed / (counts.total() * share)


def _shuffled(names: Sequence[str], seed: int) -> list[str]:
    order = np.random.default_rng([seed, 0x5EED]).permutation(len(names))
    return [names[k] for k in order]


def subset(train: Sequence[SplitRow], fraction: float, seed: int = 0) -> list[str]:
    """Case ids of about `fraction` of the train part: whole subjects, every label present.

    Nested: for one seed a smaller fraction is contained in every larger one (paper 1.4, training
    size). Order is that of `train`.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction {fraction}: use a number above 0 and at most 1")
    subjects = _subjects(train)
    cases = Counter(case.subject for case in train)
    missing = {label for counts in subjects.values() for label in counts}
    kept: set[str] = set()
    lacking = fraction * len(train) - 1e-9  # cases
    for subject in _stratified(subjects, seed):
        if lacking <= 0 and not missing:
            break
        kept.add(subject)
        lacking -= cases[subject]
        missing -= set(subjects[subject])
    return [case.case_id for case in train if case.subject in kept]


def _stratified(subjects: Mapping[str, Counter[str]], seed: int) -> list[str]:
    """An order of subjects of which every beginning holds the labels in nearly equal shares."""
    groups: dict[str, list[str]] = defaultdict(list)
    for subject in _shuffled(list(subjects), seed):
        groups[min(subjects[subject], key=lambda label: (-subjects[subject][label], label))].append(
            subject
        )
    place = {
        subject: (rank + 0.5) / len(group)
        for group in groups.values()
        for rank, subject in enumerate(group)
    }
    return sorted(place, key=lambda subject: (place[subject], subject))


class SplitCase(Protocol):
    """A case of a pack, as far as the floor is concerned."""

    @property
    def subject(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def split(self) -> str | None: ...


class SplitCases(Protocol):
    """A pack's manifest, as far as the floor is concerned."""

    @property
    def cases(self) -> Sequence[SplitCase]: ...


def floor_problems(
    manifest: SplitCases, output: Literal["classes", "map"], *, volumes: bool = False
) -> list[str]:
    """Why a sweep on this data set would measure nothing; empty = it may start."""
    cases = manifest.cases
    found = _floor_of_parts(cases)
    if output == "map" or volumes:
        subjects = len({case.subject for case in cases})
        if subjects < FLOOR_SUBJECTS:
            found.insert(0, f"{subjects} subjects; at least {FLOOR_SUBJECTS} are needed")
        return found + _floor_of_things(cases, _is_positive if volumes else _is_labelled)
    counts = Counter(case.label for case in cases if case.label is not None)
    enough = [label for label, n in counts.items() if n >= FLOOR_CASES]
    if len(enough) < FLOOR_CLASSES:
        have = ", ".join(f"{label} {n}" for label, n in sorted(counts.items())) or "none"
        found.insert(0, f"{FLOOR_CLASSES} classes of {FLOOR_CASES} cases are needed; found: {have}")
    return found + _floor_of_labels(cases)


def _floor_of_parts(cases: Sequence[SplitCase]) -> list[str]:
    parts = {case.split for case in cases}
    return [
        f"the {part} part is empty: more subjects, or another split, are needed"
        for part in ("train", "validation")
        if part not in parts
    ]


def _is_labelled(case: SplitCase) -> bool:
    return bool(case.label)


def _is_positive(case: SplitCase) -> bool:
    """A ledger says it of a volume by its label, a pack by the number of emboli."""
    return case.label == POSITIVE or bool(getattr(case, "facts", {}).get("emboli"))


def _floor_of_things(cases: Sequence[SplitCase], shows: Callable[[SplitCase], bool]) -> list[str]:
    """A part on which nothing is to be found teaches and measures nothing."""
    return [
        f"the {part} part shows nothing that could be found: every truth in it is empty"
        for part in ("train", "validation")
        if (shown := [shows(case) for case in cases if case.split == part]) and not any(shown)
    ]


def _floor_of_labels(cases: Sequence[SplitCase]) -> list[str]:
    """Train must hold every label, and validation two, or nothing can be learnt or ranked."""
    train = {case.label for case in cases if case.split == "train"}
    validation = {case.label for case in cases if case.split == "validation"}
    missing = sorted({case.label for case in cases if case.label is not None} - train, key=str)
    found = (
        [f"the train part has no case of {', '.join(map(str, missing))}"]
        if missing and train
        else []
    )
    if len(validation) == 1:
        found.append(f"the validation part holds one class only ({next(iter(validation))})")
    return found
