"""A volume read in a cell (models.imaging.cell): its packed form and its facts come back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.imaging.cell import Bounds, Cell
from models.imaging.volumes.stored import unpack_volume
from models.volume import Volume, VolumeError

MODULE = "models.imaging.volumes.apart.inside"
SOURCES: tuple[Literal["dicom", "nifti"], ...] = ("dicom", "nifti")


@dataclass(frozen=True)
class Limits(Bounds):
    """What the reader of a volume may take of the machine."""

    voxels_max: int = 1 << 28  # 512 x 512 x 1024
    memory_bytes: int = 3 << 30
    cpu_s: int = 1800
    file_bytes: int = 8 << 30
    silence_s: float = 120  # to write a large volume's packed form takes seconds


def read(
    path: Path, series_uid: str | None, packed: Path, limits: Limits,
    tick: Callable[[int, int | None], object] = lambda *_: None,
) -> Volume:  # fmt: skip
    """The volume in a file, read in a cell that also writes its packed form to `packed`.

    `tick` hears how many steps (a header, a slice) were done, of how many if that is known.
    Raises VolumeError.
    """
    done = 0
    job = {"path": str(path), "series_uid": series_uid, "packed": str(packed)}
    with Cell(MODULE, job, limits, lambda: tick(done, None), error=VolumeError) as cell:
        for message, _ in cell.messages():
            done = int(message.get("done", done))
            if "ended" in message:
                facts = message["ended"]
    return _told(unpack_volume(packed.read_bytes()), facts)


def _told(volume: Volume, facts: Mapping[str, Any]) -> Volume:
    """The volume with what its packed form leaves out."""
    return replace(
        volume,
        source=next((name for name in SOURCES if name == facts["source"]), "pack"),
        series_uid=str(facts["series_uid"]),
        sop_uids=tuple(str(uid) for uid in facts["sop_uids"]),
        notes=tuple((str(code), str(detail)) for code, detail in facts["notes"]),
    )
