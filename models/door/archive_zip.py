"""Zip archives: the members of the central directory, read where they lie."""

import io
import lzma
import stat
import zipfile
import zlib
from typing import IO, BinaryIO

from models.door.member import Limits, Member, safe_name
from models.ledger import rejected

_UTF8 = 0x800  # general purpose bit 11: the name is UTF-8
_ENCRYPTED = 0x1 | 0x40
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others decompress without a bound
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError,
    RuntimeError, ValueError, OverflowError, IndexError,
)  # fmt: skip
_ENTRY = b"PK\x01\x02"  # begins the description of a member
_DESCRIBED_MAX = 2**10  # bytes of a description on the mean: honest names and times take 100
_DIRECTORY_MIN = 2**20
ENDS = "the archive ends before the member does"  # zipfile says nothing of it


class CorruptMemberError(Exception):
    """The bytes of one member cannot be had; the archive around it may be sound."""


class TooManyError(Exception):
    """A list of contents that is longer than the members it may name."""


class _Described(io.RawIOBase):
    """The zip as `zipfile` may see it while it reads the list of contents: at once, as a whole."""

    def __init__(self, file: BinaryIO, members_max: int) -> None:
        self._file, self._most = file, members_max

    def read(self, size: int = -1) -> bytes:
        if size > max(_DIRECTORY_MIN, self._most * _DESCRIBED_MAX):
            raise TooManyError
        data = self._file.read(size)
        # Counted before each becomes an object of five hundred bytes.
        if len(data) > _DIRECTORY_MIN and data.count(_ENTRY) > self._most:
            raise TooManyError
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def directory_of(file: BinaryIO, members_max: int) -> zipfile.ZipFile:
    """The zip, opened. Raises TooManyError, and what zipfile raises, before much is in memory."""
    described = _Described(file, members_max)
    archive = zipfile.ZipFile(described)
    archive.fp = file
    return archive


class ZipMembers:
    """The files of a zip, and the bytes of each."""

    def __init__(self, file: BinaryIO, limits: Limits, packed: int) -> None:
        try:
            self._archive = directory_of(file, limits.members_max)
        except TooManyError as error:
            limits.check_count(limits.members_max + 1)
            raise AssertionError from error  # it has raised
        except _BROKEN as error:
            raise rejected(
                "truncated",
                "the zip has no readable list of contents, so its end is missing or damaged; "
                "send it again, with its sha256",
            ) from error
        self._infos = self._archive.infolist()
        limits.check_count(len(self._infos))
        self.members: list[Member] = []
        unpacked = 0
        for position, info in enumerate(self._infos):
            name = safe_name(_name(info))
            _check(info, name)
            if info.is_dir() or not name:
                continue
            limits.check_member(name, info.file_size)
            unpacked += info.file_size
            limits.check_total(unpacked, packed)
            self.members.append(Member(name, info.file_size, position))

    def read(self, member: Member) -> bytes:
        """The bytes; never more than the member says. CorruptMemberError if they are damaged."""
        try:
            with self._archive.open(self._infos[member.start]) as file:
                return _exactly(file, member.size)
        except _BROKEN as error:
            raise CorruptMemberError(str(error) or ENDS) from error


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size or file.read(1):
        raise EOFError("the member's size is not what the list of contents says")
    return data


def _name(info: zipfile.ZipInfo) -> str:
    """The name as its maker meant it.

    Without the UTF-8 flag the standard says code page 437, but macOS and many others write
    UTF-8 all the same; what reads as UTF-8 is taken to be it.
    """
    if info.flag_bits & _UTF8:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _check(info: zipfile.ZipInfo, name: str) -> None:
    """Raises RejectedError for what is no plain file or folder, or cannot be read at all."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device or pipe"
        raise rejected("unsafe_member", f"{what}; pack the files themselves", name)
    if info.flag_bits & _ENCRYPTED:
        raise rejected("encrypted", "encrypted; pack it again without a password", name)
    if info.compress_type not in METHODS:
        raise rejected(
            "unsupported_compression",
            f"compressed by method {info.compress_type}; use store or deflate",
            name,
        )
