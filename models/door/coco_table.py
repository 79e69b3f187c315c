"""A COCO file: images, and what was annotated on each, by class name and in half-open pixels."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.case import Box
from models.door.member import printable
from models.layout import Outline, Polygon, Runs

COORDINATE_MAX = 1e6  # beyond it a number is no pixel
VALUES_MAX = 40_000_000  # numbers, texts, lists; each takes some fifty bytes of memory
_IDS_NAMED = 5
_CLASSES_NAMED = 12
_TEXT_MAX = 300  # letters of a name
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """An image of a COCO file. `flaw` (code, detail): an annotation of it cannot be read."""

    file_name: str
    size_px: tuple[int, int] | None  # width, height
    outlines: tuple[Outline, ...] = ()
    flaw: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CocoTable:
    """What a COCO file says. `remarks` (code, detail): lines of it that belong to no image."""

    images: tuple[Listed, ...]
    classes: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...] = ()


class _AnnotationError(Exception):
    """An annotation that cannot be read; the arguments are code and detail."""


def read_coco(data: bytes) -> CocoTable | None:
    """None for JSON that is something else; ValueError for what is no JSON at all.

    A file without annotations (of a hidden test part) or with captions alone is something else:
    taken for truth it would say that there is nothing on any image.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > VALUES_MAX:
        raise ValueError(f"more than {VALUES_MAX:,} values")
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        return None
    images, annotations = _rows(found, "images"), _rows(found, "annotations")
    if not images or annotations is None or not _marks_anything(annotations):
        return None
    names = _names(_rows(found, "categories") or [])
    by_image: dict[str, list[Row]] = defaultdict(list)
    for row in annotations:
        by_image[_key(row.get("image_id"))].append(row)
    listed, remarks = _listed(images, by_image, names)
    known = {_key(row.get("id")) for row in images}
    remarks += list(_strangers(by_image, known))
    return CocoTable(tuple(listed), tuple(dict.fromkeys(names.values())), tuple(remarks))


def _rows(found: Row, key: str) -> list[Row] | None:
    """The objects of a list; None where there is no list."""
    rows = found.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def _marks_anything(annotations: list[Row]) -> bool:
    return not annotations or any("bbox" in row or "segmentation" in row for row in annotations)


def _key(value: object) -> str:
    """An id as text, as some exporters write 1 here and "1" there; empty where it is none."""
    named = isinstance(value, int | str) and not isinstance(value, bool)
    return _text(value) if named else ""


def _text(value: object) -> str:
    """A name of any kind as it may be stored and shown; empty for null."""
    return "" if value is None else printable(str(value).strip())[:_TEXT_MAX]


def _names(categories: Iterable[Row]) -> dict[str, str]:
    """Category id -> name, in order of id (numbers as numbers)."""
    found = {_key(row.get("id")): _text(row.get("name")) for row in categories}
    order = sorted(found, key=lambda key: (not key.isdecimal(), key.zfill(20), key))
    return {key: found[key] or key for key in order if key}


def _listed(
    images: list[Row], by_image: Mapping[str, list[Row]], names: Mapping[str, str]
) -> tuple[list[Listed], list[tuple[str, str]]]:
    """The images, and a remark on those that are not fit to be named."""
    files: dict[str, set[str]] = defaultdict(set)
    for row in images:
        files[_key(row.get("id"))].add(_text(row.get("file_name")))
    found: list[Listed] = []
    nameless = 0
    for row in images:
        key, file_name = _key(row.get("id")), _text(row.get("file_name"))
        if not file_name or not key:
            nameless += 1
            continue
        listed = _image(file_name, _size(row), by_image.get(key, []), names)
        if len(files[key]) > 1:
            detail = f"{len(files[key])} images have the id {key}; whose are its annotations?"
            listed = replace(listed, outlines=(), flaw=("duplicate_id", detail), notes=())
        found.append(listed)
    detail = f"{nameless} image(s) without an id or a file_name were passed over"
    return found, [("bad_annotations", detail)] if nameless else []


def _size(row: Row) -> tuple[int, int] | None:
    sides = row.get("width"), row.get("height")
    whole = all(isinstance(side, int | float) and 0 < side < COORDINATE_MAX for side in sides)
    return (round(sides[0]), round(sides[1])) if whole else None  # type: ignore[arg-type]


