"""COCO: JSON files that list images and what was annotated on them; images anywhere near."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from re import findall

from models.door.coco_table import CocoTable, Listed, read_coco
from models.layout import Found, Item, Layout, Tree, is_image_name, leftover, split_word, suffix
from models.ledger import LedgerEntry, Problem, RejectedError

EXAMPLE = """\
annotations.json      {"images": [...], "annotations": [...], "categories": [...]}
images/case-01.jpg
images/case-02.jpg

or one file for each part, as many tools export it:
annotations/instances_train.json
annotations/instances_val.json
train/case-01.jpg
val/case-02.jpg

or train/_annotations.coco.json beside its images; an image without annotations shows nothing
"""
_PLACES = {"annotations", "annotation", "ann", "anns", "labels", "json", "coco", "images"}
_NO_PICTURES = {"masks", "mask", "labels", "annotations", "segmentations"}
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_NAMES = ("annotation", "instances", "coco")


def recognise(tree: Tree) -> Found | None:
    """Fits when a COCO file lists images; RejectedError when none of those here can be read.

    Boxes beside masks/ are another layout's: a mask says more.
    """
    tables, broken = _tables(tree)
    masks = any("masks" in _folders(name) for name in tree.names)
    if masks and not any(_has_regions(table) for table in tables.values()):
        return None
    if broken and not tables:
        raise RejectedError(broken)
    if not tables:
        return None
    return _found(tree, tables, broken)


def _found(tree: Tree, tables: Mapping[str, CocoTable], broken: Sequence[Problem]) -> Found:
    places = _Places(tree.names)
    lines: dict[str, list[Item]] = defaultdict(list)
    entries: list[LedgerEntry] = []
    for name, table in tables.items():
        entries.append(_used(name, table))
        for listed in table.images:
            where = places.find(listed.file_name, name)
            if len(where) == 1:
                lines[where[0]].append(_item(where[0], listed, name))
            else:
                entries.append(_nowhere(listed.file_name, name, where))
    entries += [LedgerEntry(str(p.file), "excluded", p.code, p.detail) for p in broken]
    items = {file: _merged(found) for file, found in lines.items()}
    entries += [
        LedgerEntry(file, "excluded", "conflicting_annotations",
                    f"it is listed {len(lines[file])} times, and not with the same annotations")
        for file, item in items.items() if item is None
    ]  # fmt: skip
    said = {*lines, *(entry.file for entry in entries)}
    entries += [
        leftover(name, "not_listed", "no annotation file lists it")
        for name in sorted(set(tree.names) - said)
    ]
    warnings: list[dict[str, object]] = [
        {"file": name, "code": code, "detail": f"{name}: {detail}"}
        for name, table in tables.items()
        for code, detail in table.remarks
    ]
    classes = dict.fromkeys(name for table in tables.values() for name in table.classes)
    kept = tuple(item for item in items.values() if item is not None)
    return Found(kept, tuple(entries), tuple(warnings), tuple(classes))


def _folders(name: str) -> list[str]:
    return name.lower().split("/")[:-1]


def _part(folders: Iterable[str]) -> str | None:
    """The part that a folder is: train, or train2017."""
    words = (split_word(folder.rstrip("0123456789")) for folder in folders)
    return next((word for word in words if word is not None), None)


def _part_of_table(name: str) -> str | None:
    """The part that a COCO file is of, by its folder or by its name: instances_train2017.json."""
    return _part(_folders(name)) or _part(findall("[a-z]+", name.rsplit("/", 1)[-1].lower()))


def _tables(tree: Tree) -> tuple[dict[str, CocoTable], list[Problem]]:
    """The COCO files by name, and those that are meant to be such and cannot be read."""
    tables: dict[str, CocoTable] = {}
    broken: list[Problem] = []
    for name in sorted(tree.names):
        placed = all(folder in _PLACES or _part([folder]) for folder in _folders(name))
        if suffix(name) != "json" or not placed:
            continue
        data = tree.read(name)
        try:
            table = read_coco(data)
        except ValueError as error:
            named = any(word in name.lower() for word in _NAMES)
            if named or any(key in data for key in _KEYS):
                detail = f"not readable as JSON ({error}); export it again, or take it out"
                broken.append(Problem("bad_annotations", detail, name))
            continue
        if table is not None:
            tables[name] = table
    return tables, broken


def _has_regions(table: CocoTable) -> bool:
    return any(o.polygons or o.runs for listed in table.images for o in listed.outlines)


def _used(name: str, table: CocoTable) -> LedgerEntry:
    said = ["annotations of the data set", *(detail for _, detail in table.remarks)]
    return LedgerEntry(name, "used", None, "; ".join(said))


class _Places:
    """Where the images of an archive lie, to be found by what a COCO file calls them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            if is_image_name(name) and not _NO_PICTURES & set(_folders(name)):
                self._by_last[name.rsplit("/", 1)[-1]].append(name)

    def find(self, written: str, table: str) -> list[str]:
        """The members that may be meant: one, none, or several that nothing tells apart.

        The longest end of the written path that lies in the archive counts, so that a path on
        the machine of whoever exported it is no obstacle; near the table goes before far.
        """
        parts = unicodedata.normalize("NFC", written.replace("\\", "/")).split("/")
        parts = [part for part in parts if part not in ("", ".", "..")]
        found: list[str] = []
        for cut in range(len(parts)):
            end = "/".join(parts[cut:])
            found = [
                name for name in self._by_last.get(parts[-1], [])
                if (name == end or name.endswith(f"/{end}")) and _same_part(parts[:cut], name)
            ]  # fmt: skip
            if found:
                break
        return _nearest(found, table)


def _same_part(dropped: Sequence[str], name: str) -> bool:
    """Whether folders that are not in the archive name no other part than those that are."""
    said, here = _part(dropped), _part(_folders(name))
    return said is None or here is None or said == here


def _nearest(found: list[str], table: str) -> list[str]:
    folder = table.rsplit("/", 1)[0] + "/" if "/" in table else ""
    part = _part_of_table(table)
    for fits in (
        lambda name: bool(folder) and name.startswith(folder),
        lambda name: part is not None and _part(_folders(name)) == part,
        lambda name: _folders(name) == _folders(table),
    ):
        narrowed = [name for name in found if fits(name)]
        found = narrowed or found
    return found


def _nowhere(written: str, table: str, where: Sequence[str]) -> LedgerEntry:
    if where:
        detail = f"{table} lists it, and it may be any of {', '.join(where[:5])}"
        return LedgerEntry(written, "excluded", "ambiguous_file", detail)
    detail = f"{table} lists it, and the archive does not hold it"
    return LedgerEntry(written, "excluded", "missing_file", detail)


def _item(file: str, listed: Listed, table: str) -> Item:
    """Its part is that of the table, else that of the folder in which the image lies."""
    return Item(
        {"image": file},
        split=_part_of_table(table) or _part(_folders(file)),
        outlines=listed.outlines,
        drawn_on_px=listed.size_px,
        flaw=listed.flaw,
        notes=listed.notes,
    )


def _merged(found: Sequence[Item]) -> Item | None:
    """One case of all lines on an image; None where they do not say the same."""
    splits = {item.split for item in found if item.split}
    first = replace(found[0], split=None)
    if len(splits) > 1 or any(replace(item, split=None) != first for item in found):
        return None
    return replace(first, split=splits.pop() if splits else None)


LAYOUT = Layout("coco", EXAMPLE, recognise)
