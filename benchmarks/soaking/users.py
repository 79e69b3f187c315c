"""People, programs and worse: each runs in a thread until the time is over."""

import io
import random
import secrets
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.soaking.measured import Ledger
from models.discovery import tasks

TASK = "classification"
CASES = 40
ENDED = ("ready", "rejected", "succeeded", "failed", "cancelled")
SWEEP = {"backbone": "tiny", "arms": ["depth:1", "depth:4"],
         "recipe": {"epochs": 4, "batch_size": 16}}  # fmt: skip


@dataclass
class World:
    """Where to ask, what is known of it, and what was asked."""

    url: str
    key: str
    ledger: Ledger
    until: float = 0.0
    dataset_id: str = ""
    model_id: str = ""
    image: bytes = b""
    said: dict[str, Any] = field(default_factory=dict)  # prediction id -> its finding
    again: dict[str, tuple[str, str]] = field(default_factory=dict)  # idempotency key -> two ids

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=120,
            trust_env=False,
        )  # fmt: skip

    def ask(self, client: httpx.Client, kind: str, *request: Any, **given: Any) -> httpx.Response:
        """Asks and notes how long it took; a server error, but for `busy`, is a fault."""
        began = time.perf_counter()
        reply = client.request(*request, **given)
        self.ledger.note(kind, (time.perf_counter() - began) * 1e3)
        if reply.status_code >= 500:
            self.ledger.fault(f"{kind}: {reply.status_code} {reply.text[:200]}")
        return reply


def phantoms(seed: int) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    made = [tasks()[TASK].phantom(rng, index) for index in range(CASES)]
    return {name: data for one in made for name, data in one.files.items()}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def upload(world: World, client: httpx.Client, data: bytes, kind: str = "upload") -> str:
    reply = world.ask(
        client, kind, "POST", "/v1/datasets", data={"task": TASK, "name": kind},
        files={"archive": ("upload", data)},
    )  # fmt: skip
    if reply.status_code != 202:
        world.ledger.fault(f"{kind}: {reply.status_code} {reply.text[:200]}")
        return ""
    world.ledger.accept("dataset", reply.json()["id"])
    return str(reply.json()["id"])


def ended(client: httpx.Client, path: str, within_s: float) -> dict[str, Any]:
    until = time.monotonic() + within_s
    while True:
        found: dict[str, Any] = client.get(path).json()
        if found.get("state") in ENDED or time.monotonic() > until:
            return found
        time.sleep(0.3)


def prepare(world: World) -> None:
    """A data set, a sweep and a deployment for the others to use."""
    files = phantoms(0)
    world.image = next(iter(files.values()))
    with world.client() as client:
        world.dataset_id = upload(world, client, zipped(files))
        ended(client, f"/v1/datasets/{world.dataset_id}", 300)
        reply = client.post("/v1/sweeps", json={"dataset_id": world.dataset_id, **SWEEP})
        sweep_id = reply.raise_for_status().json()["id"]
        world.ledger.accept("sweep", sweep_id)
        found = ended(client, f"/v1/sweeps/{sweep_id}", 600)
        world.model_id = found["recommendation"]["model_id"]
        body = {"model_id": world.model_id}
        client.put(f"/v1/deployments/{TASK}", json=body).raise_for_status()


def uploader(world: World) -> None:
    """Archives of every kind, every other of them broken."""
    rng = random.Random(1)  # noqa: S311 - which wounds, not which secrets
    files = phantoms(1)
    kinds = [zipped(files), tarred(files, "w"), tarred(files, "w:gz")]
    with world.client() as client:
        while world.goes_on:
            data = rng.choice(kinds)
            if rng.random() < 0.5:
                cut = rng.randrange(len(data))
                data = data[:cut] + rng.randbytes(64) + data[cut + 64 :]
            # No faster than they are checked: a queue that grows would be the measure of itself.
            if row_id := upload(world, client, data):
                ended(client, f"/v1/datasets/{row_id}", 120)


