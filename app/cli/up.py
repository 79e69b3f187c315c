"""`./run up`: the embedded stack as one process that starts, watches and stops all the others."""

import fcntl
import http.client
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from app import pids
from app.auth import ensure_admin
from app.cli import valkey
from app.cli.address import Address, AddressError
from app.cli.child import Child
from app.db.schema import upgrade
from app.db.session import writing
from app.settings import settings

STOP_S = 16.0  # of the 20 promised: what has not ended by then is killed
VALKEY_STOP_S = 2.0
POLL_S = 0.1
NOT_READY_AFTER_S = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UpError(Exception):
    """The stack cannot be started; the message names the way out."""


class Stack:
    """The children in the order of their start, and the wish to stop."""

    def __init__(self, var: Path, address: Address, log: IO[str]) -> None:
        self.var, self.address, self.log = var, address, log
        self.stop = threading.Event()
        self.valkey: Child | None = None
        self.children: list[Child] = []

    def say(self, text: str, *, logged: bool = True) -> None:
        """To the terminal and to the log; a closed terminal or a full disk stops nobody."""
        with suppress(OSError, ValueError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            if not logged:
                return
            self.log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")
            self.log.flush()

    def watch_signals(self) -> None:
        """Also where the parent left SIGINT ignored, as a shell does for a job in background."""
        for number in SIGNALS:
            signal.signal(number, lambda *_: self.stop.set())

    def start(self) -> None:
        """Broker, database, key, then the processes that need them."""
        environment = {**os.environ, "LAYERTUNE_VAR": str(self.var), "PYTHONUNBUFFERED": "1"}
        logs = self.var / "log"
        if not settings().broker_url:
            self.valkey = Child("valkey", valkey.command(self.var), environment, logs)
            self.valkey.start()
            valkey.wait_until_it_answers(self.stop)
        upgrade()
        with writing() as session:
            secret = ensure_admin(session, self.var / "admin.key", settings().admin_key)
        if secret:
            said = f"admin key {secret}  (kept in {self.var / 'admin.key'})"
            self.say(said, logged=False)  # a log is read by others than the terminal
        python = [sys.executable, "-m"]
        api = [*python, "uvicorn", "--factory", "app.main:create_app", "--no-access-log",
               "--timeout-graceful-shutdown", "5", "--fd", str(self.address.fd)]  # fmt: skip
        worker = [*python, "worker.main", "--queues"]
        self.children = [
            Child("api", api, environment, logs, self.address.fd),
            Child("worker-io", [*worker, "io,predict"], environment, logs),
            *(
                Child(f"worker-tune-{number}", [*worker, "tune"], environment, logs)
                for number in range(1, settings().workers + 1)
            ),
        ]
        for child in self.children:
            child.start()

    def watch(self) -> None:
        """Until asked to stop: starts again what has died, says once when the stack is ready."""
        began, ready, said = time.monotonic(), False, False
        asked = 0.0
        everyone = [child for child in (self.valkey, *self.children) if child is not None]
        while not self.stop.wait(POLL_S):
            for child in everyone:
                news = child.revive()
                if news:
                    self.say(news)
            at = time.monotonic()
            if ready or at - asked < 3 * POLL_S:
                continue
            asked = at
            status, answer = self.address.ask("/healthz/ready")
            if status == http.client.OK:
                ready = True
                self.say(f"ready {self.address.url}")
            elif at - began > NOT_READY_AFTER_S and not said:
                said = True
                self.say(f"not ready yet, logs in {self.var / 'log'}: {answer[:300]}")

    def end(self) -> None:
        """Everything this process has started stops, the broker last, all within 20 s."""
        self.say("stopping")
        until = time.monotonic() + STOP_S
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait(until)
        pids.end_left_behind(0.5, prefix="worker-")
        if self.valkey is not None:
            self.valkey.ask_to_stop()
            self.valkey.wait(time.monotonic() + VALKEY_STOP_S)
        self.say("stopped")


def only_one(var: Path) -> IO[str]:
    """The log, locked for as long as this process lives: one stack per folder."""
    (var / "log").mkdir(parents=True, exist_ok=True)
    log = (var / "log" / "up.log").open("a")
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UpError(
            f"a stack is running on {var} already; stop it, or set LAYERTUNE_VAR to another folder"
        ) from error
    return log


def run() -> None:
    given = settings()
    var = given.var.absolute()
    os.environ["LAYERTUNE_VAR"] = str(var)
    with only_one(var) as log:
        found = pids.end_left_behind(5)
        with Address(given.host, given.port) as address:
            stack = Stack(var, address, log)
            stack.watch_signals()
            if found:
                stack.say(f"ended {found} processes that a killed stack had left behind")
            try:
                stack.start()
                stack.watch()
            finally:
                stack.end()


def up() -> None:
    """Starts the stack and stays until SIGINT or SIGTERM; says plainly why when it cannot."""
    try:
        run()
    except (UpError, AddressError, valkey.ValkeyError) as error:
        sys.stderr.write(f"layertune up: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    up()
