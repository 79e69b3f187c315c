"""A video's own process: it answers, hears a cancel, gives back, and is not missed when killed."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, update

from app import pids
from app.db.session import reading, writing
from app.db.tables import Prediction
from app.storage import files
from tests.app.predictions.colours import Service, png, running
from tests.films import GREEN, RED, film, plain
from worker import children, jobs, predict
from worker.alive import reconcile

Setting = Callable[[str, object], None]
LONG = 4000  # frames: seconds of work


@pytest.fixture(autouse=True)
def stopping() -> Iterator[threading.Event]:
    children.stopping.clear()
    yield children.stopping
    children.stopping.clear()


@pytest.fixture
def service(sqlite: Engine, bells: list[tuple[str, str]]) -> Iterator[Service]:
    with running(bells) as made:
        labels = {"classes": ["informative", "non_informative"], "positive": "informative"}
        made.add_model("mdl_quality", {**labels, "arm": "depth:3"}, task="frame_quality")
        made.deploy("mdl_quality", "frame_quality", task="frame_quality")
        yield made


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    frame = plain(GREEN, 320, 240)
    path = tmp_path_factory.mktemp("films") / "long.avi"
    return film(path, (frame for _ in range(LONG)), fps=25, clock=25).read_bytes()


def sent(service: Service, data: bytes, **fields: str) -> str:
    return str(service.ask(data, "frame_quality", **fields).json()["id"])


def row(name: str) -> Prediction:
    with reading() as session:
        return session.get_one(Prediction, name)


def until(true: Callable[[], object], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def reading_of(name: str) -> bool:
    """Whether some frames have been read."""
    progress = row(name).progress
    return bool(progress and progress["done"])


def process_of_video() -> psutil.Process:
    (path,) = pids.folder().glob("worker-video-*.pid")
    return psutil.Process(int(path.stem.rsplit("-", 1)[1]))


def begun(name: str) -> threading.Thread:
    """The worker at a video, its first frames read."""
    thread = threading.Thread(target=predict.predict, args=(name,))
    thread.start()
    until(lambda: reading_of(name))
    return thread


def ended(thread: threading.Thread) -> None:
    thread.join(60)
    assert not thread.is_alive(), "the worker is still at the video"


def test_a_video_is_answered_by_a_process_of_its_own(service: Service, tmp_path: Path) -> None:
    pictures = [plain(RED)] * 10 + [plain(GREEN)] * 10
    data = film(tmp_path / "film.mp4", pictures).read_bytes()
    name = sent(service, data, annotated="true")
    predict.predict(name)
    found = service.get(name).json()
    assert found["state"] == "succeeded", found
    assert found["finding"]["shares"]["informative"] == 0.5
    kept = row(name)
    assert kept.lease_owner is None
    assert kept.upload is None
    assert set(kept.outputs or {}) == {"timeline.png", "annotated.mp4"}
    assert all(files().exists(facts["object"]) for facts in (kept.outputs or {}).values())
    assert list(pids.folder().glob("*.pid")) == []


def test_a_cancel_ends_it_long_before_its_last_frame_and_leaves_nothing(
    service: Service, long_film: bytes
) -> None:
    name = sent(service, long_film, stride="1")
    thread = begun(name)
    below = process_of_video().children(recursive=True)
    reply = service.client.post(f"/v1/predictions/{name}/cancel", headers=service.headers())
    assert (reply.status_code, reply.json()["state"]) == (202, "running")
    told: list[int] = []

    def over() -> bool:
        told.append((row(name).progress or {"done": 0})["done"])
        return not thread.is_alive()

    until(over)
    assert max(told) < LONG / 2
    found = service.get(name).json()
    assert (found["state"], found["finding"]) == ("cancelled", None)
    assert "failure" not in found
    assert list(files().names("inputs/")) == list(files().names("outputs/")) == []
    assert not any(process.is_running() for process in below)


def test_an_image_is_answered_while_a_video_is_in_work(service: Service, long_film: bytes) -> None:
    first, second = (sent(service, long_film, stride="1") for _ in range(2))
    thread = begun(first)
    image = service.ask(png(red=255), "frame_quality", headers={"Prefer": "respond-async"})
    predict.predict(second)  # the bell of another video: it waits, and the image is found
    assert row(first).state == "running"  # nobody waited for it
    assert service.get(image.json()["id"]).json()["state"] == "succeeded"
    assert row(second).state == "queued"
    for name in (first, second):
        service.client.post(f"/v1/predictions/{name}/cancel", headers=service.headers())
    ended(thread)


def test_a_worker_that_stops_gives_its_video_back(
    service: Service, long_film: bytes, stopping: threading.Event
) -> None:
    name = sent(service, long_film, stride="1")
    thread = begun(name)
    stopping.set()
    ended(thread)
    kept = row(name)
    assert (kept.state, kept.lease_owner, kept.losses, kept.lost_workers) == ("queued", None, 0, 0)
    assert list(files().names("inputs/")) == [f"inputs/{name}"]


def test_a_process_that_is_killed_costs_one_try_and_another_takes_the_video_up(
    service: Service, long_film: bytes
) -> None:
    name = sent(service, long_film, stride="1")
    thread = begun(name)
    child = process_of_video()
    below = child.children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    ended(thread)
    kept = row(name)
    assert (kept.state, kept.losses, kept.attempt) == ("queued", 1, 1)
    until(lambda: not any(process.is_running() for process in below), 5)
    quick = {"options": {**kept.options, "stride": 100}, "due_at": None}
    with writing() as session:
        session.execute(update(Prediction).where(Prediction.id == name).values(**quick))
    predict.predict(name)
    assert service.get(name).json()["state"] == "succeeded"
    assert row(name).attempt == 2


def test_a_video_whose_worker_is_gone_waits_for_another(
    service: Service, long_film: bytes, setting: Setting
) -> None:
    """The whole machine went: nobody says so, the lease runs out."""
    name = sent(service, long_film, stride="1")
    setting("lease_s", 1)
    thread = begun(name)
    child = process_of_video()
    child.suspend()  # neither dead nor at work
    with writing() as session:
        session.execute(update(Prediction).where(Prediction.id == name).values(lease_owner="lost"))
    until(lambda: _expired(name), 20)
    reconcile()
    assert row(name).state == "queued"
    child.kill()
    ended(thread)
    assert row(name).state == "queued"  # its late end changed nothing


def _expired(name: str) -> bool:
    with reading() as session:
        return bool(predict.lifecycle.expired(session))


def test_a_doubled_bell_starts_nothing(
    service: Service, long_film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(jobs, "tend", lambda module, row_id: started.append(module) or 0)
    name = sent(service, long_film)
    service.client.post(f"/v1/predictions/{name}/cancel", headers=service.headers())
    predict.predict(name)
    predict.predict("prd_that_was_never")
    assert started == []
