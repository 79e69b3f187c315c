"""A member of an archive: its name made comparable, and the limits of names and sizes."""

import re
import unicodedata
from dataclasses import dataclass

from models.ledger import RejectedError, rejected


@dataclass(frozen=True)
class Limits:
    """What is more than this is refused. Sizes are of the unpacked content.

    An archive that unpacks to more than `ratio_floor_bytes` and to more than `ratio_max` times
    its own size is a bomb: images are compressed already, whole data sets never shrink so far.
    """

    member_max_bytes: int = 2 * 2**30
    unpacked_max_bytes: int = 100 * 2**30
    members_max: int = 1_000_000
    image_max_pixels: int = 100_000_000
    ratio_max: int = 100
    ratio_floor_bytes: int = 2**28

    def check_total(self, unpacked: int, packed: int) -> None:
        """Raises RejectedError for a total that is too large, or too large for its archive."""
        if unpacked > self.unpacked_max_bytes:
            raise rejected(
                "too_large_unpacked",
                f"the archive unpacks to more than {self.unpacked_max_bytes:,} bytes; "
                "divide the data set, or raise LAYERTUNE_UNPACKED_MAX_BYTES",
            )
        if unpacked > self.ratio_floor_bytes and unpacked > self.ratio_max * packed:
            raise rejected(
                "archive_bomb",
                f"the archive unpacks to more than {self.ratio_max} times its size of "
                f"{packed:,} bytes; pack the image files as they are",
            )

    def check_member(self, name: str, size: int) -> None:
        if size > self.member_max_bytes:
            raise rejected(
                "member_too_large",
                f"{size:,} bytes unpacked; at most {self.member_max_bytes:,} are taken "
                "(LAYERTUNE_MEMBER_MAX_BYTES)",
                name,
            )

    def check_count(self, count: int) -> None:
        if count > self.members_max:
            raise rejected(
                "too_many_members",
                f"more than {self.members_max:,} files; divide the data set, or raise "
                "LAYERTUNE_MEMBERS_MAX",
            )


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of an archive. `size` in bytes, unpacked; `start` is where its kind finds it.

    `start` is the offset of the data in a tar, the position in the central directory of a zip.
    """

    name: str
    size: int
    start: int


_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def safe_name(raw: str) -> str:
    """The name with forward slashes, in Unicode's composed form, without a leading `./`.

    Raises RejectedError for a name that leads out of the archive. Control characters and what
    no encoding explains become U+FFFD, so that every name can be stored and shown.
    """
    if "\x00" in raw:
        raise _unsafe(raw, "a NUL in its name")
    name = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    if name.startswith("/") or _DRIVE.match(name):
        raise _unsafe(raw, "an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _unsafe(raw, "a path that leads out of the archive")
    return printable("/".join(parts))


def printable(text: str) -> str:
    """What no database and no terminal chokes on: control characters become U+FFFD."""
    return _CONTROL.sub("�", text)


def _unsafe(raw: str, what: str) -> RejectedError:
    detail = f"{what}; pack the folder anew, with relative paths"
    return rejected("unsafe_member", detail, printable(raw))
