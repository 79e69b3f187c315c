"""A tree of volumes: one folder for each patient, or images and masks side by side.

Everything is told by names, and by the first bytes of one file of a folder without telling names;
what the series in a folder are is found out when its case arrives (models.door.volumes.arrivals).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.door.volumes.cases import Paired, cases, told
from models.door.volumes.names import Unit, owner, says_mask, stem, units
from models.layout import Found, Item, Tree, leftover, split_word
from models.ledger import LedgerEntry

_IMAGES = frozenset(("images", "image", "imagestr", "imagests", "imgs", "img", "volumes", "scans",
                     "ct", "cts"))  # fmt: skip
_MASKS = frozenset(("masks", "mask", "labels", "label", "labelstr", "labelsts", "segmentations",
                    "segs", "seg", "emboli"))  # fmt: skip
_LOOSE = "lies in no patient's folder; put the files of each patient into a folder of their own"
_PICTURE = "an image, and this data set is of volumes"


@dataclass(frozen=True)
class _Patient:
    """The units of a patient, or of a pair whose patient nobody named; `depth` is their folder."""

    units: tuple[Unit, ...]
    depth: int
    subject: str | None = None
    split: str | None = None

    def cases(self) -> list[Paired]:
        return cases(told(self.units, self.depth), self.depth)


def volumes_in(tree: Tree, *, dicom: bool) -> Found | None:
    """The cases of a tree that holds DICOM, or only NIfTI; None for a tree of another kind."""
    known = units(tree)
    if not known or any(unit.dicom for unit in known) != dicom:
        return None
    patients = _patients(known, _start(known))
    items: list[Item] = []
    entries: list[LedgerEntry] = []
    for patient in patients:
        for case in patient.cases():
            if case.volumes:
                items.append(_item(case, patient))
            else:
                entries += [_lonely(name) for unit in case.masks for name in unit.files]
    if not items:
        return None
    said = {name for item in items for files in item.series.values() for name in files}
    said |= {entry.file for entry in entries}
    loose = {name for unit in known for name in unit.files}
    entries += [
        LedgerEntry(name, "excluded", "not_in_layout", _LOOSE)
        if name in loose
        else leftover(name, "not_a_volume", _PICTURE)
        for name in sorted(set(tree.names) - said)
    ]
    return Found(tuple(items), tuple(entries))


def _lonely(name: str) -> LedgerEntry:
    detail = "named as a mask, and no volume is beside it"
    return LedgerEntry(name, "excluded", "mask_without_volume", detail)


def _item(case: Paired, patient: _Patient) -> Item:
    series = {
        role: tuple(sorted(name for unit in those for name in unit.files))
        for role, those in (("volume", case.volumes), ("mask", case.masks))
        if those
    }
    files = {"image": series["volume"][0]}
    if "mask" in series:
        files["mask"] = series["mask"][0]
    return Item(files, subject=patient.subject, split=patient.split, series=series)


def _start(known: Sequence[Unit]) -> int:
    """The depth at which patients begin: folders around a whole data set are passed by."""
    depth = 0
    while True:
        tops = {unit.path[depth] if len(unit.path) > depth else None for unit in known}
        top = tops.pop()
        if tops or top is None or split_word(top) or not _is_set(known, depth + 1):
            return depth
        depth += 1


def _is_set(known: Sequence[Unit], depth: int) -> bool:
    """Whether what lies at this depth is many patients, rather than the files of one."""
    deeper = {unit.path[depth] if len(unit.path) > depth else None for unit in known}
    if None not in deeper and len(deeper) == 1:
        return bool(split_word(str(min(map(str, deeper))))) or _is_set(known, depth + 1)
    patients = _patients(known, depth)
    if any(patient.split for patient in patients):
        return True
    seen = [any(case.volumes for case in patient.cases()) for patient in patients]
    return len(seen) > 1 and all(seen)


def _patients(known: Sequence[Unit], depth: int, split: str | None = None) -> list[_Patient]:
    """Patients among what lies below a folder; what lies there loose is in none of them."""
    if split is None:
        parts: dict[str, list[Unit]] = defaultdict(list)
        for unit in known:
            parts[_part(unit, depth)].append(unit)
        inside = [
            patient
            for part, those in sorted(parts.items())
            if part
            for patient in _patients(those, depth + 1, part)
        ]
        return inside + _beside(parts[""], depth, None)
    return _beside(known, depth, split)


def _part(unit: Unit, depth: int) -> str:
    """train, validation or test for what lies in such a folder, and not as its only files."""
    within = len(unit.path) > depth + 1
    return (split_word(unit.path[depth]) or "") if within else ""


def _beside(known: Sequence[Unit], depth: int, split: str | None) -> list[_Patient]:
    return _side_by_side(known, depth, split) or _folders(known, depth, split)


def _folders(known: Sequence[Unit], depth: int, split: str | None) -> list[_Patient]:
    """One patient for each folder; a mask may lie beside the folder or file that it names."""
    children: dict[str, list[Unit]] = defaultdict(list)
    for unit in known:
        if len(unit.path) > depth:
            children[unit.path[depth]].append(unit)
    named = [name for name in children if not says_mask((name,))]
    once = Counter(owner(name) for name in named)
    homes = {owner(name): name for name in named if owner(name) and once[owner(name)] == 1}
    held: dict[str, list[Unit]] = defaultdict(list)
    for name, those in children.items():
        home = homes.get(owner(name), name) if says_mask((name,)) else name
        held[home] += [replace(unit, mask=True) for unit in those] if home != name else those
    return [
        _Patient(tuple(those), depth if _is_file(those[0], depth) else depth + 1,
                 None if _is_file(children[home][0], depth) else home, split)
        for home, those in held.items()
    ]  # fmt: skip


def _is_file(unit: Unit, depth: int) -> bool:
    """Whether the child at this depth is a file rather than a folder."""
    return len(unit.files[0].split("/")) == depth + 1


def _side_by_side(known: Sequence[Unit], depth: int, split: str | None) -> list[_Patient]:
    """images/ and masks/ with the same names in them, split folders above or below; else nothing.

    nnU-Net's imagesTr and imagesTs are train and test where both have their labels.
    """
    held: dict[tuple[str | None, str], list[Unit]] = defaultdict(list)
    subjects: dict[tuple[str | None, str], str] = {}
    tests = any(_role(unit, depth) == (True, "ts") for unit in known)
    for unit in known:
        mask, ending = _role(unit, depth)
        if mask is None:
            continue
        at = depth + 1
        part = split or (_part(unit, at) or None)
        at += split is None and part is not None
        if tests and ending and part is None:
            part = "test" if ending == "ts" else "train"
        child = unit.path[at]
        key = part, owner(child) or stem(child).casefold()
        held[key].append(replace(unit, mask=mask))
        if not mask and not _is_file(unit, at):
            subjects[key] = child
    if not any({unit.mask for unit in those} == {True, False} for those in held.values()):
        return []
    return [_Patient(tuple(those), depth, subjects.get(key), key[0]) for key, those in held.items()]


def _role(unit: Unit, depth: int) -> tuple[bool | None, str]:
    """(whether it is a mask, `tr` or `ts` where the folder ends so); None: in neither folder."""
    if len(unit.path) < depth + 2:
        return None, ""
    folder = unit.path[depth].lower()
    ending = folder[-2:] if folder.endswith(("tr", "ts")) and len(folder) > 6 else ""
    if folder in _MASKS:
        return True, ending
    return (False, ending) if folder in _IMAGES else (None, "")
