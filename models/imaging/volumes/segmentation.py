"""A DICOM segmentation object (SEG) as labels: one per segment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.decoders.base import get_decoder

from models.imaging.volumes.bounds import SPACING_MM
from models.imaging.volumes.label_frames import arranged, filled
from models.imaging.volumes.label_grid import LabelGrid
from models.imaging.volumes.numbering import Numbering
from models.imaging.volumes.parsing import (
    BROKEN,
    first_item,
    items_of,
    number,
    numbers,
    parse,
    quiet,
    text,
    value,
)
from models.imaging.volumes.planes import FRAMES_MAX
from models.imaging.volumes.stacking import right_angled
from models.volume import Volume, VolumeError

_HALF = 0.5  # of the highest value of a fractional segment: what lies above is marked
_MEANT = "embol", "thromb"  # in a segment's name: the others, if any, are left out


@dataclass(frozen=True)
class _Frame:
    """Which segment a frame marks (0: its values are segment numbers), and where it lies."""

    at: int
    segment: int
    position: tuple[float, ...]


def read_segmentation(data: bytes, name: str, volume: Volume) -> LabelGrid:
    """BINARY, FRACTIONAL or LABELMAP. A frame without a place of its own lies where the slice
    lies that it was drawn on. Raises VolumeError.
    """
    found, _ = parse(data, name, pixels=True)
    frames = _frames(found, name, volume)
    size = (int(number(found, "Rows") or 0), int(number(found, "Columns") or 0))
    orientation, pixel, gap = _grid(found, size, volume, name)
    points = np.array([frame.position for frame in frames])
    lattice = arranged(points, right_angled(orientation, name), pixel, gap, _reach(volume))
    numbering = Numbering()
    made = filled(lattice, size, _pictures(found, frames, size, name, numbering), sparse=True)
    return LabelGrid(numbering.settled(made.labels), made.affine, sparse=True)


def _reach(volume: Volume) -> float:
    """In gaps. A slice without a frame is unmarked, unless slices of the volume itself were
    missing: nobody could draw on these.
    """
    bridged = {"missing_slices", "uneven_slices"}
    return 1.0 if any(code in bridged for code, _ in volume.notes) else 0.0


def _frames(found: FileDataset, name: str, volume: Volume) -> list[_Frame]:
    own = items_of(found, "PerFrameFunctionalGroupsSequence")
    shared = first_item(found, "SharedFunctionalGroupsSequence") or Dataset()
    if not 1 <= len(own) <= FRAMES_MAX:
        raise VolumeError(
            "damaged_dicom", f"a segmentation of {len(own)} frames by its own account", name
        )
    wanted = _wanted(found)
    frames = []
    for at, group in enumerate(own):
        segment = _segment(group) or _segment(shared)
        if wanted is None or segment in wanted or segment == 0:
            frames.append(_Frame(at, segment, _position(group, shared, volume, name)))
    return frames


def _wanted(found: FileDataset) -> set[int] | None:
    """Numbers of the segments that are called emboli or thrombi; None: all, as none is."""
    meant = set()
    for segment in items_of(found, "SegmentSequence"):
        kind = first_item(segment, "SegmentedPropertyTypeCodeSequence") or Dataset()
        words = (text(segment, "SegmentLabel") + " " + text(kind, "CodeMeaning")).lower()
        if any(word in words for word in _MEANT):
            meant.add(int(number(segment, "SegmentNumber") or 0))
    return meant or None


def _segment(group: Dataset) -> int:
    item = first_item(group, "SegmentIdentificationSequence")
    return int(number(item, "ReferencedSegmentNumber") or 0) if item is not None else 0


def _position(group: Dataset, shared: Dataset, volume: Volume, name: str) -> tuple[float, ...]:
    for part in (group, shared):
        plane = first_item(part, "PlanePositionSequence")
        place = numbers(plane, "ImagePositionPatient") if plane is not None else ()
        if len(place) == 3:
            return place
    drawn_on = _drawn_on(group)
    if drawn_on in volume.sop_uids:
        return tuple(volume.to_mm([volume.sop_uids.index(drawn_on), 0, 0]).tolist())
    raise VolumeError(
        "mask_no_place",
        "a frame of the segmentation has no position, and was drawn on no slice of the volume",
        name,
    )


def _drawn_on(group: Dataset) -> str:
    derived = first_item(group, "DerivationImageSequence") or Dataset()
    return text(first_item(derived, "SourceImageSequence") or Dataset(), "ReferencedSOPInstanceUID")


def _grid(
    found: FileDataset, size: tuple[int, int], volume: Volume, name: str
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Orientation, (row, column) spacing and slice gap, the volume's own where not said."""
    groups = [first_item(found, "SharedFunctionalGroupsSequence")]
    groups += items_of(found, "PerFrameFunctionalGroupsSequence")[:1]
    known = [group for group in groups if group is not None]
    measures = [item for group in known if (item := first_item(group, "PixelMeasuresSequence"))]
    turned = [item for group in known if (item := first_item(group, "PlaneOrientationSequence"))]
    pixel = next((p for item in measures if len(p := numbers(item, "PixelSpacing")) == 2), ())
    orientation = next(
        (o for item in turned if len(o := numbers(item, "ImageOrientationPatient")) == 6), ()
    )
    if size != volume.voxels.shape[1:] and not (pixel and orientation):
        raise VolumeError("mask_no_place", "the segmentation has no spacing or orientation", name)
    steps = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    orientation = orientation or (*steps[:, 0].tolist(), *steps[:, 1].tolist())
    pixel = pixel or volume.spacing_mm[1:]
    if not all(SPACING_MM[0] <= side <= SPACING_MM[1] for side in pixel):
        raise VolumeError("no_spacing", f"the segmentation has pixels of {pixel} mm", name)
    thick = [
        number(item, key) for item in measures for key in ("SpacingBetweenSlices", "SliceThickness")
    ]
    gap = next((side for side in thick if side and SPACING_MM[0] <= side <= SPACING_MM[1]), None)
    return orientation, pixel, gap or volume.spacing_mm[0]


def _pictures(
    found: FileDataset,
    frames: list[_Frame],
    size: tuple[int, int],
    name: str,
    numbering: Numbering,
) -> Iterator[NDArray[np.uint8]]:
    """The numbered labels [y, x] of each frame."""
    top = number(found, "MaximumFractionalValue") or 255
    fractional = text(found, "SegmentationType").upper() == "FRACTIONAL"
    for frame in frames:
        values = _values(found, frame.at, size, name)
        if frame.segment:
            marked = values >= _HALF * top if fractional else values > 0
            values = marked.astype(np.int64) * frame.segment
        yield numbering.picture(values)


def _values(found: FileDataset, at: int, size: tuple[int, int], name: str) -> NDArray[np.integer]:
    """The stored values [y, x] of one frame; of bits, which need not begin at a byte, unpacked."""
    try:
        count = size[0] * size[1]
        if value(found, "BitsAllocated") == 1 and count % 8:
            start = at * count
            packed = np.frombuffer(found.PixelData, dtype=np.uint8)
            cut = packed[start // 8 : (start + count + 7) // 8]
            bits = np.unpackbits(cut, bitorder="little")[start % 8 :][:count]
            return bits.reshape(size)
        with quiet():
            made, _ = get_decoder(found.file_meta.TransferSyntaxUID).as_array(
                found, index=at, raw=True
            )
        if made.shape != size:
            raise ValueError(f"decoded to {made.shape}")
        return made
    except BROKEN as error:
        raise VolumeError(
            "damaged_pixels", "the segmentation's pixels end too early or cannot be decoded", name
        ) from error
