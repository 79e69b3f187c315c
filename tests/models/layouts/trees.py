"""Trees for a test of a layout: names and bytes, and what the layout makes of them."""

from collections.abc import Mapping

from models.discovery import layouts
from models.layout import Found, Tree
from models.ledger import RejectedError

Files = Mapping[str, bytes] | list[str]


def tree(files: Files) -> Tree:
    held = files if isinstance(files, Mapping) else dict.fromkeys(files, b"")
    return Tree(list(held), held.__getitem__)


def found(layout: str, files: Files) -> Found:
    result = layouts()[layout].recognise(tree(files))
    assert result is not None
    return result


def not_found(layout: str, files: Files) -> bool:
    return layouts()[layout].recognise(tree(files)) is None


def refusal(layout: str, files: Files) -> list[dict[str, str | None]]:
    try:
        layouts()[layout].recognise(tree(files))
    except RejectedError as error:
        return error.problems
    raise AssertionError("it was not refused")


def fates(result: Found) -> dict[str, tuple[str, str | None]]:
    return {entry.file: (entry.fate, entry.code) for entry in result.entries}
