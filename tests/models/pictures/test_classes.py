"""A class finding under its image: a readable size, bars as long as scores, the threshold."""

import numpy as np
import pytest

from models.findings import ClassFinding, Labels, OperatingPoint
from models.pictures import finding_picture
from models.pictures.look import BLUE
from tests.models.pictures.drawn import opened

LABELS = Labels(("informative", "non_informative"), "informative")
FINDING = ClassFinding("informative", 0.8, {"informative": 0.8, "non_informative": 0.2})
POINT = OperatingPoint("fpr=0.10", 0.6, 0.9, 0.88, 0.8, 0.95)


@pytest.mark.parametrize(("height", "width"), [(240, 320), (64, 64), (3000, 4000), (40, 2000)])
def test_a_finding_is_shown_under_its_image_at_a_readable_size(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 120, np.uint8)
    image = opened(finding_picture(pixels, FINDING, LABELS, POINT))
    assert 460 <= image.width <= 960
    assert image.height < 1300
    assert image.getpixel((image.width // 2, 2)) == (120, 120, 120)


def test_the_bar_of_a_class_is_as_long_as_its_score() -> None:
    def blue(score: float) -> int:
        finding = ClassFinding("informative", score, {"informative": score})
        image = np.array(
            opened(finding_picture(np.zeros((360, 360, 3), np.uint8), finding, LABELS))
        )
        colour = [int(BLUE[k : k + 2], 16) for k in (1, 3, 5)]
        return int((image == colour).all(axis=2).any(axis=0).sum())

    assert blue(0.8) == pytest.approx(2 * blue(0.4), rel=0.03)


def test_the_threshold_is_told_with_what_it_buys(written: list[str]) -> None:
    finding_picture(np.zeros((600, 900, 3), np.uint8), FINDING, LABELS, POINT)
    assert "informative from 0.60 upwards (fpr=0.10)" in written
    assert "on validation: sensitivity 0.90 (0.80 to 0.95), specificity 0.88" in written
    assert written[-1] == "research use only"


def test_a_long_sentence_is_wrapped_to_a_narrow_picture(written: list[str]) -> None:
    point = OperatingPoint("a_name_as_long_as_a_user_may_choose_to_give_it " * 3, 0.6)
    finding_picture(np.zeros((100, 100, 3), np.uint8), FINDING, LABELS, point)
    told = " ".join(written)
    assert point.name.strip() in told and "…" not in told
