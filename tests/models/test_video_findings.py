"""Findings of frames become the finding of a video: tracks, shares, a summary; no masks."""

import json
from dataclasses import asdict

import pytest

from models.discovery import tasks
from models.findings import ClassFinding, Detection, PolypFinding
from models.video_findings import DETECTIONS_MAX, ClassVideo, DetectionVideo, gathering


def polyps(*found: tuple[float, float]) -> PolypFinding:
    """A frame with a box of side 20 at each x, of the given score; the best first."""
    rows = tuple(Detection((x, 5.0, x + 20, 25.0), score, 400) for x, score in found)
    return PolypFinding(bool(rows), max((s for _, s in found), default=0.1), rows, "a mask")


def quality(score: float) -> ClassFinding:
    label = "informative" if score >= 0.5 else "non_informative"
    scores = {"informative": score, "non_informative": 1 - score}
    return ClassFinding(label, scores[label], scores)


def test_a_thing_seen_in_several_frames_is_one_track_with_its_best_frame() -> None:
    gathered = gathering(PolypFinding)
    seen = [
        polyps(), polyps((10, 0.7)), polyps((14.25, 0.91234)), polyps((100, 0.8), (16, 0.6)),
        polyps(),
    ]  # fmt: skip
    best = [
        [row.track for row in gathered.take(5 * k, k / 5, finding)]
        for k, finding in enumerate(seen)
    ]
    assert best == [[], [1], [1], [2], []]
    found = gathered.finding(duration_s=1.0, fps=25.0, stride=5)
    assert isinstance(found, DetectionVideo)
    assert asdict(found.summary) == {
        "frames_read": 5, "duration_s": 1.0, "fps": 25.0, "stride": 5,
        "frames_with_detections": 3, "tracks": 2,
    }  # fmt: skip
    assert asdict(found.tracks[0]) == {
        "id": 1, "first_seen_s": 0.2, "last_seen_s": 0.6, "frames": 3,
        "best": {"index": 10, "time_s": 0.4, "score": 0.9123, "box_px": (14.2, 5.0, 34.2, 25.0)},
    }  # fmt: skip
    assert [row.track for row in found.frames[3].finding.detections] == [2, 1]
    assert [frame.finding.present for frame in found.frames] == [False, True, True, True, False]


def test_masks_are_left_out_and_detections_bounded() -> None:
    gathered = gathering(PolypFinding)
    gathered.take(0, 0.0, polyps(*((50.0 * k, 0.9) for k in range(30))))
    found = gathered.finding(0.1, 10.0, 1)
    assert "mask" not in json.dumps(asdict(found))
    assert len(found.frames[0].finding.detections) == DETECTIONS_MAX


def test_every_class_has_its_share_of_the_frames() -> None:
    gathered = gathering(ClassFinding)
    for k, score in enumerate((0.9, 0.8, 0.123456, 0.6)):
        assert gathered.take(k, k / 10, quality(score)) == ()
    found = gathered.finding(0.4, 10.0, 1)
    assert isinstance(found, ClassVideo)
    assert found.shares == {"informative": 0.75, "non_informative": 0.25}
    assert found.frames[2].finding.scores["informative"] == 0.1235
    assert found.summary.frames_read == 4


@pytest.mark.parametrize("name", [name for name, task in tasks().items() if task.video])
def test_every_task_that_takes_videos_has_a_finding_for_them(name: str) -> None:
    assert gathering(tasks()[name].finding) is not None
