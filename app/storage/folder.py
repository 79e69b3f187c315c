"""Files in a local folder: written under a temporary name, fsynced, renamed."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

CHUNK = 1 << 20
UNFINISHED = ".unfinished"  # temporary files: beside the objects, so that a rename suffices
YOUNG_S = 10  # so long a new file may be without the lock that says somebody writes it


class Sink(Protocol):
    """Where a stream of bytes is written."""

    def write(self, data: bytes, /) -> int: ...


Tick = Callable[[], object]  # told with every chunk of a long copy


def quiet() -> None:
    """A tick that nobody hears."""


def copied(chunks: Iterable[bytes], sink: Sink, tick: Tick) -> None:
    for chunk in chunks:
        sink.write(chunk)
        tick()


def checked(name: str) -> str:
    """The name, if it is a plain relative path; else ValueError, so nothing escapes the store."""
    parts = PurePosixPath(name).parts
    plain = "/".join(parts) == name and not name.startswith("/") and "\0" not in name
    if not parts or not plain or ".." in parts or parts[0] == UNFINISHED:
        raise ValueError(f"object name {name!r}: use a plain relative path such as packs/a.zip")
    return name


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, name: str) -> Path:
        return self.root / checked(name)

    @contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        unfinished = self.root / UNFINISHED
        unfinished.mkdir(parents=True, exist_ok=True)
        self._sweep(unfinished)
        part = unfinished / secrets.token_hex(16)
        try:
            with part.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
                file.flush()
                os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
            _sync(path.parent)
        finally:
            part.unlink(missing_ok=True)

    def _sweep(self, unfinished: Path) -> None:
        """Removes what killed processes left: the kernel has dropped their locks."""
        for part in unfinished.iterdir():
            with suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
                if time.time() - part.stat().st_mtime > YOUNG_S:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()

    def tidy(self) -> None:
        """Removes what writers left that were killed."""
        if (self.root / UNFINISHED).is_dir():
            self._sweep(self.root / UNFINISHED)

    def put_file(self, name: str, path: Path, tick: Tick = quiet) -> None:
        with self.writer(name) as sink:
            copied(in_chunks(path.open("rb")), sink, tick)

    def put_bytes(self, name: str, data: bytes) -> None:
        with self.writer(name) as sink:
            sink.write(data)

    def get_bytes(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def open(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return in_chunks(self._path(name).open("rb"), start, end)

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def names(self, prefix: str = "") -> Iterator[str]:
        start = self.root / prefix.rpartition("/")[0]
        if not start.is_dir():
            return
        paths = (path for path in start.rglob("*") if path.is_file())
        found = (path.relative_to(self.root).as_posix() for path in paths)
        kept = (name for name in found if not name.startswith(f"{UNFINISHED}/"))
        yield from sorted(name for name in kept if name.startswith(prefix))

    def local(self, name: str, tick: Tick = quiet) -> Path:  # noqa: ARG002 - nothing is copied
        path = self._path(name)
        if not path.is_file():
            raise FileNotFoundError(f"no object {name!r} below {self.root}")
        return path


def in_chunks(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Reads [start, end) in chunks; a generator, so the file closes with it."""
    with file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = file.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


def _sync(folder: Path) -> None:
    """Makes a rename survive a power cut: the folder's entry itself is flushed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
