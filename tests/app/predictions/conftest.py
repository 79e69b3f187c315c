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


@pytest.fixture
def video_service(service: Service) -> Service:
    """The same with a deployment of each task that takes videos: red is good, and red a polyp."""
    labels = {"classes": ["informative", "non_informative"], "positive": "informative"}
    service.add_model("mdl_quality", {**labels, "arm": "depth:3"}, task="frame_quality")
    point = {"name": "fpr=0.10", "threshold": 0.6, "sensitivity": 0.9, "specificity": 0.9}
    service.deploy("mdl_quality", "frame_quality", point, task="frame_quality")
    service.add_model(
        "mdl_polyp", {"classes": ["polyp"], "positive": "polyp", "arm": "depth:4"}, task="polyp"
    )
    point = {"name": "fp_per_image=0.1", "threshold": 0.6, "sensitivity": 0.9, "fp_per_image": 0.08}
    service.deploy("mdl_polyp", "polyp", point, task="polyp")
    return service


@pytest.fixture
def wall_service(service: Service) -> Service:
    """The same with a deployment that traces walls, told by their greys."""
    card = {"classes": ["lumen", "intima_media", "adventitia"], "positive": None, "arm": "depth:4"}
    service.add_model("mdl_wall", card, task="intima_media")
    service.deploy("mdl_wall", "intima_media", task="intima_media")
    return service
