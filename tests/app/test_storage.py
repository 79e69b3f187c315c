"""One suite for both stores: a folder and a real S3 endpoint."""

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import settings
from app.storage import AwayError, Files
from app.storage import s3 as storage_s3
from app.storage import store as store_of
from app.storage.folder import Folder
from app.storage.s3 import Bucket
from models import locking


def test_what_is_put_is_got(store: Files) -> None:
    store.put_bytes("packs/a.zip", b"one")
    assert store.get_bytes("packs/a.zip") == b"one"
    assert store.size("packs/a.zip") == 3
    assert store.exists("packs/a.zip")


def test_a_file_is_put_and_read_locally(store: Files, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    store.put_file("weights/w.safetensors", source)
    path = store.local("weights/w.safetensors")
    assert path.read_bytes() == b"weights"
    assert path.suffix == ".safetensors"
    assert store.local("weights/w.safetensors") == path


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, 7, b"3456"), (8, None, b"89"), (8, 99, b"89"),
     (4, 4, b""), (10, None, b"")],
)  # fmt: skip
def test_a_range_is_half_open(store: Files, start: int, end: int | None, expected: bytes) -> None:
    store.put_bytes("digits", b"0123456789")
    assert b"".join(store.open("digits", start, end)) == expected


def test_a_later_put_replaces_the_earlier(store: Files) -> None:
    store.put_bytes("x", b"long before")
    store.put_bytes("x", b"now")
    assert store.get_bytes("x") == b"now"


def test_a_missing_name_raises_at_once(store: Files) -> None:
    with pytest.raises(FileNotFoundError):
        store.open("packs/none.zip")
    with pytest.raises(FileNotFoundError):
        store.size("packs/none.zip")
    with pytest.raises(FileNotFoundError):
        store.get_bytes("packs/none.zip")
    with pytest.raises(FileNotFoundError):
        store.local("packs/none.zip")
    assert not store.exists("packs/none.zip")


def test_deleting_twice_is_no_error(store: Files) -> None:
    store.put_bytes("uploads/u", b"x")
    store.delete("uploads/u")
    store.delete("uploads/u")
    assert not store.exists("uploads/u")


def test_names_are_found_by_prefix_in_order(store: Files) -> None:
    for name in ("packs/b", "packs/a", "models/m/card.json"):
        store.put_bytes(name, b"")
    assert list(store.names("packs/")) == ["packs/a", "packs/b"]
    assert list(store.names()) == ["models/m/card.json", "packs/a", "packs/b"]


def test_a_stream_larger_than_a_part_arrives_whole(
    store: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_s3, "PART", 5 * 2**20)
    expected = hashlib.sha256()
    with store.writer("uploads/big") as sink:
        for number in range(13):
            chunk = bytes([number]) * 2**20
            expected.update(chunk)
            sink.write(chunk)
    got = hashlib.sha256()
    for chunk in store.open("uploads/big"):
        got.update(chunk)
    assert store.size("uploads/big") == 13 * 2**20
    assert got.digest() == expected.digest()


def test_a_broken_stream_leaves_nothing_and_spares_what_was_there(
    store: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_s3, "PART", 5 * 2**20)
    store.put_bytes("uploads/u", b"before")

    def broken() -> None:
        with store.writer("uploads/u") as sink:
            sink.write(b"x" * 6 * 2**20)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        broken()
    assert store.get_bytes("uploads/u") == b"before"
    assert list(store.names()) == ["uploads/u"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a\0b"])
def test_a_name_cannot_leave_the_store(store: Files, name: str) -> None:
    with pytest.raises(ValueError, match="plain relative path"):
        store.put_bytes(name, b"")
    with pytest.raises(ValueError, match="plain relative path"):
        store.get_bytes(name)


@pytest.mark.parametrize("url", ["ftp://x/y", "/plain/folder", "s3://", "file://host/x"])
def test_another_storage_url_is_refused_with_the_way_out(url: str) -> None:
    with pytest.raises(ValueError, match="file:///folder or s3://bucket/prefix"):
        store_of(url, settings().scratch)


def test_a_long_copy_ticks_with_every_chunk(store: Files, tmp_path: Path) -> None:
    source = tmp_path / "pack.zip"
    source.write_bytes(bytes(3 << 20))
    ticks: list[int] = []
    store.put_file("packs/a.zip", source, lambda: ticks.append(1))
    assert len(ticks) == 3


def test_a_local_copy_goes_with_its_object_and_after_a_day_unused(
    s3_endpoint: str, tmp_path: Path
) -> None:
    bucket = store_of("s3://tests/copies", tmp_path, s3_endpoint)
    copies = {}
    for name in ("uploads/a", "packs/old.zip", "packs/used.zip", "packs/new.zip"):
        bucket.put_bytes(name, b"x")
        if name != "packs/new.zip":
            copies[name] = bucket.local(name)
    bucket.delete("uploads/a")
    assert not copies["uploads/a"].exists()
    for name in ("packs/old.zip", "packs/used.zip"):
        os.utime(copies[name], (1e9, 1e9))
    bucket.local("packs/used.zip")
    bucket.local("packs/new.zip")
    assert not copies["packs/old.zip"].exists()
    assert copies["packs/used.zip"].exists()


def test_many_who_want_an_object_at_once_share_one_download(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket("tests", "shared", tmp_path, s3_endpoint)
    bucket.put_bytes("packs/a.zip", b"x" * 1000)
    monkeypatch.setattr(locking, "LOOKS_S", 0.01)
    opened: list[str] = []
    one_by_one = bucket.open

    def slowly(name: str) -> Iterator[bytes]:
        opened.append(name)
        time.sleep(0.1)
        return one_by_one(name)

    monkeypatch.setattr(bucket, "open", slowly)
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: bucket.local("packs/a.zip"), range(6)))
    assert opened == ["packs/a.zip"]
    assert [path.read_bytes() for path in paths] == [b"x" * 1000]


def test_a_store_that_does_not_answer_is_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setattr(storage_s3, "RETRIES", {"mode": "standard", "max_attempts": 1})
    bucket = store_of("s3://tests", tmp_path, "http://127.0.0.1:1")
    for act in (
        lambda: bucket.get_bytes("a"),
        lambda: bucket.put_bytes("a", b"x"),
        lambda: bucket.delete("a"),
        lambda: list(bucket.names("a")),
    ):
        with pytest.raises(AwayError, match="does not answer"):
            act()


def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path)
    unfinished = tmp_path / ".unfinished"
    with folder.writer("uploads/a") as sink:
        sink.write(b"on its way")
        dead = unfinished / "dead"
        dead.write_bytes(b"half")
        for path in unfinished.iterdir():
            os.utime(path, (0, 0))
        folder.tidy()
        assert not dead.exists()
    assert folder.get_bytes("uploads/a") == b"on its way"
