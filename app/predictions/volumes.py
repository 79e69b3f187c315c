"""One volume answered: read in a cell, looked at by its task, kept to be shown slice by slice."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.db.tables import Json
from app.predictions.answering import enveloped, point_shown, remarks
from app.predictions.claims import Claim, folder, refused, sha256, stored
from app.settings import settings
from app.storage import files
from models.imaging.volumes.apart import cell
from models.inference.predict import Answer, labels_of
from models.inference.volume import examine
from models.pictures.embolism import embolism_picture
from models.volume import Volume, VolumeError

OVERVIEW, PACKED = "overview.png", "volume.vol"


@dataclass(frozen=True)
class Examined:
    """What was found in a volume, and the volume itself to draw it in."""

    volume: Volume
    answer: Answer


def limits() -> cell.Limits:
    given = settings()
    return cell.Limits(voxels_max=given.volume_max_voxels, memory_bytes=given.volume_memory_bytes)


def answer(claim: Claim, upload: str) -> Json:
    """The whole work on one volume: the columns `reply` and `outputs` of its row.

    Raises a Problem for what can not be read.
    """
    path = files().local(upload, claim.tick)
    with folder(claim, "volume") as scratch:
        packed = scratch / PACKED
        try:
            volume = _read(claim, path, packed)
        except VolumeError as error:
            raise refused(error.code, error.detail) from error
        examined = Examined(volume, _examined(claim, volume))
        picture = scratch / OVERVIEW
        picture.write_bytes(_drawn(claim, examined))
        notes = [{"code": code, "detail": detail} for code, detail in volume.notes]
        notes += remarks(claim.asked, "volume")
        made = [picture]
        if packed.stat().st_size <= settings().volume_kept_max_bytes:
            made.append(packed)
        else:
            notes.append(_too_large_to_keep(packed))
        outputs = {one.name: stored(claim, one.name, one) for one in made}
    return {"reply": _envelope(claim, path, examined, notes), "outputs": outputs}


def _read(claim: Claim, path: Path, packed: Path) -> Volume:
    claim.progress.tell("reading", 0)

    def heard(done: int, total: int | None) -> None:
        claim.progress.tell("reading", done, total)
        claim.tick()

    return cell.read(path, claim.asked.options.series_uid, packed, limits(), heard)


def _examined(claim: Claim, volume: Volume) -> Answer:
    asked = claim.asked
    point = asked.serving.point_for(asked.options.operating_point)
    network, card = asked.serving.network(), asked.serving.card
    return examine(asked.task, network, card, volume, point, claim.progress.tell, claim.tick)


def _drawn(claim: Claim, examined: Examined) -> bytes:
    labels, answered = labels_of(claim.asked.serving.card), examined.answer
    claim.tick()
    return embolism_picture(examined.volume, answered.finding, labels, answered.point)


def _too_large_to_keep(packed: Path) -> dict[str, str]:
    size, most = packed.stat().st_size >> 20, settings().volume_kept_max_bytes >> 20
    detail = f"packed it has {size} MiB, and {most} are kept: single slices cannot be shown later"
    return {"code": "volume_not_kept", "detail": detail}


def _envelope(claim: Claim, path: Path, examined: Examined, notes: list[dict[str, str]]) -> Json:
    volume, answered = examined.volume, examined.answer
    seen: dict[str, Any] = {
        "kind": volume.source,
        "shape": list(volume.voxels.shape),
        "spacing_mm": [round(side, 6) for side in volume.spacing_mm],
        "slices": len(volume.voxels),
        "sha256": sha256(path, claim.tick),
    }
    if volume.series_uid:
        seen["series_instance_uid"] = volume.series_uid
    finding = json.loads(json.dumps(asdict(answered.finding), allow_nan=False, default=float))
    return enveloped(claim.asked, point_shown(answered.point), seen, notes, finding)
