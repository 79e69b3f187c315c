"""YOLO: `images/` and `labels/` with the same stems; split folders above or below them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from models.door.member import printable
from models.layout import (
    Found,
    Item,
    Layout,
    Outline,
    Tree,
    is_image_name,
    leftover,
    split_word,
    suffix,
)
from models.ledger import LedgerEntry, RejectedError

EXAMPLE = """\
images/train/case-01.jpg
labels/train/case-01.txt      a line for each thing: class cx cy width height, as fractions of
images/val/case-02.jpg        the image (or class x1 y1 x2 y2 x3 y3 ...); an empty file: nothing
labels/val/case-02.txt
data.yaml                     names: [polyp]          (or classes.txt; may be left out)

or train/images/case-01.jpg and train/labels/case-01.txt
"""
_ROLES = {"images": "image", "labels": "outlines"}
_NAMES = ("classes.txt", "obj.names")
_YAML_MAX_BYTES = 2**18  # ten thousand names
_CLASSES_MAX = 9999
_TEXT_MAX = 200  # letters of a name
_SLACK = 0.05  # beyond 0 and 1: rounding, or a box that the frame cuts; more is no fraction
Key = tuple[str, str]  # (folders without images or labels, stem)


class _LineError(Exception):
    """A line that cannot be read; the argument says why."""


@dataclass(frozen=True)
class _Names:
    """Class names in their order, where a file lists them, and that file."""

    names: tuple[str, ...] = ()
    file: str | None = None
    broken: str | None = None  # why a file that should list them does not


def recognise(tree: Tree) -> Found | None:
    """Fits when a text file below `labels/` has the stem of an image below `images/`."""
    found: dict[str, dict[Key, list[str]]] = {"image": defaultdict(list), "outlines": {}}
    others: list[str] = []
    for name in tree.names:
        place = _place(name)
        if place is None:
            others.append(name)
        else:
            role, key = place
            found[role].setdefault(key, []).append(name)
    images, texts = found["image"], found["outlines"]
    if not images.keys() & texts.keys():
        return None
    names = _names(tree, others)
    labelled = {folder for folder, _ in texts}
    items: list[Item] = []
    entries: list[LedgerEntry] = []
    for key in sorted({*images, *texts}):
        pictured, text = images.get(key, []), texts.get(key, [""])[0]
        if len(pictured) != 1 or (not text and key[0] not in labelled):
            entries.extend(_apart(pictured, text))
        else:
            items.append(_item(tree, pictured[0], text, names))
    entries += [
        LedgerEntry(name, "used", None, "the names of the classes")
        if name == names.file
        else leftover(name, "not_in_layout", "lies neither in images/ nor in labels/")
        for name in others
    ]
    return Found(tuple(items), tuple(entries), tuple(_warned(names)), names.names)


def _place(name: str) -> tuple[str, Key] | None:
    """(role, key) of an image below `[split/]images/` or a text below `[split/]labels/`."""
    *folders, last = name.split("/")
    at = 1 if len(folders) > 1 and split_word(folders[0]) else 0
    role = _ROLES.get(folders[at].lower()) if folders else None
    fits = is_image_name(name) if role == "image" else suffix(name) == "txt"
    if role is None or not fits or last.lower() in _NAMES:
        return None
    rest = [*folders[:at], *folders[at + 1 :]]
    return role, ("/".join(rest), last.rsplit(".", 1)[0])


def _apart(pictured: Sequence[str], text: str) -> Iterator[LedgerEntry]:
    """The ledger's lines for what gives no case."""
    if not pictured:
        yield LedgerEntry(text, "excluded", "labels_without_image", "images/ has no such image")
        return
    if len(pictured) == 1:
        detail = "labels/ has no file for it, nor for any other image of its folder"
        yield LedgerEntry(pictured[0], "excluded", "no_labels", detail)
        return
    detail = f"{len(pictured)} images have this stem: {', '.join(pictured)}"
    for name in (*pictured, *([text] if text else [])):
        yield LedgerEntry(name, "excluded", "ambiguous_pair", detail)


def _item(tree: Tree, image: str, text: str, names: _Names) -> Item:
    """An image without a text among others that have one shows nothing, and that is said."""
    files = {"image": image} | ({"outlines": text} if text else {})
    split = next((word for part in image.split("/")[:-1] if (word := split_word(part))), None)
    if not text:
        return Item(files, split=split, outlines=(), notes=("no_label_file",))
    try:
        return Item(files, split=split, outlines=tuple(_outlines(tree.read(text), names)))
    except _LineError as error:
        return Item(files, split=split, flaw=("bad_label", str(error)))
    except RejectedError as error:  # its bytes are damaged, or beyond a limit
        problem = error.problems[0]
        return Item(files, split=split, flaw=(str(problem["code"]), str(problem["detail"])))


