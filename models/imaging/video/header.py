"""What a video's header says, judged before a frame is decoded; for a confined process.

The container is named, never guessed, so that no playlist makes FFmpeg open what it names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from models.imaging.video.terms import Limits, VideoError

SIDE_MIN = 8  # pixels, as of an image
RATED_PACKETS = 120  # looked at to learn the rate of a file that does not say it
REORDERED = 16  # packets come in the order of decoding: the latest of them have gaps between
FPS_ASSUMED = 25.0
FPS_MAX = 1000.0
_OPTIONS = {"protocol_whitelist": "file"}


@contextmanager
def opened(path: Path, container: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and its main picture stream. Raises VideoError."""
    if path.stat().st_size == 0:
        raise VideoError("empty_file", "the file has no content")
    try:
        found = av.open(
            str(path), format=container, container_options=_OPTIONS, metadata_errors="ignore"
        )
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        detail = "the file is damaged, or is cut off before what tells its frames apart"
        raise VideoError("unreadable_video", detail) from error
    with found:
        yield found, _main(found)


def _main(container: InputContainer) -> VideoStream:
    """The largest picture stream that is no cover image."""
    films = [
        stream for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]  # fmt: skip
    if not films:
        raise VideoError("no_video", "there are no moving pictures in it")
    # A stream of a codec that FFmpeg does not know has no context to ask.
    known = [stream for stream in films if stream.codec_context is not None]
    if not known:
        detail = "its pictures are coded in a way that is not known here; H.264 in an mp4 is"
        raise VideoError("unknown_codec", detail)
    return max(known, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels_max:
        raise VideoError(
            "too_large",
            f"frames of {width} x {height} pixels; at most {limits.pixels_max:,} pixels are read: "
            "send it in a smaller format",
        )
    if 0 < min(width, height) < SIDE_MIN:
        detail = f"frames of {width} x {height} pixels; a side has {SIDE_MIN}"
        raise VideoError("too_small", detail)


@dataclass(frozen=True)
class Extent:
    """How long a film is: frames per second on the mean, and what its file says beside."""

    fps: float
    frames: int | None
    duration_s: float | None


def judge(stream: VideoStream, extent: Extent, stride: int, limits: Limits) -> None:
    """Refuses by the header what would only be refused after hours of work."""
    check_size(stream.codec_context.width, stream.codec_context.height, limits)
    if extent.duration_s is None:
        return
    if extent.duration_s > limits.duration_max_s:
        raise VideoError(
            "too_long",
            f"{extent.duration_s:.0f} s of film; at most {limits.duration_max_s:.0f} s are read: "
            "cut it",
        )
    frames = extent.frames or round(extent.duration_s * extent.fps)
    if frames > limits.frames_max * stride:
        enough = -(-frames // limits.frames_max)
        raise VideoError(
            "too_many_frames",
            f"{frames} frames with a stride of {stride}; at most {limits.frames_max} are read: "
            f"a stride of {enough} does",
        )


def extent_of(path: Path, kind: str, container: InputContainer, stream: VideoStream) -> Extent:
    """Counted where the file's index counts its frames, else measured: headers say any rate."""
    duration_s = _duration(container, stream)
    if kind == "mov" and stream.frames and duration_s:
        return Extent(_sane(stream.frames / duration_s), stream.frames, duration_s)
    told = float(stream.average_rate or 0)
    fps = _sane(_measured(path, kind) or told)
    if stream.frames and abs(told - fps) < 0.05 * fps:
        return Extent(fps, stream.frames, stream.frames / fps)
    return Extent(fps, None, duration_s)  # an AVI counts empty chunks as well


def _sane(fps: float) -> float:
    return fps if 0 < fps <= FPS_MAX else FPS_ASSUMED


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of picture, as the file says; of a file with sound its own length is no answer."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        pass
    if container.duration is None or container.streams.audio:
        return None
    return container.duration / av.time_base


def _measured(path: Path, kind: str) -> float | None:
    """The rate of the first packets by their times, none decoded."""
    times: list[float] = []
    try:
        with opened(path, kind) as (found, stream):
            for packet in found.demux(stream):
                if packet.pts is not None and packet.time_base is not None:
                    times.append(float(packet.pts * packet.time_base))
                if len(times) == RATED_PACKETS:
                    break
    except av.error.FFmpegError:
        pass  # a damaged file: what was seen of it is enough
    times = sorted(times)[: max(2, len(times) - REORDERED)]
    span = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / span if span > 0 else None
