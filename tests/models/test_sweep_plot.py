"""The plot of a sweep: the same bytes each time, and the words that must be on it."""

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from models.metrics import froc, froc_volumes
from models.pictures import sweep_plot


def run(depth: int, value: float | None, **other: object) -> dict[str, object]:
    interval = {"value": value, "low": None, "high": None}
    if value is not None:
        interval |= {"low": max(value - 0.05, 0.0), "high": value + 0.03 * (value < 0.97)}
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


def headed(headline: str, values: list[float | None], **other: object) -> list[dict[str, object]]:
    runs = [run(depth, value, **other) for depth, value in enumerate(values, start=1)]
    return [row | {"validation": {headline: row["validation"]["auc"]}} for row in runs]  # type: ignore[index]


def words(runs: list[dict[str, object]], headline: str) -> list[str]:
    return re.findall(r"<!-- (.*?) -->", sweep_plot(runs, None, headline).decode())


@pytest.mark.parametrize(
    ("headline", "said"),
    [("auc", "validation AUC"), ("dice", "validation Dice"), ("froc", "validation FROC"),
     ("mean_error", "validation mean error")],
)  # fmt: skip
def test_the_axis_names_the_headline_in_words(headline: str, said: str) -> None:
    assert said in words(headed(headline, [0.8, 0.85]), headline)


def test_the_axis_says_between_which_rates_the_sensitivity_is_averaged() -> None:
    low, high = froc.SPAN
    said = f"mean sensitivity, {low:g} to {high:g} false positives per frame"
    assert said in words(headed("froc", [0.8, 0.85]), "froc")


def test_the_axis_of_volumes_says_per_embolus_and_per_volume() -> None:
    low, high = froc_volumes.RATES[0], froc_volumes.RATES[-1]
    runs = headed("froc", [0.8, 0.85])
    drawn = sweep_plot(runs, None, "froc", volumes=True).decode()
    found = re.findall(r"<!-- (.*?) -->", drawn)
    assert "validation FROC" in found and "mean sensitivity per embolus, at" in found
    assert f"{low} to {high} false positives per volume" in found
    assert "per frame" not in drawn and "per volume" not in " ".join(words(runs, "froc"))
    assert "validation AUC" in sweep_plot(RUNS, CHOICE, "auc", volumes=True).decode()


def ticks(headline: str, values: list[float | None]) -> list[float]:
    said = [
        word.replace("\N{MINUS SIGN}", "-") for word in words(headed(headline, values), headline)
    ]
    return [float(word) for word in said if re.fullmatch(r"-?\d+\.\d+", word)]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_tick_lies_beyond_nothing_and_all(value: float) -> None:
    found = ticks("froc", [value] * 3)
    assert value in found and min(found) >= 0 and max(found) <= 1
    assert max(ticks("mean_error", [0.9, 1.8])) > 1


def test_a_depth_without_a_value_says_why() -> None:
    runs = headed("froc", [0.8, 0.85, None, 0.86, 0.87, 0.88])
    runs[3] |= {"state": "failed", "validation": {}}
    runs[4] |= {"state": "skipped", "validation": None}
    runs[5] |= {"state": "queued", "validation": {}}
    said = words(runs, "froc")
    assert [word for word in ("no value", "failed", "skipped", "queued") if word in said] == [
        "no value", "failed", "skipped",
    ]  # fmt: skip


def test_depths_that_finished_without_a_headline_are_not_called_unfinished() -> None:
    said = words(headed("froc", [None, None]), "froc")
    assert "depths have finished, but the validation part does not determine FROC" in said
    assert "no depth has finished yet" not in said
