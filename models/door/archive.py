"""Archives read as a list of safe members and their bytes, with nothing unpacked as loose files.

The kind is told by content, never by name. A compressed tar is decompressed, under the limits,
into one unnamed temporary file and read from there; everything else is read where it lies.
Whatever is unsafe (a path that leads out, a link, a device, a bomb) refuses the whole archive:
nobody makes such a thing by accident, and a half-read data set is worse than none.
"""

import gzip
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

import zstandard

from models.door.archive_tar import TarMembers, is_tar
from models.door.archive_zip import CorruptMemberError, ZipMembers
from models.door.member import Limits, Member
from models.ledger import LedgerEntry, RejectedError, rejected

__all__ = ["Archive", "CorruptMemberError", "Limits", "open_archive"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 2**20
_WINDOW_MAX = 2**27  # what `zstd` itself takes without --long; bounds the memory of a bomb
_BROKEN = (zlib.error, gzip.BadGzipFile, zstandard.ZstdError)


class Archive:
    """The files of an archive by name, in order of name.

    `entries` are those that are never data: names that occur twice, as nobody can know which of
    the two is meant.
    """

    def __init__(self, source: ZipMembers | TarMembers) -> None:
        self._source = source
        seen = Counter(member.name for member in source.members)
        self._members: dict[str, Member] = {
            member.name: member
            for member in sorted(source.members, key=lambda member: member.name)
            if seen[member.name] == 1
        }
        self.entries = tuple(
            LedgerEntry(
                name,
                "excluded",
                "duplicate_member",
                f"the archive holds this name {n} times; keep the one that is meant",
            )
            for name, n in sorted(seen.items())
            if n > 1
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def size(self, name: str) -> int:
        return self._members[name].size

    def read(self, name: str) -> bytes:
        """The bytes of a file; CorruptMemberError when they are damaged."""
        return self._source.read(self._members[name])


@contextmanager
def open_archive(
    path: Path,
    limits: Limits,
    scratch: Path,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Archive]:
    """Opens zip, tar, tar.gz or tar.zst. `tick` gets the bytes decompressed of how many packed.

    Raises RejectedError for what is no archive, is damaged, unsafe or beyond the limits.
    """
    packed = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith(_ZIP):
            yield Archive(ZipMembers(file, limits, packed))
        elif start.startswith((_GZIP, _ZSTD)):
            with tempfile.TemporaryFile(dir=scratch, prefix=".layertune-") as spool:
                _decompress(file, spool, limits, packed, tick)
                spool.seek(0)
                if not (start := spool.read(512)):  # cut within its first block, zstd says nothing
                    raise _truncated()
                if not is_tar(start):
                    raise _not_an_archive()
                yield Archive(TarMembers(spool, limits, packed))
        elif is_tar(start):
            yield Archive(TarMembers(file, limits, packed))
        else:
            raise _not_an_archive()


def _truncated() -> RejectedError:
    return rejected(
        "truncated", "the archive breaks off before its end; send it again, with its sha256"
    )


def _not_an_archive() -> RejectedError:
    return rejected("not_an_archive", "this is no zip, tar, tar.gz or tar.zst; pack it as one")


def _decompress(
    file: BinaryIO, spool: IO[bytes], limits: Limits, packed: int, tick: Callable[[int, int], None]
) -> None:
    """Decompresses into the spool, one piece at a time, no further than the limits allow."""
    unpacked = 0
    try:
        with _opened(file) as stream:
            while piece := stream.read(_CHUNK):
                unpacked += len(piece)
                limits.check_total(unpacked, packed)
                spool.write(piece)
                tick(min(file.tell(), packed), packed)
    except EOFError as error:
        raise _truncated() from error
    except _BROKEN as error:
        raise rejected(
            "corrupt_archive", "the archive is damaged; send it again, with its sha256"
        ) from error


def _opened(file: BinaryIO) -> gzip.GzipFile | zstandard.ZstdDecompressionReader:
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
    return decompressor.stream_reader(file, read_across_frames=True, closefd=False)
