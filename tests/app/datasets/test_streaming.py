"""Uploads to a real server: its memory stays flat, and a client that leaves leaves nothing."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.db.session import reading
from app.db.tables import Dataset
from tests.app.live import Server, serving

MB = 1 << 20
UPLOAD_MB = 300
GROWTH_MAX_MB = 60  # 10 GB are allowed 150; what does not grow with 300 MB does not grow


@pytest.fixture
def server(sqlite: object) -> Iterator[Server]:
    with serving() as made:
        yield made


def head() -> bytes:
    fields = part("task", b"classification") + part("name", b"big")
    return fields + (
        b'--edge\r\nContent-Disposition: form-data; name="archive"; filename="a.zip"\r\n\r\n'
    )


def part(name: str, value: bytes) -> bytes:
    disposition = f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
    return disposition + value + b"\r\n"


def megabytes(n: int) -> Iterator[bytes]:
    yield head()
    block = os.urandom(MB)
    yield from (block for _ in range(n))
    yield b"\r\n--edge--\r\n"


def upload(server: Server, n: int) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    return server.http.post("/v1/datasets", content=megabytes(n), headers=headers)


def test_memory_does_not_grow_with_the_archive(server: Server, var: Path) -> None:
    assert upload(server, 1).status_code == 202  # whatever is loaded at first use is loaded now
    before = server.rss()
    response = upload(server, UPLOAD_MB)
    assert response.status_code == 202, response.text
    assert server.rss() - before < GROWTH_MAX_MB * MB
    sizes = [path.stat().st_size for path in (var / "files" / "uploads").iterdir()]
    assert sorted(sizes) == [MB, UPLOAD_MB * MB]


def test_a_client_that_leaves_midway_leaves_nothing(server: Server, var: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(
            b"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n"
            b"Content-Type: multipart/form-data; boundary=edge\r\n"
            b"Authorization: Bearer " + server.secret.encode() + b"\r\n\r\n" + head()
        )
        line.sendall(b"z" * 5 * MB)
        wait_for(lambda: kept(var))  # the upload has begun to be written
    wait_for(lambda: not kept(var))
    with reading() as session:
        assert session.query(Dataset).count() == 0


def kept(var: Path) -> list[Path]:
    return [path for path in (var / "files").rglob("*") if path.is_file()]


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(100):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("not so after ten seconds")
