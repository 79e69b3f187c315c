"""The annotated film: every frame of the original, boxes where they belong, no sound."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.imaging.video import cell
from models.imaging.video.marking import moved
from models.imaging.video.terms import Limits
from tests.films import film, plain


def annotated(path: Path, marks: list[dict[str, Any]]) -> Path:
    drawn, out = path.with_name("marks.json"), path.with_name("annotated.mp4")
    drawn.write_text(json.dumps(marks))
    heard: list[int] = []
    cell.annotate(path, "mov", drawn, out, Limits(), heard.append)
    assert heard
    return out


def frames_of(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as found:
        assert not found.streams.audio
        assert found.streams.video[0].codec_context.name == "h264"
        decoded = list(found.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in decoded], [f.time for f in decoded]


def test_every_frame_is_there_at_its_time_with_its_box(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.5, 0.6, 0.7]
    grey = [plain((90, 90, 90), 320, 240)] * len(times)
    path = film(tmp_path / "film.mp4", grey, times_s=times, sound=True)
    box = {"track": 1, "box_px": [200, 100, 260, 160], "score": 0.9}
    nothing = {"time_s": 0.0, "words": "no polyp", "good": False, "boxes": []}
    seen = {"time_s": 0.45, "words": "polyp 0.90", "good": True, "boxes": [box]}
    pictures, at = frames_of(annotated(path, [nothing, seen]))
    assert at == pytest.approx(times, abs=0.002)
    inside = [float(np.abs(p[95:165, 195:265].astype(int) - 90).max()) for p in pictures]
    assert max(inside[:3]) < 40
    assert min(inside[3:]) > 60
    assert all(np.abs(p[120:140, 220:240].astype(int) - 90).max() < 30 for p in pictures)


def test_a_box_moves_straight_between_two_frames_that_were_read() -> None:
    now = [{"track": 1, "box_px": [0, 0, 10, 10]}, {"track": 2, "box_px": [50, 50, 60, 60]}]
    then = [{"track": 1, "box_px": [20, 4, 30, 14]}]
    assert [row["box_px"] for row in moved(now, then, 0.25)] == [[5, 1, 15, 11], [50, 50, 60, 60]]


def test_a_large_film_is_reduced_and_sides_are_even(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [plain((90, 90, 90), 1920, 1082)] * 2)
    pictures, _ = frames_of(annotated(path, []))
    assert pictures[0].shape == (722, 1280, 3)
