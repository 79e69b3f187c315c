"""The cell of a table that lists boxes, as JSON or as numbers with semicolons between boxes."""

import json
from collections.abc import Sequence

from models.case import Box
from models.door.coco_table import numbers_of, rows_in

_SHOWN = 40  # letters of a cell in a message
_HOW = "boxes are x0 y0 x1 y1, half-open pixels, with ; between them, or a JSON list of such lists"


class BoxesError(Exception):
    """A cell that cannot be read; the message says why, and how it should look."""


def read_boxes(written: str) -> tuple[Box, ...]:
    """`[[x0, y0, x1, y1], ...]`, `x0 y0 x1 y1; ...` or `[]`; each box with x0 <= x1, y0 <= y1."""
    rows = _json(written) if written.startswith("[") else _plain(written)
    found = []
    for row in rows:
        numbers = numbers_of(row)
        if numbers is None or len(numbers) != 4:
            raise BoxesError(f"{json.dumps(row)[:_SHOWN]} is no box of four numbers; {_HOW}")
        x0, y0, x1, y1 = numbers
        if x1 < x0 or y1 < y0:
            raise BoxesError(
                f"{x0:g} {y0:g} {x1:g} {y1:g} ends before it begins (x y width height?); {_HOW}"
            )
        found.append((x0, y0, x1, y1))
    return tuple(found)


def _json(written: str) -> Sequence[object]:
    try:
        rows = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise BoxesError(f"{written[:_SHOWN]!r} is no JSON; {_HOW}") from error
    return [rows] if numbers_of(rows) else list(rows)


def _plain(written: str) -> list[list[float]]:
    try:
        return rows_in(written)
    except ValueError as error:
        raise BoxesError(f"{written[:_SHOWN]!r} is no row of numbers; {_HOW}") from error
