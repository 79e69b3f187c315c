"""The picture of a video's finding: the score over time, what was seen when, and the best frames.

The same input gives the same bytes. Nothing is told by colour alone: a track has its number, a
class its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.case import Box, Pixels
from models.findings import Labels, OperatingPoint
from models.pictures import look
from models.video_findings import ClassVideo, DetectionVideo, Track, TrackedDetection

WIDTH = 1200
LEFT, RIGHT = 72, WIDTH - look.MARGIN  # the axis of time
CURVE, ABOVE = 150, 20  # height of the score, and of its name
ROW, BAND = 22, 26
TRACKS_MAX, THUMBNAILS_MAX, A_ROW = 12, 12, 6
THUMBNAIL = (184, 140)  # width and height at most
CELL = (197, 170)  # a thumbnail with its words and the space around it
STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
TICKS = 10

Pen = ImageDraw.ImageDraw
VideoFinding = DetectionVideo | ClassVideo


class Gallery:
    """The best frames of the best tracks, as thumbnails; few, however long the film."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[float, Pixels]] = {}

    def keep(self, pixels: Pixels, best: Sequence[TrackedDetection]) -> None:
        """Takes a frame for the tracks of which it is the best so far."""
        for row in best:
            self._kept[row.track] = (row.score, thumbnail(pixels, row.box_px))
        if len(self._kept) > 4 * THUMBNAILS_MAX:
            order = sorted(self._kept, key=lambda track: -self._kept[track][0])
            self._kept = {track: self._kept[track] for track in order[: 2 * THUMBNAILS_MAX]}

    @property
    def thumbnails(self) -> dict[int, Pixels]:
        """By the number of the track."""
        return {track: small for track, (_, small) in self._kept.items()}


