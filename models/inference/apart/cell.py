"""A bundle read in a cell (models.imaging.cell): its members are in the folder, its card returns.

A graph may ask for any memory and loop for ever; whatever it does is done to that process alone.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.imaging.cell import Bounds, Cell
from models.inference.bundle import NO_ZIP, Bundle, BundleError, Member

MODULE = "models.inference.apart.inside"
CARD = "card.read.json"  # what the cell leaves beside the members: a card is too long to be said


@dataclass(frozen=True)
class Limits(Bounds):
    """What the reader of a bundle, and the network in it, may take of the machine."""

    memory_bytes: int = 8 << 30  # of address space: the engine reserves more than it fills
    cpu_s: int = 120
    silence_s: float = 300


def read(path: Path, folder: Path, limits: Limits | None = None) -> Bundle:
    """Unpacks and verifies a bundle into `folder`. Raises BundleError."""
    if not zipfile.is_zipfile(path):  # its last bytes tell: no process is needed for that
        raise BundleError("not_a_bundle", NO_ZIP)
    job = {"path": str(path), "folder": str(folder)}
    found: dict[str, Any] = {}
    with Cell(
        MODULE, job, limits or Limits(), lambda: None, error=BundleError, sign="answer"
    ) as cell:
        for message, _ in cell.messages():
            found = message.get("ended", found)
    members = {
        name: Member(folder / name, facts["sha256"], facts["bytes"])
        for name, facts in found.items()
    }
    return Bundle(json.loads((folder / CARD).read_bytes()), members)
