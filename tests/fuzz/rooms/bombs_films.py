"""Films of frames that nobody has a screen for, and of more frames than anybody lives."""

import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av

from models.imaging.video.reading import Reader
from models.imaging.video.terms import Limits
from tests.films import film, spotted


def bombs(folder: Path) -> dict[str, Callable[[], object]]:
    wide = film(folder / "wide.mp4", [spotted(8, 8, width=96, height=64)] * 3)
    many = film(folder / "many.mp4", [spotted(8, 8, width=96, height=64)] * 400)
    return {
        "claiming": partial(_read, _claiming(wide), Limits()),
        "mjpeg": partial(_read, _mjpeg(folder / "mjpeg.mkv"), Limits(), "matroska"),
        "frames": partial(_read, many, Limits(frames_max=100)),
    }


def _claiming(path: Path) -> Path:
    """Its header says 65000 x 65000; what the decoder finds inside is smaller."""
    data = bytearray(path.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    path.write_bytes(data)
    return path


def _mjpeg(path: Path) -> Path:
    """Its pictures themselves say 65000 x 65000."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(spotted(8, 8, width=96, height=64), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    for at in [found.start() for found in re.finditer(b"\xff\xc0\x00", data)]:
        data[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    path.write_bytes(data)
    return path


def _read(path: Path, limits: Limits, container: str = "mov") -> None:
    reader = Reader(path, container, limits, stride=1)
    for _ in reader.frames():
        pass
    assert reader.ended.frames
