"""The pieces of `up`: its address, its children, its pid files, its broker's socket."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app import pids
from app.cli.address import Address, AddressError
from app.cli.child import Child
from app.settings import settings

Setting = Callable[[str, object], None]


def sleeper(tmp_path: Path, seconds: float = 60, mark: str = "worker.lane") -> Child:
    code = f"import time; time.sleep({seconds})  # {mark}"
    return Child("sleeper", [sys.executable, "-c", code], dict(os.environ), tmp_path)


def test_a_taken_port_names_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"port {port} .* taken .* LAYERTUNE_PORT"):
            Address("127.0.0.1", port)


def test_port_0_takes_a_free_one_and_says_which() -> None:
    with Address("127.0.0.1", 0) as address:
        assert address.port > 0
        assert address.url == f"http://127.0.0.1:{address.port}"
        assert address.ask("/healthz/ready")[0] == 0  # bound, but nobody listens yet


def test_a_connection_taken_from_the_address_sends_without_delay() -> None:
    """uvicorn calls a given descriptor a Unix socket, so that nothing after this sets it."""
    with Address("127.0.0.1", 0) as address, socket.socket(fileno=os.dup(address.fd)) as listening:
        listening.listen()
        with socket.create_connection(("127.0.0.1", address.port)), listening.accept()[0] as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_listening_everywhere_is_shown_as_an_address_one_can_open() -> None:
    with Address("0.0.0.0", 0) as address:  # noqa: S104
        assert address.url == f"http://127.0.0.1:{address.port}"


def test_a_dead_child_starts_again_and_the_back_off_doubles(tmp_path: Path) -> None:
    child = sleeper(tmp_path, 0)
    waits = []
    child.start()
    for _ in range(2):
        news = ""
        while not news:
            news = child.revive()
            time.sleep(0.02)
        waits.append(news.rsplit("again in ", 1)[1])
    child.wait(time.monotonic())
    assert waits == ["0.25 s", "0.5 s"]


def test_a_child_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    child.start()
    assert child.process is not None
    pid = child.process.pid
    child.wait(time.monotonic())
    assert not psutil.pid_exists(pid)


def test_what_a_killed_stack_left_behind_is_ended(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    child.start()
    assert child.process is not None
    assert len(list(pids.folder().glob("sleeper-*.pid"))) == 1
    assert pids.end_left_behind(1) == 1
    child.process.wait(5)
    assert list(pids.folder().glob("*.pid")) == []


def test_a_stranger_with_a_recycled_number_is_left_alone() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        kept = pids.keep("worker-lane", stranger.pid)  # ours by number and start, not by command
        assert pids.running(kept) is None
        mine = psutil.Process().create_time()
        facts = {"pid": stranger.pid, "created": mine - 9999, "command": ["worker.lane"]}
        pids.folder().joinpath("worker-lane-1.pid").write_text(json.dumps(facts))
        assert pids.end_left_behind(1) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_broken_pid_file_is_swept_away(var: Path) -> None:
    pids.folder().mkdir(parents=True)
    (pids.folder() / "api-1.pid").write_text("{")
    assert list(pids.left_behind()) == []
    assert list(pids.folder().iterdir()) == []


def test_a_deep_folder_gets_a_socket_name_that_fits(tmp_path: Path, setting: Setting) -> None:
    setting("var", tmp_path / ("deep" * 30))
    path = settings().valkey_socket
    assert len(os.fsencode(path)) <= 100
    assert path == settings().valkey_socket
    setting("var", tmp_path / ("deep" * 31))
    assert settings().valkey_socket != path
