"""A frame read in a cell (models.imaging.cell): its pixels and its spacing come back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.imaging.cell import Bounds, Cell
from models.imaging.frames import UnreadableError
from models.imaging.ultrasound import UltrasoundFrame

MODULE = "models.imaging.scanned.inside"
CHANNELS = 3


@dataclass(frozen=True)
class Limits(Bounds):
    """What the reader of a frame may take of the machine; somebody waits for it."""

    pixels_max: int = 1 << 24
    memory_bytes: int = 2 << 30
    cpu_s: int = 60
    file_bytes: int = 1 << 20
    silence_s: float = 60


def read(path: Path, limits: Limits) -> UltrasoundFrame:
    """The frame in a DICOM file. Raises UnreadableError."""
    most = limits.pixels_max * CHANNELS
    job = {"path": str(path)}
    with Cell(MODULE, job, limits, lambda: None, error=UnreadableError, payload_max=most) as cell:
        for message, payload in cell.messages():
            told, content = message["ended"], payload
    height, width = (int(side) for side in told["shape"])
    spacing = told["spacing_mm"]
    if height * width * CHANNELS != len(content):
        raise UnreadableError("decoder_stopped", "its decoder sent another size than it told")
    return UltrasoundFrame(
        np.asarray(content).reshape(height, width, CHANNELS),
        None if spacing is None else (float(spacing[0]), float(spacing[1])),
        None if spacing is None else str(told["source"]),
        tuple(str(note) for note in told["notes"]),
    )
