"""A sweep's events as they come: replayed from the database, then followed, to the end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import lifecycle
from app.db.session import reading
from app.db.tables import Event
from app.sweeps import schemas

POLL_S = 0.5
HEARTBEAT_S = 10.0
BATCH = 500


def since(session: Session, sweep_id: str, after: int, limit: int) -> list[schemas.Event]:
    """Events with an id above `after`, in order."""
    rows = session.scalars(
        select(Event)
        .where(Event.sweep_id == sweep_id, Event.id > after)
        .order_by(Event.id)
        .limit(limit)
    )
    return [schemas.Event.model_validate(row) for row in rows]


def terminal(event: schemas.Event) -> bool:
    return event.kind == "sweep" and event.data.get("state") in lifecycle.ENDED


def look(sweep_id: str, after: int) -> tuple[list[schemas.Event], bool]:
    """New events, and whether none will follow. Blocking: for a thread."""
    with reading() as session:
        # The state is read first: an end between the two reads shows at the next look.
        ended = lifecycle.state_of(session, sweep_id) in lifecycle.ENDED
        found = since(session, sweep_id, after, BATCH)
    return found, ended and len(found) < BATCH


def message(event: schemas.Event) -> bytes:
    """One server-sent event; JSON has no raw line breaks, so one data line holds it."""
    data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()


Look = Callable[[str, int], Awaitable[tuple[Sequence[schemas.Event], bool]]]


async def stream(
    sweep_id: str,
    after: int,
    look_in_thread: Look,
    gone: Callable[[], Awaitable[bool]],
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> AsyncIterator[bytes]:
    """Server-sent events after `after`, until the terminal one, or until the watcher is gone.

    Nothing is held between two looks: no thread, no session. A comment is sent when there was
    nothing to say for a while, so that proxies keep the connection and a dead one is noticed.
    """
    spoke = time.monotonic()
    yield b"retry: 2000\n\n"
    while not await gone():
        found, ended = await look_in_thread(sweep_id, after)
        for event in found:
            after, spoke = event.id, time.monotonic()
            yield message(event)
            if terminal(event):
                return
        if ended:
            return
        if time.monotonic() - spoke >= HEARTBEAT_S:
            spoke = time.monotonic()
            yield b": still here\n\n"
        await sleep(POLL_S)
