"""classes.txt or classes.json beside masks: what the numbers in them are called."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from models.door.member import printable

FILES = ("classes.json", "classes.txt")  # the first that is there is read
_LINE = re.compile(r"(\d+)\s*[\s:=,;]\s*(\S.*)")
_BACKGROUND = re.compile(r"(back ?ground|bg|_background_)", re.IGNORECASE)
_TEXT_MAX = 100  # letters of a name
_HOW = 'one "1 nerve" in a line, or {"1": "nerve"}'


@dataclass(frozen=True)
class ClassNames:
    """Value in the masks -> name; the file that says so; why one that should does not."""

    names: Mapping[int, str] = field(default_factory=dict)
    file: str | None = None
    broken: str | None = None


def class_names(members: Sequence[str], read: Callable[[str], bytes]) -> ClassNames:
    """From the file at the root, if there is one."""
    found = {name.lower(): name for name in members}
    file = next((found[name] for name in FILES if name in found), None)
    if file is None:
        return ClassNames()
    try:
        pairs = list(_pairs(file, read(file).decode("utf-8-sig")))
    except (ValueError, RecursionError):
        return ClassNames(broken=f"{file} is not readable: {_HOW}")
    names = {value: name for value, name in pairs if value}
    if not names or len(set(names.values())) < len(pairs) - any(not value for value, _ in pairs):
        return ClassNames(broken=f"{file} does not give each number a name of its own: {_HOW}")
    return ClassNames(names, file)


def _pairs(file: str, text: str) -> Iterator[tuple[int, str]]:
    """(value, name); ValueError for what is no such list."""
    if file.lower().endswith("json"):
        found = json.loads(text)
        if isinstance(found, list):
            yield from _counted(found)
            return
        if not isinstance(found, dict):
            raise ValueError("neither object nor list")
        for key, value in found.items():
            number, name = (key, value) if str(key).strip().isdecimal() else (value, key)
            yield _value(number), _name(name)
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matched = [_LINE.fullmatch(line) for line in lines]
    if not any(matched):
        yield from _counted(lines)
        return
    for match in matched:
        if match is None:
            raise ValueError("lines with a number and lines without")
        yield _value(match[1]), _name(match[2])


def _counted(names: Sequence[object]) -> Iterator[tuple[int, str]]:
    """Names alone: from 1 on, or from 0 where the first is the background."""
    start = 0 if names and _BACKGROUND.fullmatch(str(names[0]).strip()) else 1
    for value, name in enumerate(names, start):
        yield value, _name(name)


def _value(written: object) -> int:
    value = int(str(written))
    if not 0 <= value < 255:
        raise ValueError("no value of a class")
    return value


def _name(written: object) -> str:
    if not isinstance(written, str | int) or not str(written).strip():
        raise ValueError("no name")
    return printable(str(written).strip())[:_TEXT_MAX]
