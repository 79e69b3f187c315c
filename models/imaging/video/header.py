"""What a video's header says, judged before a frame is decoded; for a confined process.

The container is named, never guessed, so that no playlist makes FFmpeg open what it names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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


def judge(
    container: InputContainer, stream: VideoStream, rate: float, stride: int, limits: Limits
) -> None:
    """Refuses by the header what would only be refused after hours of work."""
    check_size(stream.codec_context.width, stream.codec_context.height, limits)
    duration_s = duration_of(container, stream)
    if duration_s is None:
        return
    if duration_s > limits.duration_max_s:
        raise VideoError(
            "too_long",
            f"{duration_s:.0f} s of film; at most {limits.duration_max_s:.0f} s are read: cut it",
        )
    frames = stream.frames or round(duration_s * rate)
    if frames > limits.frames_max * stride:
        enough = -(-frames // limits.frames_max)
        raise VideoError(
            "too_many_frames",
            f"{frames} frames with a stride of {stride}; at most {limits.frames_max} are read: "
            f"a stride of {enough} does",
        )


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
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


def rate_of(path: Path, container: str, stream: VideoStream) -> float:
    """Frames per second on the mean: counted where the file counts them, else measured."""
    counted = None
    if stream.frames > 1 and stream.duration and stream.time_base:
        counted = stream.frames / float(stream.duration * stream.time_base)
    rate = counted or _measured(path, container) or float(stream.average_rate or 0)
    return rate if 0 < rate <= FPS_MAX else FPS_ASSUMED


def _measured(path: Path, container: str) -> float | None:
    """The rate of the first packets by their times, none decoded: live recordings say any rate."""
    times: list[float] = []
    try:
        with opened(path, container) as (found, stream):
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
