"""The stack as compose runs it: single processes, PostgreSQL, Valkey over TCP, an S3 store.

Each service has a folder of its own, as containers have volumes; the two tuners share theirs, as
`--scale tuner=2` does. Nothing but the three servers joins them.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from models.discovery import tasks
from tests import servers
from tests.servers import Postgres

KEY = "lt_stack"
LAYERTUNE = Path(sys.executable).with_name("layertune")
CASES = 40
SWEEP = {
    "backbone": "tiny", "arms": ["depth:1", "depth:2", "depth:4"],
    "recipe": {"epochs": 28, "batch_size": 16},
}  # fmt: skip


class Stack:
    """The processes by name, a client of the API, and the database behind it."""

    def __init__(self, folder: Path, postgres: Postgres, environment: dict[str, str]) -> None:
        self.folder, self.postgres, self.environment = folder, postgres, environment
        self.database = environment["LAYERTUNE_DATABASE_URL"].split("?")[0].rsplit("/", 1)[1]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{environment['LAYERTUNE_PORT']}", timeout=20,
            headers={"Authorization": f"Bearer {KEY}"}, transport=httpx.HTTPTransport(retries=2),
        )  # fmt: skip
        self.dataset_id = ""

    # ---- processes ----

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """`layertune …` as a service; its folder is its name without the number."""
        volume = self.folder / name.rstrip("0123456789-")
        volume.mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [LAYERTUNE, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=volume, env={**self.environment, "LAYERTUNE_VAR": str(volume)},
                start_new_session=True,
            )  # fmt: skip
        return self.processes[name]

    def start_all(self) -> None:
        assert self.start("migrate", "migrate").wait(60) == 0, self.said("migrate")
        self.start("api", "api")
        self.start("predictor", "worker", "--queues", "io,predict")
        for number in (1, 2):
            self.start(f"tuner-{number}", "worker", "--queues", "tune")
        self.until(lambda: self.ready(), 60)

    def ready(self) -> bool:
        with suppress(httpx.TransportError):
            return self.client.get("/healthz/ready").status_code == 200
        return False

    def stop(self, name: str) -> float:
        """SIGTERM to that process alone; the seconds until it had ended."""
        began = time.monotonic()
        self.processes[name].terminate()
        self.processes[name].wait(30)
        return time.monotonic() - began

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def alive(self) -> list[str]:
        """Commands of all processes that work in a folder of this stack."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                var = process.environ().get("LAYERTUNE_VAR", "")
                if var.startswith(str(self.folder)) and process.status() != "zombie":
                    found.append(" ".join(process.cmdline()))
        return found

    def lanes(self) -> list[int]:
        files = (self.folder / "tuner" / "run").glob("worker-lane-*.pid")
        return sorted(int(path.stem.rsplit("-", 1)[1]) for path in files)

    # ---- the API ----

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                logs = "\n".join(f"== {name}\n{self.said(name)}" for name in self.processes)
                raise TimeoutError(f"not within {seconds} s\n{logs}")
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        """A GET that bears with a database that is just being restarted."""
        for _ in range(100):
            with suppress(httpx.HTTPError):
                return self.client.get(path).raise_for_status().json()
            time.sleep(0.2)
        raise TimeoutError(path)

    def upload(self) -> None:
        rng, buffer = np.random.default_rng(0), io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for index in range(CASES):
                for name, data in tasks()["frame_quality"].phantom(rng, index).files.items():
                    archive.writestr(name, data)
        answer = self.client.post(
            "/v1/datasets", data={"task": "frame_quality", "name": "frames"},
            files={"archive": ("frames.zip", buffer.getvalue())},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        self.dataset_id = answer.json()["id"]
        path = f"/v1/datasets/{self.dataset_id}"
        self.until(lambda: self.get(path)["state"] != "checking", 60)
        assert self.get(path)["state"] == "ready", self.get(path)

    def sweep(self) -> str:
        answer = self.client.post("/v1/sweeps", json={"dataset_id": self.dataset_id, **SWEEP})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def epochs(self, sweep_id: str) -> int:
        return int(self.get(f"/v1/sweeps/{sweep_id}")["progress"]["epochs_done"])

    def running(self, sweep_id: str) -> int:
        return sum(
            run["state"] == "running" and self.get(f"/v1/runs/{run['id']}")["epochs"] != []
            for run in self.get(f"/v1/sweeps/{sweep_id}")["runs"]
        )

    def ended(self, sweep_id: str, seconds: float = 120) -> Any:
        path, ends = f"/v1/sweeps/{sweep_id}", ("succeeded", "failed", "cancelled")
        self.until(lambda: self.get(path)["state"] in ends, seconds)
        return self.get(path)

    # ---- behind the API ----

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self.postgres.ask(query, self.database, *values)

    def weights(self, sweep_id: str) -> dict[str, str]:
        """arm -> object name, which is the digest of the weights."""
        return dict(self.rows("SELECT arm, weights FROM runs WHERE sweep_id = %s", sweep_id))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LAYERTUNE_")}
    with servers.postgres() as postgres, servers.valkey(folder) as broker:
        environment = ours | {
            "LAYERTUNE_DATABASE_URL": postgres.url(postgres.create()),
            "LAYERTUNE_BROKER_URL": broker,
            "LAYERTUNE_STORAGE_URL": "s3://tests/stack",
            "LAYERTUNE_S3_ENDPOINT_URL": s3_endpoint,
            "LAYERTUNE_ADMIN_KEY": KEY, "LAYERTUNE_PORT": str(free_port()),
            "LAYERTUNE_LEASE_S": "3", "LAYERTUNE_RECONCILE_S": "1", "LAYERTUNE_GRACE_S": "5",
            "LAYERTUNE_THREADS": "1", "LAYERTUNE_DISK_FLOOR_BYTES": "0",
        }  # fmt: skip
        made = Stack(folder, postgres, environment)
        try:
            made.start_all()
            made.upload()
            yield made
        finally:
            made.client.close()
            for process in made.processes.values():
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
            for process in made.processes.values():
                process.wait(30)