def _image(
    file_name: str, size: tuple[int, int] | None, rows: list[Row], names: Mapping[str, str]
) -> Listed:
    outlines: list[Outline] = []
    notes: set[str] = set()
    for row in rows:
        try:
            outline = _outline(row, names)
        except _AnnotationError as error:
            code, why = error.args
            flaw = (code, f"annotation {_key(row.get('id')) or '?'}: {why}")
            return Listed(file_name, size, flaw=flaw)
        outlines.append(outline)
        if row.get("iscrowd") in (1, True):
            notes.add("crowd_regions")
    if not rows:
        notes.add("no_annotations")
    return Listed(file_name, size, tuple(outlines), notes=tuple(sorted(notes)))


def _outline(row: Row, names: Mapping[str, str]) -> Outline:
    """One annotation: whatever of box, polygons and runs it has, one of them at least."""
    category = _key(row.get("category_id"))
    if names and category not in names:
        listed = ", ".join(f"{key} {name}" for key, name in [*names.items()][:_CLASSES_NAMED])
        raise _AnnotationError("unknown_category", f"category {category!r}; listed are {listed}")
    polygons, runs = _segmentation(row.get("segmentation"))
    box = _box(row.get("bbox"))
    if box is None and not polygons and runs is None:
        raise _AnnotationError(
            "bad_annotation",
            f"bbox {_shown(row.get('bbox'))} is no x, y, width, height, and no segmentation "
            "stands in for it",
        )
    return Outline(names.get(category, category) or None, box, polygons, runs)


def _box(written: object) -> Box | None:
    """Half-open corners of x, y, width, height; None for what is nothing of the kind."""
    numbers = numbers_of(written)
    if numbers is None or len(numbers) != 4 or min(numbers[2:]) < 0:
        return None
    x, y, width, height = numbers
    return x, y, x + width, y + height


def _segmentation(written: object) -> tuple[tuple[Polygon, ...], Runs | None]:
    """Polygons of three points and more, or runs; neither for what is no region."""
    if isinstance(written, dict):
        return (), _runs(written)
    if not isinstance(written, list):
        return (), None
    rings = [written] if numbers_of(written) else written
    numbers = [numbers_of(ring) for ring in rings]
    return tuple(n for n in numbers if n and len(n) >= 6 and len(n) % 2 == 0), None


def _runs(written: Row) -> Runs | None:
    size, counts = numbers_of(written.get("size")), written.get("counts")
    if size is None or len(size) != 2:
        return None
    height, width = int(size[0]), int(size[1])
    if isinstance(counts, str):
        return Runs(height, width, counts)
    whole = isinstance(counts, list) and all(type(count) is int for count in counts)
    return Runs(height, width, tuple(counts)) if whole else None  # type: ignore[arg-type]


def rows_in(written: str) -> list[list[float]]:
    """The rows of a cell of plain numbers, `1 2 3; 4,5,6`. Raises ValueError for other words."""
    parts = (part.replace(",", " ").split() for part in written.split(";"))
    return [[float(word) for word in words] for words in parts if words]


def numbers_of(written: object) -> tuple[float, ...] | None:
    """A list of numbers that may be pixels; None for anything else."""
    if not isinstance(written, list):
        return None
    numbers = [value for value in written if type(value) in (int, float)]
    if len(numbers) != len(written) or not numbers:
        return None
    fit = all(abs(value) <= COORDINATE_MAX for value in numbers)  # nor is anything not a number
    return tuple(float(value) for value in numbers) if fit else None


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _strangers(by_image: Mapping[str, list[Row]], known: set[str]) -> Iterator[tuple[str, str]]:
    """Annotations of images that the file does not list."""
    lost = Counter({key: len(rows) for key, rows in by_image.items() if key not in known})
    if lost:
        ids = ", ".join(key or "none" for key in sorted(lost)[:_IDS_NAMED])
        more = ", ..." if len(lost) > _IDS_NAMED else ""
        detail = f"{lost.total()} annotation(s) name image ids that it does not list: {ids}{more}"
        yield "unknown_image_id", detail
