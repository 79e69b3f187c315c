"""metadata.csv: a row for each image or volume, at the root or in split folders (ImageFolder's)."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from models.door.boxes import BoxesError, read_boxes
from models.door.member import safe_name
from models.door.table import Row, read_table
from models.door.volumes.names import Members
from models.layout import (
    LUMEN_INTIMA,
    MEDIA_ADVENTITIA,
    Found,
    Item,
    Layout,
    Outline,
    Tree,
    files_of,
    is_volume_name,
    leftover,
    split_word,
)
from models.ledger import LedgerEntry, RejectedError, rejected

EXAMPLE = """\
metadata.csv          file_name,label,subject,split,spacing_mm
                      scans/a.png,benign,patient-1,train,0.06
                      scans/b.png,malignant,patient-2,test,0.06
scans/a.png
scans/b.png

or a volume: a NIfTI file, or the folder of a DICOM series, and its mask likewise:
                      file_name,mask,subject
                      p1/ct,p1/mask.nii.gz,patient-1

needed: file_name and one of label, mask (a file), boxes, or both lumen_intima and
media_adventitia; the rest may be left out
boxes: x0 y0 x1 y1; x0 y0 x1 y1 or [[x0, y0, x1, y1], ...] in pixels, half-open; []: nothing there
lumen_intima, media_adventitia: the lines of a wall, x y x y ... or [[x, y], ...] in pixels
or one metadata.csv in each of train/ validation/ test/
"""
NAME = "metadata.csv"
_TRUTHS = ("label", "mask", "boxes", LUMEN_INTIMA, MEDIA_ADVENTITIA)


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
    members = Members(names)
    lines: dict[str, list[_Line]] = defaultdict(list)
    for table, base in tables.items():
        for row in _rows(table, tree):
            file = _path(base, row.get("file_name", ""))
            lines[file].append(_line(file, row, base, members))
    items = [found[0].item for found in lines.values() if _agree(found) and found[0].item]
    taken = {file for item in items for file in files_of(item)}
    entries = [LedgerEntry(table, "used", None, "the table of the data set") for table in tables]
    refused = {
        entry.file: entry
        for file, found in lines.items()
        for entry in _refused(file, found, members)
        if entry.file not in taken
    }
    entries += refused.values()
    entries += [
        leftover(name, "not_listed", f"no row of {NAME} names it")
        for name in sorted(names - taken - refused.keys() - tables.keys())
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
        name = safe_name(written)
    except RejectedError:
        return written
    return base + name if name else ""


def _line(file: str, row: Row, base: str, members: Members) -> _Line:
    try:
        return _Line(_item(file, row, base, members))
    except _RowError as error:
        code, detail = error.args
        return _Line(None, code, detail)


def _item(file: str, row: Row, base: str, members: Members) -> Item:
    marked = _marked(row) if "boxes" in row else Item({})
    series = _series(file, row, base, members)
    files = {"image": series["volume"][0]}
    if "mask" in series:
        files["mask"] = series["mask"][0]
    return replace(
        marked,
        files=files,
        series=series if is_volume_name(file) or file != files["image"] else {},
        label=row.get("label") or None,
        subject=row.get("subject") or None,
        split=_split(row.get("split", ""), file),
        spacing_mm=_spacing(row.get("spacing_mm", "")),
        lines=_lines(row),
    )


def _lines(row: Row) -> tuple[str, str] | None:
    """The cells of both lines of a wall; None where neither says anything."""
    cells = row.get(LUMEN_INTIMA, ""), row.get(MEDIA_ADVENTITIA, "")
    return cells if any(cells) else None


def _series(file: str, row: Row, base: str, members: Members) -> dict[str, tuple[str, ...]]:
    """The files of image or volume and of its mask: each a file, or all that lie in a folder."""
    meant = members.meant_by(file)
    if not meant:
        raise _RowError("missing_file", f"{NAME} names it, and the archive does not hold it")
    if not row.get("mask"):
        return {"volume": meant}
    mask = members.meant_by(_path(base, row["mask"]))
    if not mask:
        raise _RowError("missing_mask", f"the archive does not hold its mask {row['mask']}")
    own = tuple(name for name in meant if name not in set(mask))
    return {"volume": own or meant, "mask": mask}


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


def _refused(file: str, lines: list[_Line], members: Members) -> list[LedgerEntry]:
    """The ledger's lines for what rows name that give no case; none where they give one."""
    if not _agree(lines):
        code, detail = "conflicting_rows", f"{len(lines)} rows of {NAME} name it and disagree"
    elif lines[0].item is None:
        code, detail = str(lines[0].code), str(lines[0].detail)
    else:
        return []
    named = members.meant_by(file) or (file,)
    return [LedgerEntry(name, "excluded", code, detail) for name in named]


LAYOUT = Layout("metadata_csv", EXAMPLE, recognise)
