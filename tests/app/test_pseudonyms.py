"""A name stands as the same hash everywhere in a service, and nobody else can make it."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.pseudonyms import key, pseudonym

Setting = Callable[[str, object], None]


def test_a_hash_needs_the_key(setting: Setting) -> None:
    setting("pseudonym_key", "one")
    first = pseudonym("patient-17")
    assert first == pseudonym("patient-17") and len(first) == 16
    assert first != pseudonym("patient-18")
    assert first != pseudonym("patient-17", of="uid")
    setting("pseudonym_key", "two")
    assert pseudonym("patient-17") != first


def test_a_key_is_made_once_and_kept_for_the_owner_alone(var: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: key(), range(32)))
    assert len(found) == 1 and len(next(iter(found))) == 64
    path = var / "pseudonym.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in var.iterdir()] == ["pseudonym.key"]
