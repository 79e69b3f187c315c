"""Pictures of what was found in a volume: the overview as it is kept, one slice drawn when asked.

A slice is drawn from the volume that was kept beside the finding. It is unpacked once, into a
file of the scratch folder that is mapped into memory: to leaf through it costs a page each.
"""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from app.db.session import reading
from app.db.tables import Json, Model, Prediction
from app.errors import NotFound
from app.predictions.answering import HIGHEST
from app.predictions.form import invalid
from app.predictions.volumes import PACKED
from app.settings import settings
from app.storage import files
from models import discovery
from models.findings import Labels
from models.imaging.volumes.stored import unpack_volume
from models.inference.predict import labels_of, point_of
from models.pictures.embolism import embolism_picture
from models.volume import Volume

UNPACKED_MAX = 4  # volumes in the scratch folder

_unpacking = threading.Lock()  # one at a time: half a gigabyte each while it lasts


def drawn(row: Prediction, slice_: int) -> bytes:
    """PNG of one slice with what was found in it. Raises a Problem: the way to what there is."""
    reply, facts = row.reply or {}, (row.outputs or {}).get(PACKED)
    _check_range(reply, slice_)
    if facts is None or not files().exists(facts["object"]):
        detail = "its volume is not kept: overview.png shows what was found, or send it again"
        raise NotFound(detail, code="no_longer_kept")
    finding, labels = _finding(row, reply), _labels(row)
    point = point_of(reply["operating_point"])
    applied = None if point.name == HIGHEST else point
    return embolism_picture(_volume(facts), finding, labels, applied, slice_)


def _check_range(reply: Json, slice_: int) -> None:
    count = int(reply["input"]["slices"])
    if not 0 <= slice_ < count:
        raise invalid("slice", f"{slice_}: this volume has the slices 0 to {count - 1}")


def _finding(row: Prediction, reply: Json) -> Any:
    task = discovery.tasks().get(row.task)
    if task is None:
        raise NotFound(f"there is no task {row.task} any more", code="unknown_task")
    return TypeAdapter(task.finding).validate_python(reply["finding"])


def _labels(row: Prediction) -> Labels:
    """Those of the model that answered, or of the task where that has been deleted."""
    with reading() as session:
        model = session.get(Model, row.model_id)
    if model is not None:
        return labels_of(model.card)
    task = discovery.tasks()[row.task]
    return Labels(task.classes, task.positive)


def _volume(facts: Json) -> Volume:
    """The kept volume, its voxels on the disk. For a thread."""
    kept = settings().scratch / "shown" / f"{facts['sha256']}.npy"
    with _unpacking:
        if not (kept.exists() and _beside(kept).exists()):
            _unpack(facts, kept)
        for path in (kept, _beside(kept)):
            os.utime(path)
        voxels = np.load(kept, mmap_mode="r")
        affine = np.load(_beside(kept))
    return Volume(np.asarray(voxels), affine)


def _beside(kept: Path) -> Path:
    return kept.with_suffix(".affine")


def _unpack(facts: Json, kept: Path) -> None:
    """Writes the volume as it is mapped, and gives up those that were looked at longest ago."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    older = sorted(kept.parent.glob("*.npy"), key=lambda path: path.stat().st_mtime)
    for path in older[: max(0, len(older) - UNPACKED_MAX + 1)]:
        path.unlink()
        _beside(path).unlink(missing_ok=True)
    volume = unpack_volume(files().get_bytes(facts["object"]))
    part = kept.with_suffix(".part")
    with _beside(kept).open("wb") as file:
        np.save(file, volume.affine)
    with part.open("wb") as file:
        np.save(file, volume.voxels)
    part.replace(kept)
