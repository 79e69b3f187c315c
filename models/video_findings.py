"""Findings of videos: what each frame that was read shows, and what they show together.

A frame's mask is left out: a base64 PNG in each of thousands of frames would drown the rest. Ask
about the frame alone, as an image, to have it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.case import Box
from models.findings import ClassFinding, Detection, PolypFinding
from models.imaging.tracks import Linker

DETECTIONS_MAX = 10  # of one frame, best first


@dataclass(frozen=True)
class VideoSummary:
    """What was read: `duration_s` and `fps` of the film, every `stride`-th of its frames."""

    frames_read: int
    duration_s: float
    fps: float
    stride: int


@dataclass(frozen=True)
class DetectionSummary(VideoSummary):
    """The same, the frames with a detection, and the number of tracks."""

    frames_with_detections: int
    tracks: int


@dataclass(frozen=True)
class TrackedDetection(Detection):
    """A detection and the number of the track that it belongs to."""

    track: int


@dataclass(frozen=True)
class FrameDetections:
    """The verdict on one frame, as of an image, without its mask."""

    present: bool
    score: float
    detections: tuple[TrackedDetection, ...]


@dataclass(frozen=True)
class DetectedFrame:
    """A frame that was read; `index` counts all frames of the film from 0."""

    index: int
    time_s: float
    finding: FrameDetections


@dataclass(frozen=True)
class BestFrame:
    """Where a track is seen best: by the highest score."""

    index: int
    time_s: float
    score: float
    box_px: Box


@dataclass(frozen=True)
class Track:
    """One thing followed through the film; `frames` is in how many of those read it was seen."""

    id: int
    first_seen_s: float
    last_seen_s: float
    frames: int
    best: BestFrame


@dataclass(frozen=True)
class DetectionVideo:
    """What was detected in a film."""

    summary: DetectionSummary
    tracks: tuple[Track, ...]
    frames: tuple[DetectedFrame, ...]


@dataclass(frozen=True)
class ClassifiedFrame:
    """A frame that was read; `index` counts all frames of the film from 0."""

    index: int
    time_s: float
    finding: ClassFinding


@dataclass(frozen=True)
class ClassVideo:
    """The label of each frame, and of every class its share of the frames that were read."""

    summary: VideoSummary
    shares: dict[str, float]
    frames: tuple[ClassifiedFrame, ...]


class Gathering(Protocol):
    """Takes the findings of frames in order; makes one finding of them."""

    def take(self, index: int, time_s: float, finding: Any) -> Sequence[TrackedDetection]:
        """The detections that are the best of their tracks so far."""
        ...

    def finding(self, duration_s: float, fps: float, stride: int) -> Any: ...


class _Detections:
    def __init__(self) -> None:
        self._linker = Linker()
        self._frames: list[DetectedFrame] = []
        self._tracks: dict[int, Track] = {}

    def take(self, index: int, time_s: float, finding: PolypFinding) -> Sequence[TrackedDetection]:
        kept = finding.detections[:DETECTIONS_MAX]
        numbers = self._linker.link(time_s, [row.box_px for row in kept])
        rows = tuple(
            TrackedDetection(_tenths(row.box_px), round(row.score, 4), row.area_px, number)
            for row, number in zip(kept, numbers, strict=True)
        )
        shown = FrameDetections(finding.present, round(finding.score, 4), rows)
        self._frames.append(DetectedFrame(index, time_s, shown))
        return [row for row in rows if self._seen(index, time_s, row)]

    def _seen(self, index: int, time_s: float, row: TrackedDetection) -> bool:
        """Notes a detection of a track; whether it is its best."""
        here = BestFrame(index, time_s, row.score, row.box_px)
        before = self._tracks.get(row.track) or Track(row.track, time_s, time_s, 0, here)
        best = here if row.score > before.best.score else before.best
        first = before.first_seen_s
        self._tracks[row.track] = Track(row.track, first, time_s, before.frames + 1, best)
        return best.index == index

    def finding(self, duration_s: float, fps: float, stride: int) -> DetectionVideo:
        positive = sum(bool(frame.finding.detections) for frame in self._frames)
        summary = DetectionSummary(
            len(self._frames), duration_s, fps, stride, positive, len(self._tracks)
        )
        return DetectionVideo(summary, tuple(self._tracks.values()), tuple(self._frames))


def _tenths(box: Box) -> Box:
    x0, y0, x1, y1 = (round(float(side), 1) for side in box)
    return x0, y0, x1, y1


class _Classes:
    def __init__(self) -> None:
        self._frames: list[ClassifiedFrame] = []

    def take(self, index: int, time_s: float, finding: ClassFinding) -> Sequence[TrackedDetection]:
        scores = {name: round(score, 4) for name, score in finding.scores.items()}
        kept = ClassFinding(finding.label, scores[finding.label], scores)
        self._frames.append(ClassifiedFrame(index, time_s, kept))
        return ()

    def finding(self, duration_s: float, fps: float, stride: int) -> ClassVideo:
        count = Counter(frame.finding.label for frame in self._frames)
        names = self._frames[0].finding.scores
        shares = {name: round(count[name] / len(self._frames), 4) for name in names}
        summary = VideoSummary(len(self._frames), duration_s, fps, stride)
        return ClassVideo(summary, shares, tuple(self._frames))


# By the finding of a frame: what a film's is, and how it comes about.
KINDS: dict[type[Any], tuple[type[Any], type[Gathering]]] = {
    ClassFinding: (ClassVideo, _Classes),
    PolypFinding: (DetectionVideo, _Detections),
}


def video_finding(finding: type[Any]) -> type[Any]:
    """The dataclass that a film's finding is, for the type of a frame's."""
    return KINDS[finding][0]


def gathering(finding: type[Any]) -> Gathering:
    return KINDS[finding][1]()