def sweeper(world: World) -> None:
    """Sweeps, each asked for twice under one key; every third is cancelled on its way."""
    with world.client() as client:
        count = 0
        while world.goes_on:
            count, key = count + 1, secrets.token_hex(8)
            headers = {"Idempotency-Key": key}
            body = {"dataset_id": world.dataset_id, **SWEEP, "seeds": [count]}
            ids = [
                world.ask(client, "sweep", "POST", "/v1/sweeps", json=body, headers=headers)
                .json().get("id", "")
                for _ in range(2)
            ]  # fmt: skip
            world.again[key] = (ids[0], ids[1])
            world.ledger.accept("sweep", ids[0])
            if count % 3 == 0:
                time.sleep(1)
                world.ask(client, "cancel", "POST", f"/v1/sweeps/{ids[0]}/cancel")
            ended(client, f"/v1/sweeps/{ids[0]}", 120)


def predictor(world: World) -> None:
    """The same image again and again: each answer is one of its own, and all say the same."""
    with world.client() as client:
        while world.goes_on:
            reply = world.ask(
                client, "prediction", "POST", f"/v1/predictions/{TASK}",
                files={"file": ("image", world.image)},
            )  # fmt: skip
            if reply.status_code != 200:
                world.ledger.fault(f"prediction: {reply.status_code} {reply.text[:200]}")
                continue
            found = reply.json()
            if found["prediction_id"] in world.said:
                world.ledger.fault(f"{found['prediction_id']} was given twice")
            world.said[found["prediction_id"]] = found["finding"]
            time.sleep(0.02)


def watcher(world: World) -> None:
    """Opens a sweep's events, reads a few, and is gone without a word."""
    with world.client() as client:
        while world.goes_on:
            sweeps = world.ledger.accepted["sweep"]
            path = f"/v1/sweeps/{sweeps[-1]}/events"
            began = time.perf_counter()
            headers = {"Accept": "text/event-stream"}
            with client.stream("GET", path, headers=headers) as reply:
                if reply.status_code != 200:
                    world.ledger.fault(f"watch: {reply.status_code}")
                for _ in zip(range(3), reply.iter_raw(), strict=False):
                    pass
            world.ledger.note("watch", (time.perf_counter() - began) * 1e3)
            time.sleep(0.1)


NONSENSE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/v1/datasets?limit=-1", {}), ("GET", "/v1/sweeps/nowhere", {}),
    ("POST", "/v1/sweeps", {"content": b"{"}), ("POST", "/v1/sweeps", {"json": {"x": 1}}),
    ("POST", "/v1/datasets", {"content": b"--x", "headers": {
        "Content-Type": "multipart/form-data; boundary=x"}}),
    ("POST", f"/v1/predictions/{TASK}", {"files": {"file": ("f", b"\x00" * 100)}}),
    ("DELETE", "/v1/tasks", {}), ("GET", "/v1/models", {"headers": {"Authorization": "Bearer x"}}),
)  # fmt: skip


def nuisance(world: World) -> None:
    """Requests that are nonsense; each is refused, and is nobody's fault but its own."""
    with world.client() as client:
        while world.goes_on:
            for method, path, given in NONSENSE:
                reply = world.ask(client, "nonsense", method, path, **given)
                if not 400 <= reply.status_code < 500:
                    world.ledger.fault(f"{method} {path}: {reply.status_code}")
            time.sleep(0.2)


ALL: tuple[Callable[[World], None], ...] = (
    uploader, sweeper, predictor, predictor, watcher, watcher, nuisance,
)  # fmt: skip


def drain(world: World, within_s: float) -> bool:
    """Waits until all that was accepted has ended; whether it has."""
    until, paths = time.monotonic() + within_s, {"dataset": "datasets", "sweep": "sweeps"}
    with world.client() as client:
        return all(
            ended(client, f"/v1/{paths[kind]}/{row_id}", until - time.monotonic())["state"] in ENDED
            for kind, ids in world.ledger.accepted.items()
            for row_id in ids
        )
