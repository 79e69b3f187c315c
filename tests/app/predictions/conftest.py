"""A running service with two models and one deployment, in a workspace of its own."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from app.predictions.journal import journal
from tests.app.predictions.colours import Service, running


@pytest.fixture
def service(sqlite: Engine, bells: list[tuple[str, str]]) -> Iterator[Service]:
    with running(bells) as made:
        yield made


@pytest.fixture
def service_on_each(db: Engine, bells: list[tuple[str, str]]) -> Iterator[Service]:
    """The same on every kind of database."""
    with running(bells) as made:
        yield made


@pytest.fixture
def paused_journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The journal stores nothing until the event is set."""
    gate = threading.Event()
    store = journal._store

    def waiting(entries: Any) -> None:
        gate.wait(10)
        store(entries)

    monkeypatch.setattr(journal, "_store", waiting)
    yield gate
    gate.set()
    journal.close()
