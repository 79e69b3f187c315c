"""Which layout an archive has, and whether its labels are those that the task asks for."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from models import discovery
from models.door.archive import Archive, CorruptMemberError
from models.door.class_names import ClassNames, class_names
from models.door.lines.wall import truth_of
from models.door.naming import Naming, naming
from models.door.remarks import Warning_, remark
from models.door.volumes.kinds import apart, of_kind
from models.layout import Found, Item, Layout, Tree, is_document, suffix
from models.ledger import LedgerEntry, RejectedError, rejected
from models.task import Task

_SYSTEM = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_ARCHIVES = frozenset(("zip", "tar", "tgz", "gz", "zst", "bz2", "xz", "7z", "rar", "jar"))
_FIRST = "metadata_csv"  # what is written down goes before what folders suggest
_SECOND = "coco"  # so is this, for tasks that have a use for it
TABLE_MAX_BYTES = 256 * 2**20  # a million rows of 256 bytes
_SHOWN = 12  # labels or files named in a message


@dataclass(frozen=True)
class Recognised:
    """The layout found, its cases in order of file name, and the ledger of all that is no case.

    `naming` says what the classes of a map task are called.
    """

    layout: str
    items: tuple[Item, ...]
    entries: tuple[LedgerEntry, ...]
    naming: Naming = field(default_factory=Naming)
    warnings: tuple[Warning_, ...] = ()


def recognise(source: Archive, task: Task, tick: Callable[[], None] = lambda: None) -> Recognised:
    """The first layout that fits, metadata.csv before the others; `tick` at every file read.

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
        layout, found, start = _found(source, names, task, tick)
        items, others = of_kind(task, sorted(found.items, key=lambda item: item.files["image"]))
        aside += others
        if task.volumes:
            kept, shared = apart(items)
            entries = (*aside, *found.entries, *shared)
            return Recognised(layout, tuple(kept), entries, warnings=found.warnings)
        if truth_of(task) == "classes":
            return Recognised(layout, tuple(items), (*aside, *found.entries))
        return _named(task, layout, replace(found, items=tuple(items)), aside,
                      _class_names(source, names, start))  # fmt: skip
    except RejectedError as error:
        seen = [LedgerEntry(name, "excluded", "not_in_layout") for name in names]
        error.ledger = sorted([*aside, *seen], key=lambda entry: entry.file)
        raise


def _class_names(source: Archive, names: Sequence[str], start: str) -> ClassNames:
    """From the root of the layout; the file by its name in the archive."""
    roots = [name.removeprefix(start) for name in names if name.startswith(start)]
    found = class_names(roots, partial(_read, source, start, lambda: None))
    return replace(found, file=start + found.file) if found.file else found


def _named(
    task: Task, layout: str, found: Found, aside: Sequence[LedgerEntry], given: ClassNames
) -> Recognised:
    """Map tasks: every mask belongs to one image, every class has a name."""
    items, shared = _own_masks(found.items)
    wanted = not task.classes and not found.classes and any("mask" in i.files for i in items)
    names = naming(task, items, found.classes, given.names if wanted else {})
    entries = [*aside, *found.entries, *shared]
    warnings = [*found.warnings, *names.warnings]
    if wanted and given.file:
        used = LedgerEntry(given.file, "used", None, "the names of the classes")
        entries = [used if entry.file == given.file else entry for entry in entries]
    if wanted and given.broken:
        warnings.append(remark("bad_class_names", given.broken))
    return Recognised(layout, items, tuple(entries), names, tuple(warnings))


def _own_masks(items: Sequence[Item]) -> tuple[tuple[Item, ...], list[LedgerEntry]]:
    """Without the cases whose mask is another's too: whose truth it is nobody can know."""
    images: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if "mask" in item.files:
            images[item.files["mask"]].append(item.files["image"])
    shared: Mapping[str, list[str]] = {
        mask: those for mask, those in images.items() if len(those) > 1 or mask in those
    }
    lines = [
        LedgerEntry(file, "excluded", "shared_mask",
                    f"{mask} is given as the mask of {', '.join(those[:5])}"
                    f"{', ...' if len(those) > 5 else ''}; each image needs a mask of its own")
        for mask, those in shared.items() for file in dict.fromkeys((*those, mask))
    ]  # fmt: skip
    kept = tuple(item for item in items if item.files.get("mask") not in shared)
    return kept, lines


def _aside(name: str) -> LedgerEntry | None:
    """The ledger's line for what no layout needs to see: leavings of systems, nested archives."""
    parts = name.lower().split("/")
    if any(part.startswith(".") or part in _SYSTEM for part in parts):
        return LedgerEntry(name, "ignored", "system_file", "left by an operating system")
    if suffix(name) in _ARCHIVES and not name.lower().endswith(".nii.gz"):
        detail = "an archive within the archive is not opened; pack its files themselves"
        return LedgerEntry(name, "excluded", "nested_archive", detail)
    return None


def _found(
    source: Archive, names: Sequence[str], task: Task, tick: Callable[[], None]
) -> tuple[str, Found, str]:
    """The layout, what it found, and the folder that was looked through ("" for the root)."""
    prefix = _single_folder(names)
    for start in ("", prefix) if prefix else ("",):
        tree = Tree(
            [name.removeprefix(start) for name in names if name.startswith(start)],
            partial(_read, source, start, tick),
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
            return layout.name, _restored(found, start, outside), start
    raise rejected("no_layout", _no_layout(names, task))


def _in_order(task: Task) -> list[Layout]:
    """What is written down, then those the task takes, in its order, then the rest, to name it."""
    known = discovery.layouts()
    written = [_FIRST, *([_SECOND] if _SECOND in task.layouts else [])]
    order = [name for name in (*written, *task.layouts, *known) if name in known]
    return [known[name] for name in dict.fromkeys(order)]


def _read(source: Archive, start: str, tick: Callable[[], None], name: str) -> bytes:
    tick()
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
        replace(
            item,
            files={role: start + name for role, name in item.files.items()},
            series={
                role: tuple(start + name for name in those) for role, those in item.series.items()
            },
        )
        for item in found.items
    )
    beside = [LedgerEntry(name, "ignored", "document", "a document, no data") for name in outside]
    entries = [replace(entry, file=start + entry.file) for entry in found.entries]
    warnings = [{**said, "file": start + str(said["file"])} if said["file"] else said
                for said in found.warnings]  # fmt: skip
    return replace(found, items=items, entries=(*entries, *beside), warnings=tuple(warnings))


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
