"""Ids: a prefix that says what it is, and 26 characters that sort by the time of making."""

import os
import threading
import time
from datetime import UTC, datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
LENGTH = 26  # 48 bits of milliseconds, 80 bits of chance, as in a ULID

MILLISECONDS_AT = 80  # bits below the time

_lock = threading.Lock()
_last = 0


def new(prefix: str) -> str:
    """A new id such as `ds_01k9…`; within one process each sorts after the one before."""
    global _last
    with _lock:
        fresh = (time.time_ns() // 1_000_000) << MILLISECONDS_AT | int.from_bytes(
            os.urandom(10), "big"
        )
        # Two in one millisecond, or a clock set back: count on from the last one.
        _last = fresh if fresh >> MILLISECONDS_AT > _last >> MILLISECONDS_AT else _last + 1
        number = _last
    return f"{prefix}_{''.join(ALPHABET[number >> 5 * k & 31] for k in reversed(range(LENGTH)))}"


def made_at(made: str) -> datetime:
    """When an id was made. ValueError for what is no id of ours."""
    number = 0
    for letter in made.rpartition("_")[2]:
        number = number << 5 | ALPHABET.index(letter)
    return datetime.fromtimestamp((number >> MILLISECONDS_AT) / 1000, UTC)
