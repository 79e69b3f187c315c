"""All commands print as on a terminal of 200 columns."""

import pytest

from app.cli import show


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "_width", 200)
