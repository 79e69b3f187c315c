"""Whether a video is read faster than it plays; one JSON line.

    python -m benchmarks.video --model FOLDER [--film FILE] [--stride N]

FOLDER holds a model's `model.onnx` and `card.json`. Without a film, 60 seconds of a synthetic
colonoscopy at 640 x 480 and 25 frames a second are made (a minute or two) and kept beside the
model. Measured is what the worker does: decode in the confined process, look at each frame that is
read, link tracks; then, apart, the annotated film.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.discovery import tasks
from models.imaging.polyp_phantom import film
from models.imaging.video import cell
from models.imaging.video.kinds import HEAD_BYTES, container_of
from models.imaging.video.terms import Limits
from models.inference.predict import labels_of, predict
from models.inference.runtime import load
from models.inference.video import watch
from models.video_findings import gathering
from models.video_pictures import marks

FPS, SECONDS, DRAWN = 25, 60, 150
SIZE = (640, 480)


def made(path: Path) -> Path:
    """The film, drawn once: six seconds there and back again, for a minute."""
    if path.exists():
        return path
    print(f"drawing {path}", file=sys.stderr)
    drawn = [pixels for pixels, _ in film(np.random.default_rng(1), DRAWN, SIZE)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for pixels in there_and_back(drawn):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def there_and_back(drawn: list[np.ndarray]) -> Iterator[np.ndarray]:
    for k in range(FPS * SECONDS):
        turn, at = divmod(k, len(drawn))
        yield drawn[at if turn % 2 == 0 else -1 - at]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--stride", type=int)
    given = parser.parse_args()
    card = json.loads((given.model / "card.json").read_text())
    task = tasks()[card["task"]]
    network = load(given.model / "model.onnx", (card.get("serving") or {}).get("bf16"))
    path = given.film or made(given.model / "film.mp4")
    with path.open("rb") as file:
        container = container_of(file.read(HEAD_BYTES)) or "mov"

    began, gathered = time.perf_counter(), gathering(task.finding)
    with cell.read(path, container, given.stride, Limits()) as reading:
        looked = watch(
            reading, lambda pixels: predict(task, network, card, pixels, None).finding, lambda: None
        )
        for frame, finding in looked:
            gathered.take(frame.index, frame.time_s, finding)
    read_s = time.perf_counter() - began
    facts, ended = reading.facts, reading.ended
    if facts is None or ended is None:
        raise SystemExit(f"{path}: not one frame was read")
    found = gathered.finding(round(ended.end_s, 3), facts.fps, facts.stride)

    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "marks.json"
        drawn.write_text(json.dumps(marks(found, labels_of(card))))
        began = time.perf_counter()
        out = Path(folder) / "annotated.mp4"
        cell.annotate(path, container, drawn, out, Limits(), lambda _: None)
        annotated_s = time.perf_counter() - began
    print(json.dumps({
        "task": task.name, "backbone": card.get("backbone"), "precision": network.precision,
        "film_s": ended.end_s, "fps": float(Fraction(facts.fps).limit_denominator(1001)),
        "size": f"{facts.width}x{facts.height}", "frames": ended.frames, "stride": facts.stride,
        "frames_read": found.summary.frames_read, "read_s": round(read_s, 2),
        "times_real_time": round(ended.end_s / read_s, 1), "annotated_s": round(annotated_s, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
