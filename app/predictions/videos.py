"""One video answered: frames read in a cell and looked at several at a time, one envelope out."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.db.tables import Json
from app.predictions.answering import enveloped, point_shown, remarks
from app.predictions.claims import Claim, folder, refused, sha256, stored
from app.settings import settings
from app.storage import files
from models.findings import OperatingPoint
from models.imaging.video import cell
from models.imaging.video.kinds import HEAD_BYTES, container_of
from models.imaging.video.terms import Ended, Facts, Limits, VideoError
from models.inference.predict import labels_of, predict
from models.inference.video import watch
from models.video_findings import gathering
from models.video_pictures import Gallery, marks, timeline

TIMELINE, ANNOTATED = "timeline.png", "annotated.mp4"


@dataclass(frozen=True)
class Watched:
    """What was found in a film, and what is needed to draw it."""

    facts: Facts
    ended: Ended
    finding: Any
    point: OperatingPoint | None
    gallery: Gallery


def limits() -> Limits:
    given = settings()
    return Limits(
        pixels_max=given.video_frame_max_pixels, duration_max_s=given.video_max_s,
        frames_max=given.video_frames_max, memory_bytes=given.video_memory_bytes,
        cpu_s=round(2 * given.video_max_s), file_bytes=given.prediction_max_bytes,
    )  # fmt: skip


def answer(claim: Claim, upload: str) -> Json:
    """The whole work on one video: the columns `reply` and `outputs` of its row.

    Raises a Problem for what can not be read.
    """
    asked, path = claim.asked, files().local(upload, claim.tick)
    try:
        watched = _watched(claim, path)
        notes = _notes(watched) + remarks(asked, "video")
        with folder(claim, "video") as scratch:
            made = {TIMELINE: scratch / TIMELINE}
            labels = labels_of(asked.serving.card)
            thumbnails = watched.gallery.thumbnails
            made[TIMELINE].write_bytes(timeline(watched.finding, labels, watched.point, thumbnails))
            if asked.options.annotated:
                made[ANNOTATED] = scratch / ANNOTATED
                notes += _annotate(claim, path, watched, made)
            outputs = {name: stored(claim, name, made[name]) for name in made}
    except VideoError as error:
        raise refused(error.code, error.detail) from error
    return {"reply": _envelope(claim, path, watched, notes), "outputs": outputs}


def _watched(claim: Claim, path: Path) -> Watched:
    asked, progress, tick = claim.asked, claim.progress, claim.tick
    point = asked.serving.point_for(asked.options.operating_point)
    card, network = asked.serving.card, asked.serving.network()
    gathered, gallery = gathering(asked.task.finding), Gallery()
    with path.open("rb") as file:
        container = container_of(file.read(HEAD_BYTES)) or "mov"
    progress.tell("reading", 0)
    done = 0
    with cell.read(path, container, asked.options.stride, limits(), tick) as reading:
        looked = watch(
            reading,
            lambda pixels: (
                predict(asked.task, network, card, pixels, point, asked.options.spacing_mm).finding
            ),
            tick,
        )
        for done, (frame, finding) in enumerate(looked, start=1):
            gallery.keep(frame.pixels, gathered.take(frame.index, frame.time_s, finding))
            progress.tell("reading", done, reading.facts.expected if reading.facts else None)
        facts, ended = reading.facts, reading.ended
    if facts is None or ended is None or not done:
        raise VideoError("no_frames", "it holds no picture: there is nothing to answer for")
    finding = gathered.finding(round(ended.end_s, 3), facts.fps, facts.stride)
    return Watched(facts, ended, finding, point, gallery)


# ---- what is kept beside the finding ----------------------------------------------------------


def _annotate(
    claim: Claim, path: Path, watched: Watched, made: dict[str, Path]
) -> list[dict[str, str]]:
    """Makes the annotated film, or takes it out of `made` and says why there is none."""
    out = made[ANNOTATED]
    drawn = out.with_name("marks.json")
    drawn.write_text(json.dumps(marks(watched.finding, labels_of(claim.asked.serving.card))))

    def tick(done: int) -> None:
        claim.tick()
        claim.progress.tell("annotating", done, watched.ended.frames)

    with path.open("rb") as file:
        container = container_of(file.read(HEAD_BYTES)) or "mov"
    try:
        cell.annotate(path, container, drawn, out, limits(), tick)
    except VideoError as error:
        del made[ANNOTATED]
        return [{"code": "not_annotated", "detail": f"no annotated film was made: {error.detail}"}]
    return []


# ---- the envelope -----------------------------------------------------------------------------


def _envelope(claim: Claim, path: Path, watched: Watched, notes: list[dict[str, str]]) -> Json:
    asked, facts, ended = claim.asked, watched.facts, watched.ended
    seen = {
        "width": facts.width, "height": facts.height, "sha256": sha256(path, claim.tick),
        "frames": facts.frames or ended.frames,
        "duration_s": facts.duration_s or round(ended.end_s, 3), "fps": facts.fps,
        "container": facts.container, "codec": facts.codec,
    }  # fmt: skip
    shown = point_shown(watched.point)
    return enveloped(asked, shown, seen, notes, asdict(watched.finding))


SAID = {
    "rotated": "the film says that it was taken turned: its frames were turned upright",
    "interlaced": "its frames are woven of two moments each; moving edges have combs, and scores "
    "may be too low: deinterlace it first",
    "pixels_not_square": "its pixels are not square; boxes and areas are in pixels as stored",
    "size_changed": "the size of its frames changes; all were brought to that of the first",
}


def _notes(watched: Watched) -> list[dict[str, str]]:
    """What has to be known of a finding that does not rest on the whole file, as it was."""
    facts, ended = watched.facts, watched.ended
    found = [{"code": note, "detail": SAID[note]} for note in (*facts.notes, *ended.notes)]
    length = f" of {facts.duration_s:.1f} s" if facts.duration_s else ""
    count = f" of {facts.frames} frames" if facts.frames else " frames"
    read = f"what is answered for are its first {ended.end_s:.1f} s{length} ({ended.frames}{count})"
    if ended.reason == "limit":
        found.append({"code": "stopped_at_limit", "detail": f"it is longer than is read; {read}"})
    elif ended.reason == "stopped":
        found.append({"code": "truncated", "detail": f"{ended.detail}; {read}"})
    elif ended.reason == "cut" or ended.short_of(facts):
        found.append({"code": "truncated", "detail": f"the file is damaged or cut off; {read}"})
    if ended.broken:
        said = f"{ended.broken} packets could not be decoded; their frames are missing"
        found.append({"code": "damaged", "detail": said})
    return found
