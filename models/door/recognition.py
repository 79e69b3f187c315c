"""Which layout an archive has, and whether its labels are those that the task asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from models import discovery
from models.door.archive import Archive, CorruptMemberError
from models.layout import Found, Item, Layout, Tree, is_document, suffix
from models.ledger import LedgerEntry, RejectedError, rejected
from models.task import Task

_SYSTEM = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_ARCHIVES = frozenset(("zip", "tar", "tgz", "gz", "zst", "bz2", "xz", "7z", "rar", "jar"))
_FIRST = "metadata_csv"  # what is written down goes before what folders suggest
TABLE_MAX_BYTES = 256 * 2**20  # a million rows of 256 bytes
_SHOWN = 12  # labels or files named in a message


@dataclass(frozen=True)
class Recognised:
    """The layout found, its cases in order of file name, and the ledger of all that is no case."""

    layout: str
    items: tuple[Item, ...]
    entries: tuple[LedgerEntry, ...]


def recognise(source: Archive, task: Task) -> Recognised:
    """The first layout that fits, metadata.csv before the others.

    A single top-level folder is looked through only when the tree as it lies is not recognised.
    Raises RejectedError for no known layout, or one that the task does not take.
    """
    aside = [*source.entries]
    names = []
    for name in source.names:
        entry = _aside(name)
        if entry is None:
            names.append(name)
        else:
            aside.append(entry)
    try:
        layout, found = _found(source, names, task)
    except RejectedError as error:
        seen = [LedgerEntry(name, "excluded", "not_in_layout") for name in names]
        error.ledger = sorted([*aside, *seen], key=lambda entry: entry.file)
        raise
    items = sorted(found.items, key=lambda item: item.files["image"])
    return Recognised(layout, tuple(items), (*aside, *found.entries))


def _aside(name: str) -> LedgerEntry | None:
    """The ledger's line for what no layout needs to see: leavings of systems, nested archives."""
    parts = name.lower().split("/")
    if any(part.startswith(".") or part in _SYSTEM for part in parts):
        return LedgerEntry(name, "ignored", "system_file", "left by an operating system")
    if suffix(name) in _ARCHIVES and not name.lower().endswith(".nii.gz"):
        detail = "an archive within the archive is not opened; pack its files themselves"
        return LedgerEntry(name, "excluded", "nested_archive", detail)
    return None


def _found(source: Archive, names: Sequence[str], task: Task) -> tuple[str, Found]:
    prefix = _single_folder(names)
    for start in ("", prefix) if prefix else ("",):
        tree = Tree(
            [name.removeprefix(start) for name in names if name.startswith(start)],
            partial(_read, source, start),
        )
        for layout in _in_order(task):
            found = layout.recognise(tree)
            if found is None:
                continue
            if layout.name not in task.layouts:
                raise rejected(
                    "layout_not_accepted",
                    f"this is laid out as {layout.name}; {task.name} takes "
                    f"{', '.join(task.layouts)}",
                )
            outside = [name for name in names if not name.startswith(start)]
            return layout.name, _restored(found, start, outside)
    raise rejected("no_layout", _no_layout(names, task))


def _in_order(task: Task) -> list[Layout]:
    """metadata.csv, then those the task takes, in its order, then the rest, to name them."""
    known = discovery.layouts()
    wanted = [name for name in task.layouts if name in known]
    order = [_FIRST, *wanted, *known]
    return [known[name] for name in dict.fromkeys(order)]


def _read(source: Archive, start: str, name: str) -> bytes:
    if source.size(start + name) > TABLE_MAX_BYTES:
        raise rejected("bad_metadata", f"larger than {TABLE_MAX_BYTES:,} bytes", name)
    try:
        return source.read(start + name)
    except CorruptMemberError as error:
        raise rejected("bad_metadata", "its bytes are damaged; send it again", name) from error


def _single_folder(names: Sequence[str]) -> str | None:
    """The one folder, with its slash, in which everything but documents lies."""
    tops = {name.split("/", 1)[0] for name in names if not is_document(name) or "/" in name}
    single = len(tops) == 1 and any("/" in name for name in names)
    return f"{tops.pop()}/" if single else None


def _restored(found: Found, start: str, outside: Sequence[str]) -> Found:
    """The names as the archive has them, and a line for each document beside the folder."""
    if not start:
        return found
    items = tuple(
        replace(item, files={role: start + name for role, name in item.files.items()})
        for item in found.items
    )
    beside = [LedgerEntry(name, "ignored", "document", "a document, no data") for name in outside]
    entries = [replace(entry, file=start + entry.file) for entry in found.entries]
    return replace(found, items=items, entries=(*entries, *beside))


def _no_layout(names: Sequence[str], task: Task) -> str:
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    known = discovery.layouts()
    examples = "; ".join(
        f"{name}: {' '.join(known[name].example.splitlines()[:2])}"
        for name in task.layouts
        if name in known
    )
    return (
        f"the files ({shown or 'none'}) are laid out as nothing known. {task.name} takes {examples}"
    )


def check_labels(task: Task, positive: str | None, labels: Sequence[str]) -> tuple[str, ...]:
    """The classes in their order: the task's own, else those found, sorted.

    Raises RejectedError for labels that the task does not know, and for a `positive` that is no
    class of a binary task.
    """
    found = sorted(set(labels))
    unknown = [label for label in found if label not in task.classes] if task.classes else []
    if unknown:
        raise rejected(
            "unknown_labels",
            f"found the labels {', '.join(unknown[:_SHOWN])}; {task.name} expects "
            f"{', '.join(task.classes)}",
        )
    classes = task.classes or tuple(found)
    if positive is not None and positive not in classes:
        raise rejected(
            "positive_unknown",
            f"positive is {positive!r}; the classes are {', '.join(classes) or 'none'}",
        )
    if positive is not None and len(classes) != 2:
        raise rejected(
            "positive_not_binary",
            f"a positive class needs two classes; there are {len(classes)}: {', '.join(classes)}",
        )
    return classes
