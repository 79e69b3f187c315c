"""Tar archives: headers walked once, members read by their offset."""

import io
import tarfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from models.door.member import Limits, Member, safe_name
from models.ledger import RejectedError, rejected

_HEADER_MAX = 2**20  # no honest header is longer; a long name or pax record could claim gigabytes
_BROKEN = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError, IndexError)
_BLOCK = 512


class _Headers(io.RawIOBase):
    """The tar as `tarfile` may see it: header-sized reads only."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_MAX:
            raise rejected("corrupt_archive", "a header of the tar claims an absurd length")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class TarMembers:
    """The files of an uncompressed tar, and the bytes of each."""

    def __init__(self, file: BinaryIO, limits: Limits, packed: int) -> None:
        self._file = file
        self.members: list[Member] = []
        unpacked = 0
        for count, info in enumerate(_walk(file), 1):
            limits.check_count(count)
            name = safe_name(_name(info))
            _check(info, name)
            if info.isdir() or not name:
                continue
            limits.check_member(name, info.size)
            unpacked += info.size
            limits.check_total(unpacked, packed)
            self.members.append(Member(name, info.size, info.offset_data))

    def read(self, member: Member) -> bytes:
        self._file.seek(member.start)
        return self._file.read(member.size)


def is_tar(start: bytes) -> bool:
    """Whether 512 bytes are a tar header: its checksum says so, in every dialect of tar."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError):
        return start == bytes(_BLOCK)  # an empty tar is two blocks of zeros
    return True


def _walk(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Every header, none kept; RejectedError where the tar is damaged or ends too early."""
    file.seek(0)
    archive: tarfile.TarFile | None = None
    end = 0
    try:
        headers: IO[bytes] = _Headers(file)  # type: ignore[assignment]  # the part tarfile uses
        archive = tarfile.TarFile(fileobj=headers, encoding="utf-8", errors="surrogateescape")
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else it keeps a million headers
            yield info
        end = archive.offset
    except tarfile.ReadError as error:
        raise _truncated() from error
    except _BROKEN as error:
        raise _corrupt() from error
    file.seek(end)
    last = file.read(_BLOCK)
    if len(last) < _BLOCK:
        raise _truncated()
    if any(last):  # a sound tar ends with a block of zeros; this header could not be read
        raise _corrupt()


def _corrupt() -> RejectedError:
    return rejected("corrupt_archive", "the tar is damaged; pack and send it again")


def _truncated() -> RejectedError:
    return rejected(
        "truncated", "the tar breaks off before its end; send it again, with its sha256"
    )


def _name(info: tarfile.TarInfo) -> str:
    """The name; bytes that are not UTF-8 are read as Latin-1, which explains every byte."""
    try:
        info.name.encode("utf-8")
    except UnicodeEncodeError:
        return info.name.encode("utf-8", "surrogateescape").decode("latin-1")
    return info.name


def _check(info: tarfile.TarInfo, name: str) -> None:
    """Raises RejectedError for what is no plain file or folder."""
    if info.size < 0:
        raise rejected("corrupt_archive", "a header of the tar claims a negative size", name)
    if info.issym() or info.islnk():
        raise rejected("unsafe_member", "a link; pack the files themselves", name)
    if not (info.isreg() or info.isdir()):
        raise rejected("unsafe_member", "a device or pipe; pack plain files only", name)
    if info.issparse():
        raise rejected("unsafe_member", "a sparse file; pack without --sparse", name)
