"""Videos in every container that is read; decoded here, in the child, as in a video's cell."""

from pathlib import Path

from models.imaging.video.kinds import HEAD_BYTES, container_of
from models.imaging.video.reading import Reader as Film
from models.imaging.video.terms import Limits, VideoError
from tests.films import film, spotted
from tests.fuzz.mutations import foreign
from tests.fuzz.reading import Reader

LIMITS = Limits(pixels_max=200_000, duration_max_s=60, frames_max=200)
KINDS = (".mp4", ".mov", ".mkv", ".avi", ".webm")


def readers(folder: Path) -> dict[str, Reader]:
    pictures = [spotted(8 * k, 20, width=96, height=64) for k in range(6)]
    samples = tuple(
        film(folder / f"sample{kind}", pictures, sound=kind == ".mp4").read_bytes()
        for kind in KINDS
    )
    path = folder / "film"

    def read(data: bytes) -> None:
        kind = container_of(data[:HEAD_BYTES])
        if kind is None:
            raise VideoError("no_container", "the service takes it for something else")
        path.write_bytes(data)
        found = Film(path, kind, LIMITS, stride=2)
        for _ in found.frames():
            pass
        assert found.ended.frames > 0

    return {"film": Reader(foreign(samples), read, (VideoError,), 150)}