def thumbnail(pixels: Pixels, box: Box) -> Pixels:
    """A frame reduced, with one box in it."""
    height, width = pixels.shape[:2]
    scale = min(THUMBNAIL[0] / width, THUMBNAIL[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = (round(side * scale) for side in box)
    for ink, thickness in (((0, 0, 0), 3), ((240, 228, 66), 1)):
        cv2.rectangle(small, (x0, y0), (x1 - 1, y1 - 1), ink, thickness)
    return np.ascontiguousarray(small, dtype=np.uint8)


def chosen(tracks: Sequence[Track], most: int) -> list[Track]:
    """The tracks of the highest scores, in the order of time."""
    best = sorted(tracks, key=lambda track: -track.best.score)[:most]
    return sorted(best, key=lambda track: track.id)


def timeline(
    finding: VideoFinding, labels: Labels, point: OperatingPoint | None,
    thumbnails: Mapping[int, Pixels] | None = None,
) -> bytes:  # fmt: skip
    """PNG, 1200 pixels wide. `thumbnails` are the best frames by the number of their track."""
    threshold = None if point is None else point.threshold
    scores = _scores(finding, labels)
    pieces = [
        look.title(_verdict(finding, labels)),
        *look.notes(_read(finding, point), WIDTH),
        _curve(finding, scores, threshold),
        *(_bars(finding) if isinstance(finding, DetectionVideo) else _classes(finding, labels)),
        _axis(finding.summary.duration_s),
    ]
    return look.stacked(_gallery(finding, thumbnails or {}), pieces)


def marks(finding: VideoFinding, labels: Labels) -> list[dict[str, Any]]:
    """What an annotated film shows from each frame that was read (imaging.video.marking)."""
    name = look.plain(labels.positive or labels.names[0])
    if isinstance(finding, ClassVideo):
        return [
            {
                "time_s": frame.time_s, "boxes": [],
                "words": f"{look.plain(frame.finding.label)} {frame.finding.score:.2f}",
                "good": frame.finding.label == labels.positive,
            }
            for frame in finding.frames
        ]  # fmt: skip
    return [
        {
            "time_s": frame.time_s, "boxes": [asdict(row) for row in frame.finding.detections],
            "words": f"{name} {frame.finding.score:.2f}" if frame.finding.present else f"no {name}",
            "good": frame.finding.present,
        }
        for frame in finding.frames
    ]  # fmt: skip


def _verdict(finding: VideoFinding, labels: Labels) -> str:
    name = look.plain(labels.positive or labels.names[0])
    if isinstance(finding, DetectionVideo):
        count, frames = finding.summary.tracks, finding.summary.frames_with_detections
        tracks = f"{count} track{'' if count == 1 else 's'}"
        return f"{name}: {tracks}, seen in {frames} of {finding.summary.frames_read} frames read"
    shares = [f"{look.plain(label)} {share:.0%}" for label, share in finding.shares.items()]
    return ", ".join(shares) + f" of {finding.summary.frames_read} frames read"


def _read(finding: VideoFinding, point: OperatingPoint | None) -> str:
    read = finding.summary
    every = "every frame" if read.stride == 1 else f"one frame in {read.stride}"
    words = f"{_clock(read.duration_s)} of film, {every} was read"
    if point is not None and point.threshold is not None:
        words += f"; counted from a score of {point.threshold:.2f} upwards ({point.name})"
    return words


def _scores(finding: VideoFinding, labels: Labels) -> NDArray[np.float64]:
    """[frames, 2]: time in seconds and the score that decides."""
    if isinstance(finding, DetectionVideo):
        rows = [(frame.time_s, frame.finding.score) for frame in finding.frames]
    else:
        name = labels.positive or labels.names[0]
        rows = [(frame.time_s, frame.finding.scores[name]) for frame in finding.frames]
    return np.array(rows, np.float64).reshape(-1, 2)


def _along(finding: VideoFinding) -> Callable[[float], float]:
    """Seconds to a place on the axis of time."""
    lasts = max(finding.summary.duration_s, 1e-6)
    return lambda at_s: LEFT + (RIGHT - LEFT) * min(max(at_s / lasts, 0.0), 1.0)


def _curve(
    finding: VideoFinding, scores: NDArray[np.float64], threshold: float | None
) -> look.Block:
    """The score of each frame until the next one; where several share a pixel, the highest."""
    along = _along(finding)

    def draw(pen: Pen, y: int, _: int) -> None:
        bottom = y + ABOVE + CURVE
        for share in (0.0, 0.5, 1.0):
            at = bottom - share * CURVE
            pen.line((LEFT, at, RIGHT, at), look.RULE)
            pen.text((LEFT - 8, at), f"{share:g}", look.SOFT, look.font(12), anchor="rm")
        pen.text((look.MARGIN, y), "score", look.SOFT, look.font(12))
        ends = [along(at_s) for at_s, _ in scores[1:]] + [float(RIGHT)]
        columns: dict[int, float] = {}
        for (at_s, score), end in zip(scores, ends, strict=True):
            for column in range(int(along(at_s)), max(int(along(at_s)) + 1, int(end))):
                columns[column] = max(columns.get(column, 0.0), score)
        for column, score in columns.items():
            counted = threshold is not None and score >= threshold
            top = bottom - score * CURVE
            pen.line((column, bottom, column, top), look.BLUE if counted else look.PALE_BLUE)
        if threshold is not None:
            level = bottom - threshold * CURVE
            for start in range(LEFT, RIGHT, 12):
                pen.line((start, level, min(start + 6, RIGHT), level), look.ORANGE, 2)

    return look.Block(ABOVE + CURVE + 12, draw)


def _bars(finding: DetectionVideo) -> list[look.Block]:
    """A bar for each track from its first to its last sight, a tick at its best frame."""
    along = _along(finding)

    def bar(track: Track) -> look.Block:
        def draw(pen: Pen, y: int, _: int) -> None:
            x0, x1 = along(track.first_seen_s), along(track.last_seen_s)
            pen.text((LEFT - 8, y + 8), f"#{track.id}", look.INK, look.font(12), anchor="rm")
            pen.line((LEFT, y + 8, RIGHT, y + 8), look.RULE)
            pen.rounded_rectangle((x0, y + 2, max(x1, x0 + 4), y + 14), 2, look.BLUE)
            at = along(track.best.time_s)
            pen.line((at, y - 1, at, y + 17), look.ORANGE, 3)

        return look.Block(ROW, draw)

    shown = chosen(finding.tracks, TRACKS_MAX)
    more = len(finding.tracks) - len(shown)
    rest = [look.note(f"and {more} more of lower scores")] if more else []
    return [*map(bar, shown), *rest]


def _classes(finding: ClassVideo, labels: Labels) -> list[look.Block]:
    """A band for each class: where in the film frames have its label."""
    along = _along(finding)
    starts = [along(frame.time_s) for frame in finding.frames]
    ends = [*starts[1:], float(RIGHT)]

    def band(name: str) -> look.Block:
        colour = look.BLUE if name == labels.positive else look.ORANGE

        def draw(pen: Pen, y: int, _: int) -> None:
            pen.rectangle((LEFT, y, RIGHT, y + BAND - 8), "#f2f4f6")
            for frame, start, end in zip(finding.frames, starts, ends, strict=True):
                if frame.finding.label == name:
                    pen.rectangle((start, y, max(start, end - 1), y + BAND - 8), colour)
            share = f"{finding.shares[name]:.0%}"
            pen.text((LEFT - 8, y + 9), share, look.INK, look.font(12), anchor="rm")

        return look.Block(BAND, draw)

    pieces = []
    for name in finding.shares:
        pieces += [look.note(look.plain(name)), band(name)]
    return pieces


def _axis(duration_s: float) -> look.Block:
    """Minutes and seconds under everything above."""
    step = next((step for step in STEPS_S if duration_s / step <= TICKS), STEPS_S[-1])
    lasts = max(duration_s, 1e-6)

    def draw(pen: Pen, y: int, _: int) -> None:
        pen.line((LEFT, y, RIGHT, y), look.SOFT)
        for k in range(int(duration_s / step) + 1):
            at = LEFT + (RIGHT - LEFT) * k * step / lasts
            pen.line((at, y, at, y + 5), look.SOFT)
            anchor = "ra" if at > RIGHT - 20 else "ma"
            pen.text((at, y + 7), _clock(k * step), look.SOFT, look.font(12), anchor=anchor)

    return look.Block(34, draw)


def _gallery(finding: VideoFinding, thumbnails: Mapping[int, Pixels]) -> Image.Image:
    """The best frames of the tracks, six in a row, each with its number, score and time."""
    tracks = finding.tracks if isinstance(finding, DetectionVideo) else ()
    shown = chosen([track for track in tracks if track.id in thumbnails], THUMBNAILS_MAX)
    rows = -(-len(shown) // A_ROW)
    canvas = Image.new("RGB", (WIDTH, max(1, rows * CELL[1] + look.MARGIN * (rows > 0))), "#000000")
    pen = ImageDraw.Draw(canvas)
    for k, track in enumerate(shown):
        x, y = look.MARGIN + k % A_ROW * CELL[0], look.MARGIN + k // A_ROW * CELL[1]
        small = Image.fromarray(thumbnails[track.id])
        canvas.paste(small, (x, y))
        words = f"#{track.id}  {track.best.score:.2f}  at {_clock(track.best.time_s)}"
        pen.text((x, y + small.height + 4), words, look.PAPER, look.font(12))
    return canvas


def _clock(at_s: float) -> str:
    """1:02:03, 2:05 or 0:07.5: tenths where they are not zero."""
    tenths = round(at_s * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
