"""When keys are used and refused: gathered in memory, written now and then by one thread.

A request must not wait for this, nor a burst of wrong keys fill the audit.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import structlog
from prometheus_client import Counter
from sqlalchemy import CursorResult, or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.auth import Caller, Refusal
from app.db.session import writing
from app.db.tables import Audit, Key, now

EVERY_S = 30.0  # between two writes: as much of it a killed process may lose
REFUSED_AGAIN_S = 600.0  # the same refusal is audited once in so long
REFUSALS_MAX = 200  # audited at once; what is beyond is counted in the metrics only
FIRST_USED, KEY_REFUSED = "key_first_used", "key_refused"
OK, UNAUTHORISED = 200, 401

log = structlog.get_logger()
refused_total = Counter("layertune_keys_refused_total", "API keys refused", ["reason"])


@dataclass(frozen=True)
class Use:
    caller: Caller
    at: datetime
    request_id: str


@dataclass(frozen=True)
class Refused:
    refusal: Refusal
    address: str
    at: datetime
    request_id: str


Who = tuple[str, str | None, str]  # reason, key, address


class Logins:
    """What was seen at the gate and is not written yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: dict[str, Use] = {}
        self._refused: dict[Who, Refused] = {}
        self._said: dict[Who, float] = {}
        self._opened = 0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def used(self, caller: Caller, request_id: str) -> None:
        """A key was looked up and opened the gate."""
        with self._lock:
            self._uses[caller.key_id] = Use(caller, now(), request_id)

    def refused(self, refusal: Refusal, address: str, request_id: str) -> None:
        """A key was given and opened nothing. The key itself is not kept, not even its digest."""
        refused_total.labels(refusal.reason).inc()
        who = refusal.reason, refusal.key_id, address
        with self._lock:
            said = self._said.get(who)
            late = said is None or self._clock() - said >= REFUSED_AGAIN_S
            if late and who not in self._refused and len(self._refused) < REFUSALS_MAX:
                self._refused[who] = Refused(refusal, address, now(), request_id)

    def write(self) -> None:
        """Writes what was gathered; while the database is away it is kept."""
        with self._lock:
            uses, self._uses = self._uses, {}
            refused, self._refused = self._refused, {}
        if not uses and not refused:
            return
        try:
            with writing() as session:
                for use in uses.values():
                    _write_use(session, use)
                session.add_all(_row(found) for found in refused.values())
        except SQLAlchemyError as error:
            log.warning("logins_delayed", error=type(error).__name__)
            with self._lock:
                self._uses, self._refused = uses | self._uses, refused | self._refused
            return
        with self._lock:
            at = self._clock()
            fresh = {who: said for who, said in self._said.items() if at - said < REFUSED_AGAIN_S}
            self._said = fresh | dict.fromkeys(refused, at)

    def open(self) -> None:
        """An application begins to serve: the thread writes from now on."""
        with self._lock:
            self._opened += 1
            if self._thread is None:
                self._closing = threading.Event()
                arguments: Final = (self._closing,)
                self._thread = threading.Thread(
                    target=self._run, args=arguments, name="logins", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """An application has served: what is left is written; after the last the thread ends."""
        self.write()
        with self._lock:
            self._opened -= 1
            thread = self._thread if self._opened == 0 else None
            if thread is not None:
                self._thread = None
                self._closing.set()
        if thread is not None:
            thread.join()

    def forget(self) -> None:
        """What was gathered is dropped: for tests, whose databases come and go."""
        with self._lock:
            self._uses, self._refused, self._said = {}, {}, {}

    def _run(self, closing: threading.Event) -> None:
        while not closing.wait(EVERY_S):
            self.write()


def _write_use(session: Session, use: Use) -> None:
    """Notes the last use; the first one of all is audited, by whichever replica comes first."""
    of_it = update(Key).where(Key.id == use.caller.key_id).values(last_used_at=use.at)
    first = session.execute(of_it.where(Key.last_used_at.is_(None)))
    if cast("CursorResult[Any]", first).rowcount == 1:
        session.add(
            Audit(
                at=use.at,
                workspace=use.caller.workspace,
                key_id=use.caller.key_id,
                action=FIRST_USED,
                resource=use.caller.key_id,
                status=OK,
                request_id=use.request_id,
            )
        )
        return
    session.execute(of_it.where(or_(Key.last_used_at.is_(None), Key.last_used_at < use.at)))


def _row(found: Refused) -> Audit:
    return Audit(
        at=found.at,
        workspace=found.refusal.workspace,
        key_id=found.refusal.key_id,
        action=KEY_REFUSED,
        resource=f"{found.refusal.reason} from {found.address}",
        status=UNAUTHORISED,
        request_id=found.request_id,
    )


logins = Logins()
