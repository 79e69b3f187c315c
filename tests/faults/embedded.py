"""A whole embedded stack to be hurt: its processes are killed, its work must come out the same."""

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from models.discovery import tasks
from tests.faults import holds
from tests.faults.harm import LEASE_S, PATIENCE, Harm, wait_for

KEY = "lt_faults"
SWEEP = {
    "backbone": "tiny", "arms": ["depth:1", "depth:4"], "recipe": {"epochs": 30, "batch_size": 16},
}  # fmt: skip
CASES = 40
SHORT = {"arms": ["depth:2"], "recipe": {"epochs": 4, "batch_size": 16}}


@cache
def phantoms() -> bytes:
    """An archive of synthetic images with two classes, the same each time."""
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(CASES):
            for name, data in tasks()["classification"].phantom(rng, index).files.items():
                archive.writestr(name, data)
    return buffer.getvalue()


class Stack:
    """`up` on a free port with short leases, its pid files, and a client."""

    def __init__(self, var: Path, disk_bytes: int = 0) -> None:
        self.var, self.output, self.disk_bytes = var, var.parent / "up.out", disk_bytes
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()
        self.dataset_id = ""
        self.harm = Harm(var.parent / "faults")

    def start(self) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("LAYERTUNE_")}
        environment = ours | {
            "LAYERTUNE_VAR": str(self.var), "LAYERTUNE_PORT": "0", "LAYERTUNE_ADMIN_KEY": KEY,
            "LAYERTUNE_LEASE_S": LEASE_S, "LAYERTUNE_RECONCILE_S": "1", "LAYERTUNE_GRACE_S": "5",
            "LAYERTUNE_THREADS": "1", "LAYERTUNE_DISK_FLOOR_BYTES": "0",
            **self.harm.environment(),
        }  # fmt: skip
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self._command(), env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
                # a shell's background job: SIGINT arrives ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )  # fmt: skip
        self.until(lambda: "ready http" in self.said() or not self.runs(), 120)
        assert "ready http" in self.said(), self.said()
        url = "http" + self.said().split("ready http", 1)[1].split()[0]
        self.client.close()
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20 * PATIENCE,
            transport=httpx.HTTPTransport(retries=2),
        )  # fmt: skip

    def _command(self) -> list[str]:
        """`up`, or `up` in a mount namespace where its folder is a disk of that size."""
        up = [sys.executable, "-m", "app.cli.up"]
        if not self.disk_bytes:
            return up
        self.var.mkdir()
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        mount = f"mount -t tmpfs -o size={self.disk_bytes} tmpfs '{self.var}'"
        return [*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh", *up]

    @property
    def inside(self) -> Path:
        """Its folder as it sees it."""
        assert self.process is not None
        root = Path(f"/proc/{self.process.pid}/root") if self.disk_bytes else Path("/")
        return root / self.var.relative_to("/")

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Sends the signal to `up` alone; the seconds until it had ended."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30 * PATIENCE)
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
        self.until(lambda: any((self.inside / "run").glob(f"{name}-*.pid")), 20)
        newest = max((self.inside / "run").glob(f"{name}-*.pid"), key=lambda p: p.stat().st_mtime)
        return int(newest.stem.rsplit("-", 1)[1])

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        wait_for(true, seconds, lambda: f"up said:\n{self.said()[-2000:]}")

    def get(self, path: str) -> Any:
        """A GET that bears with an API that is just being restarted."""
        for _ in range(int(100 * PATIENCE)):
            with suppress(httpx.TransportError):
                return self.client.get(path).raise_for_status().json()
            time.sleep(0.2)
        raise TimeoutError(path)

    def upload(self) -> None:
        self.dataset_id = self.send_upload()
        self.checked(self.dataset_id)

    def send_upload(self) -> str:
        """Sends the phantoms; the id of the data set that is now checked."""
        answer = self.client.post(
            "/v1/datasets", data={"task": "classification", "name": "phantoms"},
            files={"archive": ("phantoms.zip", phantoms())},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def checked(self, dataset_id: str) -> None:
        path = f"/v1/datasets/{dataset_id}"
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
        if self.disk_bytes:
            return self._copied_rows(query, *values)
        with closing(sqlite3.connect(f"file:{self.var / 'layertune.db'}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def _copied_rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """SQLite would follow /proc/…/root back to this namespace: a copy is asked, anew when it
        was taken in the middle of a write.
        """
        for _ in range(50):
            with tempfile.TemporaryDirectory() as folder, suppress(sqlite3.DatabaseError, OSError):
                for name in ("layertune.db-wal", "layertune.db"):
                    shutil.copy(self.inside / name, folder)
                with closing(sqlite3.connect(Path(folder) / "layertune.db")) as db:
                    return db.execute(query, values).fetchall()
            time.sleep(0.1)
        raise RuntimeError(f"no whole copy of {self.inside / 'layertune.db'}")

    def same(self, sweep_id: str, expected: dict[str, Any]) -> None:
        """The end of most scenarios: the sweep succeeds by itself, and everything holds."""
        assert self.ended(sweep_id)["state"] == "succeeded"
        holds.ended_once(self.rows, sweep_id)
        assert holds.artefacts(self.rows, sweep_id) == expected
        self.tidy()

    def tidy(self) -> None:
        """No lane outlives its work, and no attempt leaves a file behind."""
        wait_for(lambda: not self.leftovers(), 60, lambda: f"left over: {self.leftovers()}")

    def leftovers(self) -> list[str]:
        kinds = (self.inside / "cache" / kind for kind in ("checks", "runs", "finishes"))
        folders = [path for kind in kinds for path in kind.glob("*")]
        folders += (self.inside / "files" / ".unfinished").glob("*")
        folders += (self.inside / "files" / "checkpoints").rglob("*.safetensors")
        # One without a row may still get it: it is swept away after a day (worker.leftovers).
        uploads = {upload for (upload,) in self.rows("SELECT upload FROM datasets")}
        kept = (self.inside / "files" / "uploads").glob("*")
        folders += [path for path in kept if f"uploads/{path.name}" in uploads]
        return [*map(str, folders), *(c for c in self.alive() if "worker.lane" in c)]

    def write(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.var / "layertune.db", timeout=30)) as db:
            db.execute(statement, values)
            db.commit()

    def weights(self, sweep_id: str) -> dict[str, str]:
        """arm -> object name, which is the digest of the weights."""
        query = "SELECT arm, weights FROM runs WHERE sweep_id = ? ORDER BY position"
        return dict(self.rows(query, sweep_id))
