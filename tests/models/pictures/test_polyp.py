"""A polyp finding in its frame: where it is, how sure, and what was left out, in plain words."""

from dataclasses import replace

import numpy as np
import pytest

from models.case import Mask
from models.findings import Detection, Labels, OperatingPoint, PolypFinding
from models.pictures import finding_picture
from models.pictures.look import BLUE
from models.pictures.marks import SKY, YELLOW
from tests.models.pictures.drawn import count, encoded, opened

LABELS = Labels(("polyp",), "polyp")
POINT = OperatingPoint("fp_per_image=0.1", 0.35, 0.91, None, 0.85, 0.96, None, 0.098)
FRAME = np.full((400, 400, 3), 120, np.uint8)
FOUND = Detection((100.0, 120.0, 200.0, 240.0), 0.97, 9000)
FAINT = Detection((300.0, 20.0, 340.0, 60.0), 0.2, 1300)


def masked(*detections: Detection) -> Mask:
    mask = np.zeros((400, 400), np.uint8)
    for found in detections:
        x0, y0, x1, y1 = (int(side) for side in found.box_px)
        mask[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4] = 1
    return mask


def finding(*detections: Detection, beside: tuple[Detection, ...] = ()) -> PolypFinding:
    best = max((found.score for found in (*detections, *beside)), default=0.0)
    return PolypFinding(bool(detections), best, detections, encoded(masked(*detections, *beside)))


def test_a_detection_has_its_box_where_it_is() -> None:
    image = opened(finding_picture(FRAME, finding(FOUND), LABELS, POINT))
    left = (image.width - 400) // 2
    yellow = (np.array(image) == YELLOW).all(axis=2)[130:400]
    y, x = np.nonzero(yellow)
    assert (x.min() - left, x.max() - left) == (98, 201)  # columns 100 to 199 are left alone
    assert y.max() + 130 == 241
    assert image.getpixel((left + 150, 180)) == (120, 120, 120)


def test_number_score_and_verdict_are_written(written: list[str]) -> None:
    finding_picture(FRAME, finding(FOUND), LABELS, POINT)
    assert written[:3] == ["1  0.97", "polyp found", "0.97"]
    assert "1: 9,000 px" in written
    told = " ".join(written)
    assert "counted from a score of 0.35 upwards (fp_per_image=0.1)" in told
    assert "sensitivity 0.91 (0.85 to 0.96) per polyp, 0.098 false positives per frame" in told
    assert "dashed" not in told


def test_a_frame_without_a_detection_is_told_plainly(written: list[str]) -> None:
    image = opened(finding_picture(FRAME, finding(), LABELS, POINT))
    assert "no polyp found" in written and "highest score" in written
    assert count(image, YELLOW) == count(image, SKY) == 0
    assert count(image, BLUE) == 0  # a bar that is not the answer is pale


def test_what_the_threshold_leaves_out_is_dashed_and_said_to_be(written: list[str]) -> None:
    solid = opened(finding_picture(FRAME, finding(FAINT), LABELS, POINT))
    assert not any("dashed" in text for text in written)
    dashed = opened(finding_picture(FRAME, finding(beside=(FAINT,)), LABELS, POINT))
    assert any("dashed line: seen by the network, but not counted" in text for text in written)
    assert 0 < count(dashed, SKY) < 0.8 * count(solid, SKY)


def test_without_a_threshold_every_candidate_is_called_one(written: list[str]) -> None:
    finding_picture(FRAME, finding(FOUND, FAINT), LABELS, None)
    assert "2 candidates, no threshold" in written
    assert "box and solid line: a candidate" in written
    assert "every candidate is shown; more likely than not there is a polyp" in written
    finding_picture(FRAME, finding(), LABELS, None)
    assert "no candidates, no threshold" in written
    assert written[-2].endswith("there is no polyp")


def test_a_faint_detection_is_said_to_be_a_box_alone(written: list[str]) -> None:
    faint = replace(finding(FOUND), mask_png_base64=encoded(masked()))
    image = opened(finding_picture(FRAME, faint, LABELS, POINT))
    assert count(image, SKY) == 0 and count(image, YELLOW) > 300
    assert "box alone: found, but faint" in " ".join(written)


def test_many_candidates_are_boxed_and_the_best_of_them_named(written: list[str]) -> None:
    many = tuple(
        Detection((20.0 * k, 10.0, 20.0 * k + 15, 30.0), 0.9 - 0.05 * k, 300) for k in range(12)
    )
    finding_picture(FRAME, finding(*many), LABELS, None)
    assert sum(text.endswith(" px") for text in written) == 6
    assert "and 6 more, scores 0.60 to 0.35" in written


@pytest.mark.parametrize(("height", "width"), [(100, 100), (1080, 1920), (1400, 300), (40, 2000)])
def test_a_box_is_drawn_at_any_size_of_the_frame(height: int, width: int) -> None:
    box = (width * 0.25, height * 0.25, width * 0.75, height * 0.75)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : height // 2, width // 3 : width // 2] = 1
    found = PolypFinding(True, 0.9, (Detection(box, 0.9, 7),), encoded(mask))
    image = opened(finding_picture(np.full((height, width, 3), 90, np.uint8), found, LABELS, POINT))
    assert count(image, YELLOW) > 20
    assert image.width <= 960 and image.height < 1300


def test_a_box_at_the_edge_keeps_its_tag_out_of_itself() -> None:
    corner = replace(FOUND, box_px=(0.0, 0.0, 80.0, 24.0))
    image = opened(finding_picture(FRAME, finding(corner), LABELS, POINT))
    left = (image.width - 400) // 2
    assert image.getpixel((left + 40, 12)) == (120, 120, 120)


def test_the_same_finding_gives_the_same_bytes() -> None:
    one, other = (finding_picture(FRAME, finding(FOUND), LABELS, POINT) for _ in range(2))
    assert one == other
