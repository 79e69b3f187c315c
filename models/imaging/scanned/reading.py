"""Where a frame is read: at once if its pixels lie there plainly, else in a cell.

A cell costs a third of a second, which a frame that is to be answered in a twentieth cannot
afford. What is done without one is done by Python alone, and is bounded by what was looked at
before: a short header that is read from a slice of the file, uncompressed pixels, and nothing
much behind them. No decoder of compressed pixels ever runs in the process that asks.
"""

import tempfile
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from models.imaging.scanned import cell
from models.imaging.scanned.cell import Limits
from models.imaging.ultrasound import UltrasoundFrame, frame_in
from models.imaging.volumes.parsing import number, parse
from models.volume import VolumeError

HEAD_MAX = 1 << 18  # bytes before the pixels, and behind them
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def open_frame(data: bytes, scratch: Path, limits: Limits) -> UltrasoundFrame:
    """The one frame in a DICOM file. `scratch` is where a cell may find it. Raises
    UnreadableError: the file, or what is in it, is not what can be answered for.
    """
    if is_plain(data):
        return frame_in(data, limits.pixels_max)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="frame-", suffix=".dcm") as file:
        file.write(data)
        file.flush()
        return cell.read(Path(file.name), limits)


def is_plain(data: bytes) -> bool:
    """Whether it is little more than a short header and one frame of uncompressed pixels."""
    try:
        head, start = parse(data[:HEAD_MAX], "", pixels=False)
    except VolumeError:
        return False
    if not start or head.file_meta.TransferSyntaxUID not in PLAIN:
        return False
    told = [number(head, name) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
    rows, columns, samples, bits = (value or 0.0 for value in told)
    rest = len(data) - start - rows * columns * samples * bits / 8
    return 0 <= rest <= HEAD_MAX
