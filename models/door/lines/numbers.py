"""Numbers in a text that some program wrote: whatever stands between them, decimal commas too."""

import math
import re

from models.door.table import decoded

ROWS_MAX = 200_000  # lines of a file; no image has so many columns
_BETWEEN = re.compile(r"[\s;]+")
_MISSING = frozenset(("nan", "-nan", "inf", "-inf", "+inf", "na", "n/a", "null", "none", "-"))
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?")
_REMARK = ("#", "%", "//")


class NumbersError(Exception):
    """A text that is no rows of numbers; the message says where and why."""


def read_rows(data: bytes) -> list[list[float]]:
    """The numbers of each line that has any; what is written as missing is NaN.

    A first line of words is a heading, lines that begin with # or % are remarks. A comma parts
    numbers where points are decimal, or where it is followed by a blank; else it is decimal if
    something else parts the numbers.
    """
    lines = [line.strip() for line in decoded(data).replace("\x00", " ").splitlines()]
    lines = [line.strip("[](){}") for line in lines if line and not line.startswith(_REMARK)]
    if len(lines) > ROWS_MAX:
        raise NumbersError(f"{len(lines):,} lines; at most {ROWS_MAX:,} are read")
    decimal = _is_decimal(lines)
    rows = []
    for at, line in enumerate(lines, 1):
        words = _words(line, decimal)
        if at == 1 and words and not any(_is_number(word) for word in words):
            continue
        if words:
            rows.append([_number(word, at) for word in words])
    return rows


def _is_decimal(lines: list[str]) -> bool:
    """Whether commas are decimal: no point is, and blanks, tabs or semicolons part the numbers."""
    text = "\n".join(lines)
    if "," not in text or re.search(r"\d\.\d", text) or re.search(r",\s", text):
        return False
    parted = [_BETWEEN.split(line) for line in lines]
    return all(word.count(",") <= 1 for words in parted for word in words) and any(
        len(words) > 1 for words in parted
    )


def _words(line: str, decimal: bool) -> list[str]:
    line = line.replace(",", "." if decimal else " ")
    return [word for word in _BETWEEN.split(line) if word]


def _is_number(word: str) -> bool:
    return word.lower() in _MISSING or bool(_NUMBER.fullmatch(word))


def _number(word: str, at: int) -> float:
    if word.lower() in _MISSING:
        return math.nan
    if not _NUMBER.fullmatch(word):
        raise NumbersError(f"line {at}: {word[:20]!r} is no number")
    return float(word.replace("d", "e").replace("D", "e"))
