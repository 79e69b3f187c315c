"""Pages of a list: a cursor says where the last one ended, so nothing shifts under the reader."""

import base64
import binascii
import re
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import Unprocessable

# What a page may end with, by the kind of its column: an id or a name, or a position.
_LAST = {str: re.compile(r"[a-z0-9][a-z0-9_-]{0,99}"), int: re.compile(r"[0-9]{1,18}")}


def page(
    session: Session,
    query: Select[Any],
    column: InstrumentedAttribute[Any],
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> tuple[list[Any], str | None]:
    """One page of a query ordered by a unique column (an id, a position), and the next cursor."""
    if cursor is not None:
        after = _read(cursor, column.type.python_type)
        query = query.where(column < after if newest_first else column > after)
    order = column.desc() if newest_first else column.asc()
    rows = list(session.scalars(query.order_by(order).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, _written(getattr(rows[-1], column.key)) if more else None


def _written(last: Any) -> str:
    return base64.urlsafe_b64encode(str(last).encode()).decode().rstrip("=")


def _read(cursor: str, kind: type) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        if not _LAST[kind].fullmatch(text):
            raise ValueError("neither an id nor a position")
        return kind(text)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        fault = {"pointer": "query/cursor", "detail": "not a cursor of this list"}
        raise Unprocessable("bad_cursor", "give next_cursor of the page before", [fault]) from error