def _outlines(data: bytes, names: _Names) -> Iterator[Outline]:
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield _outline(line.split(), names)
        except _LineError as error:
            raise _LineError(f"line {number}: {error}") from error


def _outline(words: Sequence[str], names: _Names) -> Outline:
    numbers = _numbers(words)
    count = len(numbers) - 1
    if count != 4 and (count < 6 or count % 2):
        raise _LineError(
            f"{len(numbers)} numbers; class cx cy width height is 5, a polygon class x1 y1 x2 y2 "
            "x3 y3 ... an odd number from 7 on"
        )
    name = _class(numbers[0], names)
    wrong = [value for value in numbers[1:] if not -_SLACK <= value <= 1 + _SLACK]
    if wrong:
        raise _LineError(f"{wrong[0]:g} is no fraction of the image: use 0 to 1, not pixels")
    if count > 4:
        return Outline(name, polygons=(tuple(numbers[1:]),), relative=True)
    x, y, width, height = numbers[1:]
    if width < 0 or height < 0:
        raise _LineError(f"a width of {width:g} and a height of {height:g}")
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Outline(name, box, relative=True)


def _numbers(words: Sequence[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        shown = " ".join(words)
        raise _LineError(f"{shown[:40]!r} is not a line of numbers") from error


def _class(index: float, names: _Names) -> str:
    if not (0 <= index < 1e6 and index == int(index)):
        raise _LineError(f"class {index:g}; use whole numbers from 0 on")
    if not names.names:
        return str(int(index))
    if index >= len(names.names):
        listed = f"{names.file} names {len(names.names)} ({', '.join(names.names[:12])})"
        raise _LineError(f"class {index:g}; {listed}, counted from 0")
    return names.names[int(index)]


def _names(tree: Tree, others: Sequence[str]) -> _Names:
    """From data.yaml, else classes.txt or obj.names, at the root or in labels/."""
    near = [name for name in sorted(others) if set(_parts(name)) <= {*_ROLES, ""}]
    written = [name for name in near if suffix(name) in ("yaml", "yml")]
    for name in written:
        found = _from_yaml(name, tree.read(name))
        if found is not None:
            return found
    lists = [name for name in near if name.rsplit("/", 1)[-1].lower() in _NAMES]
    for name in lists:
        lines = tree.read(name).decode("utf-8-sig", "replace").splitlines()
        return _Names(tuple(printable(line.strip()) for line in lines if line.strip()), name)
    return _Names()


def _parts(name: str) -> list[str]:
    return name.lower().split("/")[:-1] or [""]


def _from_yaml(name: str, data: bytes) -> _Names | None:
    """`names` as a list, or by number; None for a file that is about something else.

    Every scalar is read as the text that it is: a class may be called yes, 1 or null, and no
    merge key, date or number in base 60 makes work that grows faster than the file.
    """
    try:
        found = yaml.load(data, yaml.BaseLoader) if len(data) <= _YAML_MAX_BYTES else None  # noqa: S506 - makes texts, lists and dicts alone
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _Names(broken=f"{name} is not readable as YAML ({type(error).__name__})")
    if not isinstance(found, dict) or "names" not in found:
        return None
    names = found["names"]
    if isinstance(names, dict) and all(_is_number(key) for key in names):
        names = _in_order({int(key): value for key, value in names.items()})
    if not isinstance(names, list) or not names or not all(isinstance(w, str) for w in names):
        return _Names(broken=f"{name} has no list of words under names")
    return _Names(tuple(printable(word.strip())[:_TEXT_MAX] for word in names), name)


def _is_number(key: object) -> bool:
    return isinstance(key, str) and key.isdecimal() and len(key) <= len(str(_CLASSES_MAX))


def _in_order(named: dict[int, object]) -> list[object]:
    """The names by their numbers; a number without one is called by itself."""
    return [named.get(k, str(k)) for k in range(min(max(named, default=-1), _CLASSES_MAX) + 1)]


def _warned(names: _Names) -> Iterator[dict[str, object]]:
    if names.broken:
        yield {"file": None, "code": "bad_class_names", "detail": names.broken}


LAYOUT = Layout("yolo", EXAMPLE, recognise)
