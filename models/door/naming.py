"""What classes are called: from the names that annotations use to the numbers that masks hold."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.door.outlines import has_region
from models.door.remarks import Warning_, remark
from models.layout import Item, Outline
from models.ledger import RejectedError, rejected
from models.task import Task

VALUES_MAX = 254  # 0 is background, 255 is unknown
_NAMED = 12  # classes in a message
# What clinics call the things that a task has one word for.
_ALSO = {
    "polyp": re.compile(
        r"polyp(?!ec)|adenom|hyperplas|serrated|lesion|neoplas|carcinom|cancer|tumou?r"
        r"|\b(ad|hp|hps|ssl|ssa|ssp|tsa|lst)\b"
    )
}
_NOT = re.compile(r"\b(no|non|not|without|pseudo)\b|\bnon")


@dataclass(frozen=True)
class Naming:
    """The classes of a map task's data set: annotated name -> value in a mask, value -> name.

    A name that is missing in `values` is not what the task looks for. `regions`: some annotation
    of the data set says which pixels, so that an image without any is an empty label map.
    """

    values: Mapping[str | None, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[Warning_, ...] = ()
    regions: bool = False

    def value(self, outline: Outline) -> int | None:
        return self.values.get(outline.name)

    def name(self, value: int) -> str:
        """The name of a class by its number in the masks; class_7 where none is given."""
        return self.names.get(value, f"class_{value}")

    def undeclared(self, values: Iterable[int]) -> bool:
        """Whether names were given, and to some of these numbers none."""
        return bool(self.names) and not self.names.keys() >= set(values)


def naming(
    task: Task, items: Sequence[Item], listed: Sequence[str], written: Mapping[int, str]
) -> Naming:
    """`listed`: class names of annotations in order; `written`: names given to mask values.

    Raises RejectedError where annotations name classes of which none is the task's.
    """
    marks = [outline for item in items for outline in item.outlines or ()]
    seen = Counter(outline.name for outline in marks)
    if not task.classes:
        return replace(_own(seen, listed, written), regions=any(map(has_region, marks)))
    names = dict(enumerate(task.classes, 1))
    if len(task.classes) == 1:
        return _single(task.classes[0], seen)
    values = {name.casefold(): value for value, name in names.items()}
    found: dict[str | None, int] = {
        name: values[name.casefold()] for name in seen if name and name.casefold() in values
    }
    _need(task.name, task.classes, found, seen)
    return Naming(found, names, tuple(_dropped(seen, found, task.classes)))


def _own(seen: Counter[str | None], listed: Sequence[str], written: Mapping[int, str]) -> Naming:
    """The data set brings its classes: in the order of its list, as far as they occur."""
    extra = sorted({name for name in seen if name} - set(listed))
    order = [name for name in (*listed, *extra) if name in seen]
    if len(order) > VALUES_MAX:
        raise rejected(
            "too_many_classes", f"{len(order)} classes are annotated; at most {VALUES_MAX} are read"
        )
    if not order:
        return Naming(names=written)
    values: dict[str | None, int] = {name: value for value, name in enumerate(order, 1)}
    return Naming(values, dict(enumerate(order, 1)))


def _single(wanted: str, seen: Counter[str | None]) -> Naming:
    """One class: the only annotated name is taken for it unless it denies it, of several those
    that mean it.
    """
    named = [name for name in seen if name is not None]
    alone = len(named) == 1
    meant = [name for name in named if not _denies(name) and (alone or _means(name, wanted))]
    _need(wanted, (wanted,), dict.fromkeys(meant, 1), seen)
    found: dict[str | None, int] = {None: 1, **dict.fromkeys(meant, 1)}
    others = [name for name in meant if name.casefold() not in (wanted, f"{wanted}s")]
    said = list(_dropped(seen, found, (wanted,)))
    if others:
        detail = f"taken for {wanted}: {_counted(seen, others)}"
        said.insert(0, remark("merged_classes", detail, classes=others))
    return Naming(found, {1: wanted}, tuple(said))


def _means(name: str, wanted: str) -> bool:
    return bool(_ALSO.get(wanted, re.compile(re.escape(wanted))).search(_words(name)))


def _denies(name: str) -> bool:
    return bool(_NOT.search(_words(name)))


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower())


def _need(
    who: str, classes: Sequence[str], found: Mapping[str | None, int], seen: Counter[str | None]
) -> None:
    named = [name for name in seen if name is not None]
    if named and not found and None not in seen:
        raise _unknown(who, classes, named)


def _unknown(who: str, classes: Sequence[str], named: Sequence[str]) -> RejectedError:
    return rejected(
        "unknown_labels",
        f"found the classes {', '.join(sorted(named)[:_NAMED])}; nothing tells which of them is "
        f"{who}: rename those that are to {', '.join(classes)}, or leave out the others",
    )


def _dropped(
    seen: Counter[str | None], found: Mapping[str | None, int], classes: Sequence[str]
) -> Iterator[Warning_]:
    others = [name for name in seen if name is not None and name not in found]
    if others:
        detail = (
            f"not {' or '.join(classes)}, and left out: {_counted(seen, others)}; an image with "
            "nothing else counts as one that shows nothing"
        )
        yield remark("dropped_classes", detail, classes=others)


def _counted(seen: Counter[str | None], names: Sequence[str]) -> str:
    shown = ", ".join(f"{name} ({seen[name]})" for name in names[:_NAMED])
    return shown + (", ..." if len(names) > _NAMED else "")
