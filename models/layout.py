"""A layout: one way of laying out an upload, as data and one function. A file in layouts/ each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from models.ledger import LedgerEntry


@dataclass(frozen=True)
class Item:
    """One case as a layout found it: files by role (`image`, `mask`) and what is said of them."""

    files: dict[str, str]
    label: str | None = None
    subject: str | None = None
    split: str | None = None  # train, validation or test
    spacing_mm: tuple[float, float] | None = None  # (row, column)


@dataclass(frozen=True)
class Tree:
    """The archive as a layout sees it: names (no folders), and the bytes behind one of them."""

    names: Collection[str]
    read: Callable[[str], bytes]


@dataclass(frozen=True)
class Found:
    """What a layout made of a tree: its cases, and the files that are none with the reason why."""

    items: tuple[Item, ...]
    entries: tuple[LedgerEntry, ...] = ()
    warnings: tuple[dict[str, object], ...] = field(default=())


@dataclass(frozen=True)
class Layout:
    """One way of laying out an upload.

    `example` is a tree to show to people. `recognise` answers None for a tree laid out otherwise,
    and raises RejectedError for one that is meant to be this layout and cannot be read as it.
    """

    name: str
    example: str
    recognise: Callable[[Tree], Found | None]
