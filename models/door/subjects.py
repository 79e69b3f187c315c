"""Whose case is whose: given subjects are kept, near-duplicates without one become one subject."""

from collections.abc import Sequence

from models.door.duplicates import Pair
from models.layout import Item


class _Groups:
    """Union-find over cases in which a group has at most one given subject and one given split."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._parent = list(range(len(items)))
        self._subject = [item.subject for item in items]
        self._split = [item.split for item in items]

    def root(self, case: int) -> int:
        while self._parent[case] != case:
            self._parent[case] = self._parent[self._parent[case]]
            case = self._parent[case]
        return case

    def join(self, one: int, two: int) -> None:
        """Joins two groups unless they were given different subjects or different splits.

        A near-duplicate across a given split is a warning, not a leak: the split stands.
        """
        first, second = sorted((self.root(one), self.root(two)))
        if first == second:
            return
        for known in (self._subject, self._split):
            if known[first] and known[second] and known[first] != known[second]:
                return
        self._parent[second] = first
        self._subject[first] = self._subject[first] or self._subject[second]
        self._split[first] = self._split[first] or self._split[second]

    def subject(self, case: int) -> str | None:
        return self._subject[self.root(case)]


def subjects(items: Sequence[Item], pairs: Sequence[Pair]) -> list[str]:
    """The subject of every case, in order; `subject_000001`, ... where none is given.

    The likest pairs are joined first, so that what a given split keeps apart is decided by them.
    """
    groups = _Groups(items)
    first_of: dict[tuple[str, str | None], int] = {}
    for case, item in enumerate(items):
        if item.subject:
            groups.join(first_of.setdefault((item.subject, item.split), case), case)
    for pair in sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second)):
        if not (items[pair.first].subject and items[pair.second].subject):
            groups.join(pair.first, pair.second)
    prefix = _free_prefix({item.subject for item in items if item.subject})
    made: dict[int, str] = {}
    found = []
    for case in range(len(items)):
        subject = groups.subject(case)
        if subject is None:
            subject = made.setdefault(groups.root(case), f"{prefix}{len(made) + 1:06d}")
        found.append(subject)
    return found


def _free_prefix(given: set[str]) -> str:
    """A beginning that no given subject has, so that a made name is never a given one."""
    prefix = "subject_"
    while any(subject.startswith(prefix) for subject in given):
        prefix = f"unnamed_{prefix}"
    return prefix


def inseparable(of_case: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """For each case the first of the subjects that near-duplicates tie together, its own included.

    Given subjects are kept as they are, but a split that is drawn here must not put two takes of
    one image on two sides because their names differ: it draws these units, not the subjects.
    """
    parent: dict[str, str] = {subject: subject for subject in of_case}

    def root(subject: str) -> str:
        while parent[subject] != subject:
            subject = parent[subject]
        return subject

    for pair in pairs:
        first, second = sorted((root(of_case[pair.first]), root(of_case[pair.second])))
        parent[second] = first
    return [root(subject) for subject in of_case]
