"""Byte ranges of RFC 9110: what a Range header asks of a file of known size."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Span:
    """Bytes [start, end) of a file."""

    start: int
    end: int


class UnsatisfiableError(ValueError):
    """The range lies outside the file."""


def asked(header: str | None, size: int) -> Span | None:
    """The one range of a header; None = the whole file, also for what is better ignored.

    Several ranges, other units and nonsense are ignored, as the RFC allows.
    Raises UnsatisfiableError if nothing of the file lies inside.
    """
    found = _ONE.fullmatch((header or "").replace(" ", ""))
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        span = Span(max(0, size - int(last)), size)
    else:
        span = Span(int(first), min(size, int(last) + 1) if last else size)
        if last and int(last) < int(first):
            return None
    if span.start >= span.end:
        raise UnsatisfiableError(f"{header}: the file has {size} bytes")
    return span
