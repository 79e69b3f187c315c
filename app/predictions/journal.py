"""Rows of answered predictions, written in batches by one thread after the replies have left."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.db.session import WRONG, writing
from app.db.tables import Audit, Json, Prediction

CAPACITY = 2000
BATCH = 200
GATHER_S = 0.2  # a batch is open for so long: what a killed process may lose
WAITS_S = (0.1, 0.5, 2.0)  # between tries while the database is away
CLOSING_TRIES = 3

log = structlog.get_logger()


@dataclass(frozen=True)
class Entry:
    """One answered prediction: its row and its audit row, as columns."""

    prediction: Json
    audit: Json


def write(entries: Sequence[Entry]) -> None:
    """Stores a batch in one transaction."""
    with writing() as session:
        session.execute(insert(Prediction), [entry.prediction for entry in entries])
        session.execute(insert(Audit), [entry.audit for entry in entries])


class Journal:
    """A bounded buffer between replies and the database; nothing in it is dropped but what the
    database refuses for itself, and that is said.

    While the database is away a batch is tried again and the buffer fills; `put` then answers
    False and the caller waits with `put_waiting`, so that a reply never runs ahead of its record
    by more than the buffer.
    """

    _STOP: Final = None

    def __init__(self, store: Callable[[Sequence[Entry]], None] = write) -> None:
        self._store = store
        self._entries: queue.Queue[Entry | None] = queue.Queue(CAPACITY)
        self._unwritten: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def put(self, entry: Entry) -> bool:
        """Takes an entry without waiting; False if the buffer is full and it was not taken."""
        self._start()
        self._unwritten[entry.prediction["id"]] = entry
        try:
            self._entries.put_nowait(entry)
        except queue.Full:
            return False
        return True

    def put_waiting(self, entry: Entry) -> None:
        """Takes an entry, waiting for room. For a thread."""
        self._unwritten[entry.prediction["id"]] = entry
        self._entries.put(entry)

    def find(self, prediction_id: str) -> Json | None:
        """The columns of a prediction that has been answered but not yet stored."""
        entry = self._unwritten.get(prediction_id)
        return None if entry is None else entry.prediction

    def close(self) -> None:
        """Writes what is left and ends the thread; the next `put` would start another."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._entries.put(self._STOP)
            thread.join()

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._closing.clear()
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (first := self._entries.get()) is not self._STOP:
            stopped = self._closing.wait(GATHER_S)
            batch: list[Entry] = [first]
            while len(batch) < BATCH and not self._entries.empty():
                entry = self._entries.get_nowait()
                if entry is self._STOP:
                    self._entries.put(self._STOP)  # after the batch, stop
                    break
                batch.append(entry)
            self._write(batch, stopped)

    def _write(self, batch: Sequence[Entry], closing: bool) -> None:
        try:
            self._write_persistently(batch, closing)
        except WRONG as error:
            # One by one: a row that stands already is of a commit whose answer was lost; one that
            # the database will never take must not keep the others waiting.
            for entry in batch if len(batch) > 1 else ():
                self._write([entry], closing)
            if len(batch) == 1 and not isinstance(error, IntegrityError):
                ids = [batch[0].prediction["id"]]
                log.error("journal_refused", ids=ids, error=type(error).__name__)
        for entry in batch:
            self._unwritten.pop(entry.prediction["id"], None)

    def _write_persistently(self, batch: Sequence[Entry], closing: bool) -> None:
        tries = 0
        while True:
            try:
                return self._store(batch)
            except WRONG:
                raise
            except SQLAlchemyError as error:
                tries += 1
                log.warning("journal_delayed", rows=len(batch), error=type(error).__name__)
                if (closing or self._closing.is_set()) and tries >= CLOSING_TRIES:
                    log.error("journal_lost", ids=[entry.prediction["id"] for entry in batch])
                    return None
                self._closing.wait(WAITS_S[min(tries, len(WAITS_S)) - 1])


journal = Journal()
