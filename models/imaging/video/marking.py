"""A film with what was found drawn into it, as an mp4 that any browser plays; for a cell.

Marks were made for the frames that were read. Between two of those, a box of the same track moves
in a straight line; what is in only one of them is shown until the next. There is no sound.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from models.case import Pixels
from models.imaging.video.reading import Reader
from models.imaging.video.terms import Frame

LONG_SIDE = 1280  # of the film that is written
CLOCK = Fraction(1, 1000)  # its times, in milliseconds
FONT = cv2.FONT_HERSHEY_SIMPLEX
# Okabe and Ito's, told apart with any colour vision; a track keeps its own.
COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167))
QUIET, DARK = (170, 170, 170), (0, 0, 0)
PAD = 4  # pixels around words
USE = "research use only"


def mark(reader: Reader, marks: Sequence[Mapping[str, Any]], out: Path) -> Iterator[int]:
    """Writes the film; yields the index of every frame written.

    A mark is {time_s, words, good, boxes: [{track, box_px, score}]}, in order of time.
    """
    times = [row["time_s"] for row in marks]
    with av.open(str(out), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream: VideoStream | None = None
        last = -1
        for frame in reader.frames():
            if not isinstance(frame, Frame):
                continue
            if stream is None:
                assert reader.facts is not None  # noqa: S101 - set at the first frame
                stream = _stream(film, frame.pixels, reader.facts.fps)
            drawn = _drawn(frame.pixels, stream.width, stream.height, _at(marks, times, frame))
            picture = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            last = max(last + 1, round(frame.time_s / CLOCK))
            picture.pts, picture.time_base = last, CLOCK
            film.mux(stream.encode(picture))
            yield frame.index
        if stream is not None:
            film.mux(stream.encode(None))


def _stream(film: av.container.OutputContainer, pixels: Pixels, fps: float) -> VideoStream:
    """H.264 where this build of FFmpeg writes it, MPEG-4 where not; sides are even."""
    codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    options = {"preset": "superfast", "crf": "23"} if codec == "libx264" else {"qscale": "4"}
    rate = Fraction(fps).limit_denominator(1001)
    stream = film.add_stream(codec, rate=rate, options=options)
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    stream.width = max(2, round(width * scale / 2) * 2)
    stream.height = max(2, round(height * scale / 2) * 2)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = CLOCK
    stream.codec_context.thread_count = 2
    return stream


def _at(
    marks: Sequence[Mapping[str, Any]], times: Sequence[float], frame: Frame
) -> Mapping[str, Any] | None:
    """What is to be seen at a frame's time; None before the first mark."""
    at = bisect_right(times, frame.time_s) - 1
    if at < 0:
        return None
    now, then = marks[at], marks[at + 1] if at + 1 < len(marks) else None
    if then is None:
        return now
    share = (frame.time_s - now["time_s"]) / max(then["time_s"] - now["time_s"], 1e-9)
    return {**now, "boxes": moved(now["boxes"], then["boxes"], share)}


def moved(
    now: Sequence[Mapping[str, Any]], then: Sequence[Mapping[str, Any]], share: float
) -> list[dict[str, Any]]:
    """The boxes of `now` on their way to where their tracks are in `then`."""
    ends = {row["track"]: row["box_px"] for row in then}
    found = []
    for row in now:
        start = np.asarray(row["box_px"], np.float64)
        end = np.asarray(ends.get(row["track"], row["box_px"]), np.float64)
        found.append({**row, "box_px": (start + share * (end - start)).tolist()})
    return found


def _drawn(pixels: Pixels, width: int, height: int, seen: Mapping[str, Any] | None) -> Pixels:
    """The frame at the size of the film, with its boxes and words."""
    scale_x, scale_y = width / pixels.shape[1], height / pixels.shape[0]
    canvas = np.ascontiguousarray(
        cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    size = max(0.45, height / 800)
    if seen is not None:
        for row in seen["boxes"]:
            x0, y0, x1, y1 = row["box_px"]
            box = (round(x0 * scale_x), round(y0 * scale_y), round(x1 * scale_x) - 1,
                   round(y1 * scale_y) - 1)  # fmt: skip
            _box(canvas, box, f"#{row['track']} {row['score']:.2f}", size, row["track"])
        colour = COLOURS[0] if seen["good"] else COLOURS[1]
        _words(canvas, seen["words"], (0, 0), size, colour)
    _words(canvas, USE, (0, height - 6), 0.7 * size, QUIET)
    return canvas


def _box(
    canvas: Pixels, box: tuple[int, int, int, int], words: str, size: float, track: int
) -> None:
    colour = COLOURS[(track - 1) % len(COLOURS)]
    x0, y0, x1, y1 = box
    cv2.rectangle(canvas, (x0, y0), (x1, y1), DARK, 4)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2)
    below = y0 < round(50 * size)  # no room above: the words of the frame are there
    _words(canvas, words, (x0, y1 + round(28 * size) if below else y0 - 8), size, colour)


def _words(
    canvas: Pixels, words: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    """Text on a dark ground of its own, to be read on any picture; `at` is its lower left."""
    (width, height), below = cv2.getTextSize(words, FONT, size, 1)
    x, y = max(at[0], 0), max(at[1], height + PAD)
    cv2.rectangle(canvas, (x, y - height - PAD), (x + width + 2 * PAD, y + below), DARK, -1)
    cv2.putText(canvas, words, (x + PAD, y), FONT, size, colour, 1, cv2.LINE_AA)
