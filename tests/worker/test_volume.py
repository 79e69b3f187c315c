"""A volume's own process: it answers, hears a cancel in every stage, and leaves nothing behind."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
from sqlalchemy import Engine

from app import pids
from app.db.session import reading
from app.db.tables import Prediction
from app.settings import settings
from app.storage import files
from models.discovery import tasks
from tests import spots
from tests.app.predictions.colours import Service, running
from worker import children, predict

TASK = "pulmonary_embolism"  # found by the process, as a task made up in this one is not


@pytest.fixture(autouse=True)
def stopping() -> Iterator[threading.Event]:
    children.stopping.clear()
    yield children.stopping
    children.stopping.clear()


@pytest.fixture
def service(sqlite: Engine, bells: list[tuple[str, str]]) -> Iterator[Service]:
    with running(bells) as made:
        labels = {"classes": ["other", "embolus"], "positive": "embolus"}
        card = {**labels, "arm": "depth:3", "edition": tasks()[TASK].edition}
        made.add_model("mdl_embolus", card, task=TASK)
        made.deploy("mdl_embolus", TASK, task=TASK)
        yield made


def row(name: str) -> Prediction:
    with reading() as session:
        return session.get_one(Prediction, name)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def process_of_volume() -> psutil.Process:
    (path,) = pids.folder().glob("worker-video-*.pid")
    return psutil.Process(int(path.stem.rsplit("-", 1)[1]))


def test_a_volume_is_answered_by_a_process_of_its_own(service: Service) -> None:
    data = spots.zipped(spots.dicom(series_uid="1.2.3"))
    name = str(service.ask(data, TASK).json()["id"])
    predict.predict(name)
    found = service.get(name).json()
    assert found["state"] == "succeeded", found
    assert found["input"]["series_instance_uid"] == "1.2.3"
    kept = row(name)
    assert (kept.lease_owner, kept.upload, kept.progress) == (None, None, None)
    assert set(kept.outputs or {}) == {"overview.png", "volume.vol"}
    assert all(files().exists(facts["object"]) for facts in (kept.outputs or {}).values())
    assert list(pids.folder().glob("*.pid")) == []
    assert list((settings().scratch / "volumes").iterdir()) == []


def test_a_cancel_while_it_is_read_ends_it_and_leaves_nothing(
    service: Service,
) -> None:
    noise = np.random.default_rng(0).integers(-1000, 400, (120, 320, 320)).astype(np.int16)
    name = str(service.ask(spots.zipped(spots.dicom(noise)), TASK).json()["id"])
    thread = threading.Thread(target=predict.predict, args=(name,))
    thread.start()
    until(lambda: row(name).progress)
    until(lambda: process_of_volume().children(recursive=True))
    below = process_of_volume().children(recursive=True)
    service.client.post(f"/v1/predictions/{name}/cancel", headers=service.headers())
    thread.join(60)
    assert not thread.is_alive()
    assert (row(name).state, row(name).failure) == ("cancelled", None)
    assert list(files().names("inputs/")) == list(files().names("outputs/")) == []
    assert not any(process.is_running() for process in below)
    assert list((settings().scratch / "volumes").iterdir()) == []
