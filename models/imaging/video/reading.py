"""Frames of a video, one by one, at the memory of a few; for a confined process (`inside`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from models.case import Pixels
from models.imaging.video.header import Extent, check_size, extent_of, judge, opened
from models.imaging.video.terms import READ_PER_S, Ended, Facts, Frame, Limits, VideoError
from models.imaging.video.turning import matrix_of, upright

THREADS = 2  # of the decoder: more cost memory and wait for the network anyway
HD_HEIGHT = 720  # from here on untagged colours are BT.709's, below BT.601's, as players have it
CALLED = {"mov": "mp4"}  # FFmpeg's word for the family, and the one that people know
UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED


@dataclass
class Reader:
    """One pass over a video: `facts` are there with the first frame, `ended` after the last."""

    path: Path
    container: str
    limits: Limits
    stride: int | None = None  # None: as many frames as READ_PER_S asks for
    facts: Facts | None = None
    _seen: int = 0
    _broken: int = 0
    _at_s: float = 0.0
    _end_s: float = 0.0
    _start_s: float | None = None
    _cut: bool = False
    _notes: list[str] = field(default_factory=list)
    _painter: VideoReformatter = field(default_factory=VideoReformatter)

    def frames(self) -> Iterator[Frame | int]:
        """Every frame that the stride asks for; for one that is skipped, its index alone."""
        with opened(self.path, self.container) as (container, stream):
            extent = extent_of(self.path, self.container, container, stream)
            stride = self.stride or max(1, round(extent.fps / READ_PER_S))
            judge(stream, extent, stride, self.limits)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = THREADS
            for frame in self._decoded(container, stream):
                at_s = self._time(frame, extent.fps)
                if self.facts is None:
                    self.facts = _facts(container, stream, frame, extent, stride)
                index, self._seen = self._seen, self._seen + 1
                if at_s > self.limits.duration_max_s or index >= self.limits.frames_max * stride:
                    self._notes.append("limit")
                    return
                if index % stride:
                    yield index
                else:
                    yield Frame(index, round(at_s, 4), self._painted(frame))

    @property
    def ended(self) -> Ended:
        """Raises VideoError if there was not one frame."""
        if self._seen == 0:
            what = "every picture in it is damaged" if self._broken else "it holds no picture"
            raise VideoError("no_frames", f"{what}: there is nothing to answer for")
        notes = tuple(dict.fromkeys(note for note in self._notes if note != "limit"))
        reason = "limit" if "limit" in self._notes else "cut" if self._cut else ""
        return Ended(self._seen, round(self._end_s, 4), self._broken, reason, notes=notes)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the file is damaged here: what was read is left
                self._cut, packet = True, None
            if packet is None:
                break
            try:
                found = packet.decode()
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                self._broken += 1
                continue
            yield from self._checked(found)
        if self._cut:
            yield from self._checked(_flushed(stream))

    def _checked(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            check_size(frame.width, frame.height, self.limits)
            yield frame

    def _time(self, frame: VideoFrame, rate: float) -> float:
        """Seconds since the first frame. A clock that is missing or runs backwards is mended."""
        base = frame.time_base
        told = None if frame.pts is None or base is None else float(frame.pts * base)
        if self._start_s is None:
            self._start_s = told or 0.0
        self._at_s = max(self._at_s, self._end_s if told is None else told - self._start_s)
        lasts = float(frame.duration * base) if frame.duration and base else 1 / rate
        self._end_s = self._at_s + min(lasts, self.limits.duration_max_s)
        return self._at_s

    def _painted(self, frame: VideoFrame) -> Pixels:
        """RGB, upright, of the first frame's size."""
        assert self.facts is not None  # noqa: S101 - set at the first frame
        turn = matrix_of(frame)
        size = (self.facts.width, self.facts.height)
        width, height = size if turn is None or not turn[0, 1] else size[::-1]
        if (frame.width, frame.height) != (width, height):
            self._notes.append("size_changed")
        return upright(painted(self._painter, frame, width, height), turn)


def painted(painter: VideoReformatter, frame: VideoFrame, width: int, height: int) -> Pixels:
    """A frame as it is stored, as RGB [height, width, 3]."""
    guess = frame.colorspace == UNTAGGED and frame.height >= HD_HEIGHT
    rgb = painter.reformat(
        frame, width, height, "rgb24", src_colorspace=Colorspace.ITU709 if guess else None
    )
    return np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)


def _flushed(stream: VideoStream) -> list[VideoFrame]:
    try:
        return list(stream.decode(None))
    except av.error.FFmpegError:
        return []


def _facts(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, extent: Extent, stride: int
) -> Facts:
    turn = matrix_of(frame)
    width, height = frame.width, frame.height
    if turn is not None and turn[0, 1]:
        width, height = height, width
    notes = {
        "rotated": turn is not None,
        "interlaced": frame.interlaced_frame,
        "pixels_not_square": stream.sample_aspect_ratio not in (None, 0, 1),
    }
    duration_s = extent.duration_s
    return Facts(
        container=CALLED.get(container.format.name, container.format.name),
        codec=stream.codec_context.name,
        width=width, height=height, fps=round(extent.fps, 3), stride=stride,
        frames=extent.frames, duration_s=None if duration_s is None else round(duration_s, 3),
        notes=tuple(note for note, holds in notes.items() if holds),
    )  # fmt: skip
