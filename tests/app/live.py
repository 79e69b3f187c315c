"""A real server in a process of its own: for what only sockets and memory can show."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil

from app.auth import mint
from app.db.session import writing


class Server:
    def __init__(self, port: int, process: subprocess.Popen[bytes], secret: str) -> None:
        self.port, self.process, self.secret = port, process, secret
        headers = {"Authorization": f"Bearer {secret}"}
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, trust_env=False
        )

    def rss(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def established(self) -> int:
        """Connections with clients that the server holds open."""
        open_ones = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(one.status == "ESTABLISHED" and one.laddr.port == self.port for one in open_ones)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving() -> Iterator[Server]:
    """The API of this test's settings and a client with a researcher's key."""
    with writing() as session:
        _, secret = mint(session, "researcher", "researcher", "default")
    port = free_port()
    # The bell has no broker to reach here; an upload must not wait for one.
    environment = {**os.environ, "LAYERTUNE_BROKER_URL": "redis://127.0.0.1:9/0"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "warning"], env=environment
    )
    made = Server(port, process, secret)
    for _ in range(600):
        try:
            made.http.get("/healthz/live")
            break
        except httpx.ConnectError:
            time.sleep(0.1)
    yield made
    made.http.close()
    process.terminate()
    process.wait(20)
