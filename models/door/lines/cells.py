"""The cell of a table that holds one line along a wall, as JSON or as numbers."""

import json

from models.case import Points
from models.door.coco_table import numbers_of, rows_in
from models.door.lines.profile import ProfileError, line_of, points_of

_SHOWN = 40  # letters of a cell in a message
HOW = "a line is x y x y ..., pixels, or a JSON list of [x, y]"


class CellError(Exception):
    """A cell that cannot be read; the message says why, and how it should look."""


def read_line(written: str) -> Points:
    """[n, 2] of `x y x y ...`, `x y; x y; ...`, `[[x, y], ...]` or `[[x, ...], [y, ...]]`."""
    rows = _json(written) if written.startswith("[") else _plain(written)
    if len(rows) == 1:
        rows = _in_twos(rows[0])
    try:
        return line_of(points_of(rows))
    except ProfileError as error:
        raise CellError(f"{error.detail.split(';')[0]}; {HOW}") from error


def _json(written: str) -> list[list[float]]:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise CellError(f"{written[:_SHOWN]!r} is no JSON; {HOW}") from error
    rows = [found] if numbers_of(found) else list(found)
    numbers = [numbers_of(row) for row in rows]
    if not rows or not all(numbers):
        raise CellError(f"{written[:_SHOWN]!r} is no list of points; {HOW}")
    return [list(row) for row in numbers if row]


def _plain(written: str) -> list[list[float]]:
    try:
        return rows_in(written)
    except ValueError as error:
        raise CellError(f"{written[:_SHOWN]!r} is no row of numbers; {HOW}") from error


def _in_twos(flat: list[float]) -> list[list[float]]:
    if len(flat) % 2:
        raise CellError(f"{len(flat)} numbers; every x has its y; {HOW}")
    return [flat[at : at + 2] for at in range(0, len(flat), 2)]
