"""What unfolds a thousandfold is refused by its name, within 2 s and 500 MB.

Each bomb is defused in a child of its own room, which may take no more address space than that.
"""

from pathlib import Path

import pytest

from tests.fuzz import bounded
from tests.fuzz.bombs import BOMBS, MORE_MB, WITHIN_S


@pytest.mark.timeout(280)
@pytest.mark.parametrize("room", BOMBS)
def test_a_bomb_is_refused_by_name_in_little_time_and_memory(room: str, tmp_path: Path) -> None:
    said = bounded.run(tmp_path, "bombs", room, str(tmp_path), within_s=240)
    found = {row["bomb"]: row for row in said}
    assert {name: row["code"] for name, row in found.items()} == BOMBS[room]
    for row in said:
        assert row["seconds"] < WITHIN_S and row["grown_mb"] < MORE_MB, row
