"""Reads an archive for the upload; a folder becomes a zip on the way, never on the disk."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from app.cli.client import CliError

BLOCK = 1 << 18
# Deflate gains nothing on these and costs a core.
PACKED = {".jpg", ".jpeg", ".png", ".webp", ".gz", ".zst", ".zip", ".jp2", ".mp4"}

Tick = Callable[[int], None]  # called with the bytes just read from the disk


class FileStream:
    """A file as it lies; `fileno` lets the client announce its length."""

    def __init__(self, path: Path, tick: Tick) -> None:
        self.name = path.name
        self.total_bytes = path.stat().st_size
        self._file: BinaryIO = path.open("rb")
        self._tick = tick

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._tick(len(block))
        return block

    def close(self) -> None:
        self._file.close()


class _Sink:
    """The writing end of a zip that cannot seek: keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, block: bytes) -> int:
        self._held.append(bytes(block))
        return len(block)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def take(self) -> bytes:
        taken, self._held = b"".join(self._held), []
        return taken


class FolderStream:
    """A folder as one zip, made while it is read: memory stays at a block or two."""

    def __init__(self, folder: Path, tick: Tick) -> None:
        self.name = f"{folder.resolve().name}.zip"
        self._folder = folder
        self._files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not self._files:
            raise CliError(f"{folder} holds no files: name the folder with the images in it.")
        self.total_bytes = sum(path.stat().st_size for path in self._files)
        self._blocks = self._zipped(tick)
        self._left = b""

    def _zipped(self, tick: Tick) -> Iterator[bytes]:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
            for path in self._files:
                member = zipfile.ZipInfo.from_file(
                    path, path.relative_to(self._folder).as_posix(), strict_timestamps=False
                )
                packed = path.suffix.lower() in PACKED
                member.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(member, "w") as target:
                    while block := source.read(BLOCK):
                        target.write(block)
                        tick(len(block))
                        yield sink.take()
        yield sink.take()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._left += block
        cut = len(self._left) if size < 0 else size
        taken, self._left = self._left[:cut], self._left[cut:]
        return taken

    def close(self) -> None:
        """The files were closed one by one as they were read."""


def opened(path: Path, tick: Tick) -> FileStream | FolderStream:
    """A file or a folder, ready to upload. Raises CliError when there is nothing there."""
    if path.is_dir():
        return FolderStream(path, tick)
    if not path.is_file():
        raise CliError(
            f"{path} does not exist: name an archive (zip, tar, tar.gz, tar.zst) or a folder."
        )
    return FileStream(path, tick)
