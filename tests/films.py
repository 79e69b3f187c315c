"""Films for tests, made by PyAV: small, real, and known to the frame."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".avi": "mpeg4",
          ".webm": "libvpx-vp9"}  # fmt: skip


def plain(colour: Colour, width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def spotted(x: int, y: int, side: int = 40, width: int = 160, height: int = 120) -> Pixels:
    """A dark green frame with a red square, its upper left corner at (x, y)."""
    pixels = plain((0, 90, 0), width, height)
    pixels[max(y, 0) : y + side, max(x, 0) : x + side] = RED
    return pixels


def film(
    path: Path, pictures: Iterable[Pixels], *, fps: int = 10, times_s: Sequence[float] = (),
    turned_deg: float | None = None, sound: bool = False, clock: int = 1000, **options: str,
) -> Path:  # fmt: skip
    """Writes a film by the ending of its name; `times_s` make its rate vary. Its clock has so
    many ticks a second.
    """
    settled = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=settled | options) as out:
        stream: Any = None
        noise = out.add_stream("aac", rate=48_000) if sound else None
        for k, pixels in enumerate(pictures):
            if stream is None:
                stream = out.add_stream(CODECS[path.suffix], rate=fps)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, clock)
                if turned_deg is not None:
                    stream.set_display_rotation(turned_deg)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = round(clock * (times_s[k] if times_s else k / fps))
            frame.time_base = Fraction(1, clock)
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))
        if noise is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 48_000, 0
            out.mux(noise.encode(silence))
            out.mux(noise.encode(None))
    return path


def coloured(path: Path, *colours: Colour, each: int = 10, **given: Any) -> Path:
    """A film that shows each colour for so many frames."""
    return film(path, [plain(colour) for colour in colours for _ in range(each)], **given)


def cut_off(path: Path, share: float) -> Path:
    """The film without its end, as a broken transfer leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    return path


def scratched(path: Path, start: float, length: int) -> Path:
    """The film with bytes turned over from `start` (a share of it) on."""
    data = bytearray(path.read_bytes())
    at = round(start * len(data))
    data[at : at + length] = bytes(255 - byte for byte in data[at : at + length])
    path.write_bytes(data)
    return path
