"""Pictures: the right size, the same bytes, and the words that must be on them."""

import io
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from models.case import Case
from models.findings import ClassFinding, Labels, OperatingPoint
from models.pictures import case_preview, finding_picture, sweep_plot
from models.pictures.look import BLUE

LABELS = Labels(("informative", "non_informative"), "informative")
FINDING = ClassFinding("informative", 0.8, {"informative": 0.8, "non_informative": 0.2})
POINT = OperatingPoint("fpr=0.10", 0.6, 0.9, 0.88, 0.8, 0.95)


def run(depth: int, value: float | None, **other: object) -> dict[str, object]:
    interval = {"value": value, "low": None, "high": None}
    if value is not None:
        interval |= {"low": value - 0.05, "high": value + 0.03}
    return {
        "arm": f"depth:{depth}", "depth": depth, "scratch": False, "fraction": 1.0, "seed": 0,
        "state": "succeeded", "validation": {"auc": interval}, "trainable_parameters": 10**depth,
    } | other  # fmt: skip


RUNS = [
    *(run(k, value) for k, value in enumerate([0.7, 0.85, 0.9, 0.91], start=1)),
    run(5, None, state="failed", validation={}),
    run(5, 0.75, scratch=True, arm="scratch"),
]
CHOICE = {
    "arm": "depth:3", "best": "depth:4",
    "reason": "shallowest depth within one standard error " * 6,
    "not_distinguished": [{"arm": "depth:2", "p": 0.2}],
}  # fmt: skip


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return image.convert("RGB")


def test_a_sweep_is_drawn_as_svg_and_png_with_the_same_bytes_each_time() -> None:
    svg = sweep_plot(RUNS, CHOICE, "auc", "svg")
    assert svg.startswith(b"<?xml") and b"<svg" in svg
    assert svg == sweep_plot(RUNS, CHOICE, "auc", "svg")
    assert sweep_plot(RUNS, CHOICE, "auc", "png") == sweep_plot(RUNS, CHOICE, "auc", "png")
    assert opened(sweep_plot(RUNS, CHOICE, "auc", "png")).size == (1152, 720)


def test_a_sweep_says_what_it_recommends_and_what_it_is_for() -> None:
    svg = sweep_plot(RUNS, CHOICE, "auc", "svg").decode()
    words = re.findall(r"<!-- (.*?) -->", svg)  # matplotlib notes the text behind its outlines
    assert "Recommended: depth:3" in words
    assert "recommended: depth:3" in words and "from scratch" in words
    assert "research use only" in words
    assert "validation AUC" in words
    assert "100 k" not in words and "10 k" in words  # depth 5 failed; depth 4 tunes 10 k


def test_a_sweep_that_has_only_begun_is_drawn_too() -> None:
    queued = [run(1, None, state="queued", validation={}), run(2, 0.8, state="running")]
    words = sweep_plot(queued, None, "auc").decode()
    assert "no depth has finished yet" in words
    assert "0 of 2 runs finished" in words
    assert sweep_plot([], None, "auc", "png")


def test_seeds_and_fractions_have_their_marks() -> None:
    runs = [run(k, 0.8 + k / 50, seed=seed) for k in (1, 2) for seed in (0, 1)]
    runs += [run(k, 0.7, fraction=0.25) for k in (1, 2)]
    words = sweep_plot(runs, None, "auc").decode()
    assert "25 % of training" in words


def test_pictures_may_be_drawn_by_several_threads() -> None:
    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda _: sweep_plot(RUNS, CHOICE, "auc"), range(3)))
    assert len(set(drawn)) == 1


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


def test_a_mask_is_outlined_and_its_inside_left_alone() -> None:
    pixels = np.full((400, 400, 3), 90, np.uint8)
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 100:300] = 1
    image = opened(case_preview(Case("case_000001", "secret", pixels, "polyp", mask)))
    assert image.getpixel((200, 200)) == (90, 90, 90)
    assert image.getpixel((200, 100)) == (230, 159, 0)


def test_a_preview_of_a_case_tells_its_label_and_not_its_subject() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    one, other = (case_preview(Case("c", subject, pixels, "polyp")) for subject in ("a", "b"))
    assert one == other
    assert one != case_preview(Case("c", "a", pixels, "normal"))
