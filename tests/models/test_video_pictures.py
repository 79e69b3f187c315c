"""The timeline tells the same twice, at any length; thumbnails stay few."""

import io

import numpy as np
import pytest
from PIL import Image

from models.findings import ClassFinding, Detection, Labels, OperatingPoint, PolypFinding
from models.pictures import look
from models.video_findings import gathering
from models.video_pictures import (
    THUMBNAILS_MAX,
    WIDTH,
    Gallery,
    VideoFinding,
    marks,
    thumbnail,
    timeline,
)

POLYP = Labels(("polyp",), "polyp")
QUALITY = Labels(("informative", "non_informative"), "informative")
POINT = OperatingPoint("fp_per_image=0.1", 0.5)
BOX = (10.0, 10.0, 40.0, 40.0)


def polyps(frames: int = 60) -> VideoFinding:
    """One polyp from a quarter to the half of the film."""
    gathered = gathering(PolypFinding)
    for k in range(frames):
        seen = (Detection(BOX, 0.9, 900),) if frames // 4 <= k < frames // 2 else ()
        finding = PolypFinding(bool(seen), 0.9 if seen else 0.2, seen, "")
        gathered.take(5 * k, k / 5, finding)
    found: VideoFinding = gathered.finding(frames / 5, 25.0, 5)
    return found


def quality(frames: int = 60) -> VideoFinding:
    gathered = gathering(ClassFinding)
    for k in range(frames):
        good = k < frames // 3
        scores = {"informative": 0.9 if good else 0.2, "non_informative": 0.1 if good else 0.8}
        label = "informative" if good else "non_informative"
        gathered.take(k, k / 5, ClassFinding(label, scores[label], scores))
    found: VideoFinding = gathered.finding(frames / 5, 25.0, 5)
    return found


def pixels_of(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.width) == ("PNG", WIDTH)
    return np.asarray(image.convert("RGB"))


def columns_of(picture: np.ndarray, colour: str) -> tuple[float, float]:
    """Where a colour begins and ends, as shares of the axis of time."""
    rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    found = np.flatnonzero((picture == rgb).all(axis=2).any(axis=0))
    left, right = 72, WIDTH - look.MARGIN
    return (found[0] - left) / (right - left), (found[-1] + 1 - left) / (right - left)


def test_what_was_seen_stands_at_its_time() -> None:
    picture = pixels_of(timeline(polyps(), POLYP, POINT))
    assert columns_of(picture, look.BLUE) == pytest.approx((0.25, 0.5), abs=0.02)


def test_the_same_finding_gives_the_same_bytes() -> None:
    small = {1: thumbnail(np.full((480, 640, 3), 90, np.uint8), BOX)}
    assert timeline(polyps(), POLYP, POINT, small) == timeline(polyps(), POLYP, POINT, small)
    assert timeline(quality(), QUALITY, None) == timeline(quality(), QUALITY, None)


def test_best_frames_are_shown_above_where_there_are_any() -> None:
    bare = pixels_of(timeline(polyps(), POLYP, POINT))
    small = thumbnail(np.full((480, 640, 3), (200, 30, 30), np.uint8), BOX)
    shown = pixels_of(timeline(polyps(), POLYP, POINT, {1: small}))
    assert len(shown) > len(bare) + 140
    assert (shown[40, 100] == (200, 30, 30)).all()


@pytest.mark.parametrize("frames", [1, 2, 40_000])
def test_a_film_of_any_length_can_be_drawn(frames: int) -> None:
    assert len(pixels_of(timeline(polyps(frames), POLYP, POINT))) > 200
    assert len(pixels_of(timeline(quality(frames), QUALITY, POINT))) > 200


def test_thumbnails_stay_few_and_the_best_stay() -> None:
    gallery, gathered = Gallery(), gathering(PolypFinding)
    frame = np.zeros((1080, 1920, 3), np.uint8)
    for k in range(300):
        score = 0.99 if k == 7 else 0.5 + k / 1000
        seen = (Detection((5.0 * k, 0.0, 5.0 * k + 3, 3.0), score, 9),)
        best = gathered.take(k, 2.0 * k, PolypFinding(True, score, seen, ""))
        gallery.keep(frame, best)
    kept = gallery.thumbnails
    assert THUMBNAILS_MAX <= len(kept) <= 4 * THUMBNAILS_MAX
    assert {8, 300} <= set(kept)  # the best, and the last
    assert max(small.nbytes for small in kept.values()) < 100_000


def test_marks_say_what_each_frame_shows() -> None:
    rows = marks(polyps(8), POLYP)
    assert [row["words"] for row in rows[:3]] == ["no polyp", "no polyp", "polyp 0.90"]
    assert rows[2]["boxes"][0] == {"box_px": BOX, "score": 0.9, "area_px": 900, "track": 1}
    assert [row["words"] for row in marks(quality(3), QUALITY)] == [
        "informative 0.90", "non informative 0.80", "non informative 0.80",
    ]  # fmt: skip
