"""A whole embedded stack to be hurt: its processes are killed, its work must come out the same."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from models.discovery import tasks

KEY = "lt_faults"
SWEEP = {
    "backbone": "tiny", "arms": ["depth:1", "depth:4"], "recipe": {"epochs": 30, "batch_size": 16},
}  # fmt: skip
CASES = 40


class Stack:
    """`up` on a free port with short leases, its pid files, and a client."""

    def __init__(self, var: Path) -> None:
        self.var, self.output = var, var.parent / "up.out"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()
        self.dataset_id = ""

    def start(self) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("LAYERTUNE_")}
        environment = ours | {
            "LAYERTUNE_VAR": str(self.var), "LAYERTUNE_PORT": "0", "LAYERTUNE_ADMIN_KEY": KEY,
            "LAYERTUNE_LEASE_S": "3", "LAYERTUNE_RECONCILE_S": "1", "LAYERTUNE_GRACE_S": "5",
            "LAYERTUNE_THREADS": "1", "LAYERTUNE_DISK_FLOOR_BYTES": "0",
        }  # fmt: skip
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli.up"], env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
                # a shell's background job: SIGINT arrives ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )  # fmt: skip
        self.until(lambda: "ready http" in self.said() or not self.runs(), 120)
        assert "ready http" in self.said(), self.said()
        url = self.said().split("ready ", 1)[1].split()[0]
        self.client.close()
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20,
            transport=httpx.HTTPTransport(retries=2),
        )  # fmt: skip

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Sends the signal to `up` alone; the seconds until it had ended."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began

    def alive(self) -> list[str]:
        """Commands of the processes that belong to this stack, found by their environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("LAYERTUNE_VAR") == str(self.var):
                    found.append(" ".join(process.cmdline()))
        return found

    def pid(self, name: str) -> int:
        """The pid of a child by its pid file; waits until there is one."""
        self.until(lambda: any((self.var / "run").glob(f"{name}-*.pid")), 20)
        newest = max((self.var / "run").glob(f"{name}-*.pid"), key=lambda p: p.stat().st_mtime)
        return int(newest.stem.rsplit("-", 1)[1])

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s; up said:\n{self.said()[-2000:]}")
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        """A GET that bears with an API that is just being restarted."""
        for _ in range(100):
            with suppress(httpx.TransportError):
                return self.client.get(path).raise_for_status().json()
            time.sleep(0.2)
        raise TimeoutError(path)

    def upload(self) -> None:
        rng, buffer = np.random.default_rng(0), io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for index in range(CASES):
                for name, data in tasks()["classification"].phantom(rng, index).files.items():
                    archive.writestr(name, data)
        answer = self.client.post(
            "/v1/datasets", data={"task": "classification", "name": "phantoms"},
            files={"archive": ("phantoms.zip", buffer.getvalue())},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        self.dataset_id = answer.json()["id"]
        path = f"/v1/datasets/{self.dataset_id}"
        self.until(lambda: self.get(path)["state"] != "checking", 120)
        assert self.get(path)["state"] == "ready", self.get(path)

    def sweep(self, **more: Any) -> str:
        answer = self.client.post(
            "/v1/sweeps", json={"dataset_id": self.dataset_id, **SWEEP, **more}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def state(self, sweep_id: str) -> str:
        return str(self.get(f"/v1/sweeps/{sweep_id}")["state"])

    def epochs(self, sweep_id: str) -> int:
        return int(self.get(f"/v1/sweeps/{sweep_id}")["progress"]["epochs_done"])

    def ended(self, sweep_id: str, seconds: float = 150) -> Any:
        """The sweep once it has ended, whichever way."""
        ends = ("succeeded", "failed", "cancelled")
        self.until(lambda: self.state(sweep_id) in ends, seconds)
        return self.get(f"/v1/sweeps/{sweep_id}")

    def attempts(self, sweep_id: str) -> int:
        """The highest attempt of its runs: above 1, somebody was disturbed."""
        return int(self.rows("SELECT max(attempt) FROM runs WHERE sweep_id = ?", sweep_id)[0][0])

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.var / 'layertune.db'}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def weights(self, sweep_id: str) -> dict[str, str]:
        """arm -> object name, which is the digest of the weights."""
        query = "SELECT arm, weights FROM runs WHERE sweep_id = ? ORDER BY position"
        return dict(self.rows(query, sweep_id))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack") / "var")
    made.start()
    try:
        made.upload()
        yield made
    finally:
        made.client.close()
        if made.runs():
            made.stop()


@pytest.fixture(scope="session")
def undisturbed(stack: Stack) -> dict[str, str]:
    """The weights of a sweep that nobody troubled, by arm."""
    sweep_id = stack.sweep()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    found = stack.weights(sweep_id)
    assert all(name.startswith("weights/") for name in found.values())
    return found
