"""Whatever bytes a reader is fed, it answers with what they mean or with a refusal that has a name.

Nothing else gets out of it: no other exception, no crash, no endless loop, no memory without end.
Readers work in a child with little memory and a few seconds for an example. The examples are the
same every time; LAYERTUNE_FUZZ=20 tries twenty times as many, and others.
"""

from pathlib import Path

import pytest

from tests.fuzz import bounded
from tests.fuzz.reading import LONGER, ROOMS


@pytest.mark.timeout(280 + 60 * LONGER)
@pytest.mark.parametrize("room", ROOMS)
def test_a_reader_fed_with_anything_reads_it_or_refuses_it_by_name(
    room: str, tmp_path: Path
) -> None:
    said = bounded.run(tmp_path, "reading", room, str(tmp_path), within_s=240 + 60 * LONGER)
    assert {row["reader"] for row in said} == set(ROOMS[room])
    for row in said:
        # Many are hurt little: a reader that refuses all of them has read nothing.
        assert row["read"] > 0 and row["read"] + row["refused"] >= 40, row
