"""A table that people made, CSV in whatever dialect a spreadsheet writes, as rows by column."""

import csv
import io
from collections.abc import Iterator

from models.ledger import RejectedError, rejected

Row = dict[str, str]
ROWS_MAX = 1_000_000
CELLS_MAX = 8_000_000  # each takes a hundred bytes of memory, however few in its file


def read_table(name: str, data: bytes) -> tuple[tuple[str, ...], list[Row]]:
    """Column names (lower case) and rows, cells stripped. RejectedError for what is no table.

    Comma, semicolon or tab, whichever the first line has most of.
    """
    _check_size(name, data)
    text = decoded(data)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        lines = _lines(text, delimiter)
        columns = tuple(cell.lower() for cell in next(lines, []))
        return columns, [_row(name, columns, cells) for cells in lines if any(cells)]
    except csv.Error as error:
        raise rejected("bad_metadata", f"not readable as CSV ({error})", name) from error


def decoded(data: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one, else Latin-1, which takes every byte."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeError:
        return data.decode("latin-1")


def _lines(text: str, delimiter: str) -> Iterator[list[str]]:
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        yield [cell.strip() for cell in cells]


def _check_size(name: str, data: bytes) -> None:
    """RejectedError for more than can be held, told by what parts cells before any is made."""
    lines = data.count(b"\n") + data.count(b"\r")
    cells = lines + max(data.count(mark) for mark in (b",", b";", b"\t"))
    if lines > 2 * ROWS_MAX or cells > CELLS_MAX:  # lines may end in two letters
        detail = f"more than {ROWS_MAX:,} rows or {CELLS_MAX:,} cells; divide the data set"
        raise rejected("bad_metadata", detail, name)


def _row(name: str, columns: tuple[str, ...], cells: list[str]) -> Row:
    if any(cells[len(columns) :]):
        raise _too_long(name, cells, columns)
    return dict(zip(columns, cells, strict=False))


def _too_long(name: str, cells: list[str], columns: tuple[str, ...]) -> RejectedError:
    return rejected(
        "bad_metadata",
        f"a row has {len(cells)} cells under {len(columns)} column names; "
        "put cells that hold the delimiter in quotes",
        name,
    )
