"""metadata.csv: one row per image, at the root or in the split folders (as ImageFolder has it)."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from models.door.boxes import BoxesError, read_boxes
from models.door.member import safe_name
from models.door.table import Row, read_table
from models.layout import Found, Item, Layout, Outline, Tree, leftover, split_word
from models.ledger import LedgerEntry, RejectedError, rejected

EXAMPLE = """\
metadata.csv          file_name,label,subject,split,spacing_mm
                      scans/a.png,benign,patient-1,train,0.06
                      scans/b.png,malignant,patient-2,test,0.06
scans/a.png
scans/b.png

needed: file_name and one of label, mask (a file), boxes; the rest may be left out
boxes: x0 y0 x1 y1; x0 y0 x1 y1 or [[x0, y0, x1, y1], ...] in pixels, half-open; []: nothing there
or one metadata.csv in each of train/ validation/ test/
"""
NAME = "metadata.csv"
_TRUTHS = ("label", "mask", "boxes")


@dataclass(frozen=True)
class _Line:
    """A row judged: its case, or the `code` and `detail` of why it is none."""

    item: Item | None
    code: str | None = None
    detail: str | None = None


class _RowError(Exception):
    """A row that cannot be used; the arguments are code and detail."""


def recognise(tree: Tree) -> Found | None:
    """Fits when a metadata.csv is there; RejectedError when it says nothing that can be used."""
    names = frozenset(tree.names)
    tables = {name: base for name in sorted(names) if (base := _base(name)) is not None}
    if not tables:
        return None
    lines: dict[str, list[_Line]] = defaultdict(list)
    for table, base in tables.items():
        for row in _rows(table, tree):
            file = _path(base, row.get("file_name", ""))
            lines[file].append(_line(file, row, base, names))
    items = [found[0].item for found in lines.values() if _agree(found) and found[0].item]
    masks = {item.files["mask"] for item in items if "mask" in item.files}
    entries = [LedgerEntry(table, "used", None, "the table of the data set") for table in tables]
    entries += [
        entry for file, found in lines.items() if (entry := _refused(file, found)) is not None
    ]
    entries += [
        leftover(name, "not_listed", f"no row of {NAME} names it")
        for name in sorted(names - lines.keys() - masks - tables.keys())
    ]
    return Found(tuple(items), tuple(entries))


def _base(name: str) -> str | None:
    """The folder a table speaks of, with its slash; None for a file that is no such table."""
    *folders, last = name.split("/")
    if last.lower() != NAME or len(folders) > 1:
        return None
    if not folders:
        return ""
    return f"{folders[0]}/" if split_word(folders[0]) else None


def _rows(table: str, tree: Tree) -> Iterator[Row]:
    columns, rows = read_table(table, tree.read(table))
    if "file_name" not in columns or not set(_TRUTHS) & set(columns):
        raise rejected(
            "metadata_columns",
            f"the columns are {', '.join(columns) or 'none'}; needed are file_name and one of "
            f"{', '.join(_TRUTHS)}",
            table,
        )
    for row in rows:  # a row may break off before its last columns
        yield {**dict.fromkeys(columns, ""), **row}


def _path(base: str, written: str) -> str:
    """The member a row means; a path that leads out of the archive stays as it was written."""
    try:
        return base + safe_name(written)
    except RejectedError:
        return written


def _line(file: str, row: Row, base: str, names: frozenset[str]) -> _Line:
    try:
        return _Line(_item(file, row, base, names))
    except _RowError as error:
        code, detail = error.args
        return _Line(None, code, detail)


def _item(file: str, row: Row, base: str, names: frozenset[str]) -> Item:
    if file not in names:
        raise _RowError("missing_file", f"{NAME} names it, and the archive does not hold it")
    files = {"image": file}
    if row.get("mask"):
        files["mask"] = _path(base, row["mask"])
        if files["mask"] not in names:
            raise _RowError("missing_mask", f"the archive does not hold its mask {row['mask']}")
    marked = _marked(row) if "boxes" in row else Item({})
    return replace(
        marked,
        files=files,
        label=row.get("label") or None,
        subject=row.get("subject") or None,
        split=_split(row.get("split", ""), file),
        spacing_mm=_spacing(row.get("spacing_mm", "")),
    )


def _marked(row: Row) -> Item:
    """What a row says of boxes; an empty cell says nothing beside a mask, else that none are."""
    written = row["boxes"]
    if not written:
        empty = None if row.get("mask") else ()
        return Item({}, outlines=empty, notes=() if row.get("mask") else ("empty_boxes",))
    try:
        boxes = read_boxes(written)
    except BoxesError as error:
        return Item({}, flaw=("bad_box", str(error)))
    return Item({}, outlines=tuple(Outline(box=box) for box in boxes))


def _split(written: str, file: str) -> str | None:
    """What the row says; else the split folder that the file lies in, if it lies in one."""
    if not written:
        return split_word(file.split("/", 1)[0]) if "/" in file else None
    split = split_word(written)
    if split is None:
        raise _RowError("unknown_split", f"split {written!r}; use train, validation or test")
    return split


def _spacing(written: str) -> tuple[float, float] | None:
    """One number, or row and column spacing with a space or x between them; millimetres."""
    parts = written.lower().replace("x", " ").split()
    if not parts:
        return None
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(n > 0 and math.isfinite(n) for n in numbers):
        raise _RowError(
            "bad_spacing", f"spacing_mm {written!r}; give millimetres per pixel, as 0.06"
        )
    return numbers[0], numbers[-1]


def _agree(lines: list[_Line]) -> bool:
    return all(line == lines[0] for line in lines)


def _refused(file: str, lines: list[_Line]) -> LedgerEntry | None:
    """The ledger's line for a file whose rows give no case; None where they give one."""
    if not _agree(lines):
        detail = f"{len(lines)} rows of {NAME} name it and disagree"
        return LedgerEntry(file, "excluded", "conflicting_rows", detail)
    line = lines[0]
    return None if line.item else LedgerEntry(file, "excluded", line.code, line.detail)


LAYOUT = Layout("metadata_csv", EXAMPLE, recognise)
