"""What time it is by the one clock that all processes share: the database's.

Leases, ends of keys, bells and everything else that two processes compare is told by it: a machine
whose own clock is an hour ahead would otherwise take the work of the living.
"""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

JUMP_S = 5.0  # what an answer may take on a crowded machine is no jump
SQLITE = text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
ROUNDED = timedelta(microseconds=999)  # it shows thousandths: never before what was noted just now


def clock(session: Session) -> datetime:
    """The moment, in UTC; nothing is flushed for it."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        shown = str(connection.scalar(SQLITE))
        return datetime.fromisoformat(shown).replace(tzinfo=UTC) + ROUNDED
    found = connection.scalar(select(func.clock_timestamp()))
    if not isinstance(found, datetime):
        raise TypeError(f"the database's clock shows {found!r}")
    return found.astimezone(UTC)


class Jumps:
    """Whether that clock was set, or this machine slept, since it was last looked at."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def seen(self, at: datetime) -> bool:
        """`at` is what the clock shows now; seconds by it are held against seconds that passed."""
        before, self._last = self._last, (at, time.monotonic())
        if before is None:
            return False
        shown_s = (at - before[0]).total_seconds()
        return abs(shown_s - (self._last[1] - before[1])) > JUMP_S
