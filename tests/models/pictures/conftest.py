"""The words that a picture has: gathered where they are drawn, as no test can read pixels."""

from typing import Any

import pytest
from PIL import ImageDraw


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text in the order in which it was drawn."""
    texts: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def noted(self: ImageDraw.ImageDraw, xy: Any, text: str, *rest: Any, **named: Any) -> None:
        texts.append(text)
        draw(self, xy, text, *rest, **named)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    return texts
