"""The truth of a map case: a label map, boxes, or both, held against the image they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box
from models.door.naming import Naming
from models.door.outlines import (
    Marked,
    OutlineError,
    follows_border,
    has_region,
    label_map,
    marked,
)
from models.imaging import frames
from models.imaging.masks import read_mask
from models.layout import Item, Outline
from models.task import Task

Mask = NDArray[np.uint8]  # [y, x]
BOXES_ALONE = (
    "boxes say roughly where something is; this task learns which pixels it covers: give a mask, "
    "or polygons or runs in COCO"
)


class TruthError(Exception):
    """What was said of a case cannot be used; `code` is stable, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Truth:
    """Mask values that occur, without background and unknown, are the classes that are seen."""

    mask: Mask | None = None
    boxes: tuple[Box, ...] | None = None
    notes: tuple[str, ...] = ()

    def values(self) -> tuple[int, ...]:
        """Classes that the case shows; boxes are of the only class that a task with them has."""
        if self.mask is None:
            return (1,) if self.boxes else ()
        found = np.unique(self.mask)
        return tuple(int(value) for value in found if value not in (0, UNKNOWN))


def from_mask(data: bytes, size: tuple[int, int], task: Task, max_pixels: int) -> Truth:
    """The truth of a mask file; `size` is (width, height) of its image.

    Notes: empty_masks, unknown_pixels (255 beside other labels), white_masks (255 was the label).
    Raises TruthError and UnreadableError.
    """
    mask = read_mask(data, max_pixels)
    if mask.shape[::-1] != size:
        raise TruthError("mask_size", _sizes(mask.shape[::-1], size))
    found = Truth(mask).values()
    strange = [value for value in found if task.classes and value > len(task.classes)]
    if strange:
        raise TruthError("bad_mask", _strange(strange, task))
    unknown = bool((mask == UNKNOWN).any())
    said = {
        "empty_masks": not found and not unknown,
        "unknown_pixels": unknown,
        "white_masks": found == (1,) and not (unknown or task.classes) and _white(data),
    }
    return Truth(mask, notes=tuple(note for note, holds in said.items() if holds))


def _sizes(mask: tuple[int, ...], image: tuple[int, int]) -> str:
    said = [f"{width} x {height}" for width, height in (mask, image)]
    turned = mask == image[::-1]
    how = "draw it on the upright image, as its EXIF turns it" if turned else "give it that size"
    return f"the mask is {said[0]} pixels, its image {said[1]}: {how}"


def _strange(values: Sequence[int], task: Task) -> str:
    shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
    if len(task.classes) == 1:
        name = task.classes[0]
        how = f"draw every {name} with 1, or with 255 alone (instances are told apart by place)"
    else:
        how = f"its classes are 1 to {len(task.classes)}"
    return f"value {shown} in the mask; {task.name} has {len(task.classes)} class(es): {how}"


def _white(data: bytes) -> bool:
    """Whether a mask of two values writes its label as 255."""
    with frames.opened(data) as image:
        top = np.asarray(image if image.mode in ("L", "P") else image.convert("L")).max()
    return int(top) == UNKNOWN


def from_outlines(item: Item, size: tuple[int, int], task: Task, naming: Naming) -> Truth:
    """The truth of what was marked on an image of `size` (width, height).

    A box that leaves the frame is clipped, one that lies outside or has no size is dropped: in
    the frame there is nothing of it. Where none remains somebody meant something else, and the
    case is left out. What is marked twice as one class is one thing. A mask is made where every
    thing has its region, else boxes are all there is. Raises TruthError.
    """
    drawn_on = item.drawn_on_px or size
    if drawn_on != size:
        raise TruthError(
            "image_size",
            f"annotated as {drawn_on[0]} x {drawn_on[1]} pixels, and the image has {size[0]} x "
            f"{size[1]} (upright, if its EXIF turns it)",
        )
    said_of = [outline for outline in item.outlines or () if naming.value(outline) is not None]
    wanted = _distinct(said_of, naming)
    try:
        found = [mark for outline in wanted if (mark := marked(outline, *size)) is not None]
        if wanted and not found:
            raise TruthError("bad_box", _outside(wanted, size))
        mask = _mask(found, size, task, naming)
    except OutlineError as error:
        raise TruthError("bad_outline", str(error)) from error
    said = {
        "boxes_clipped": any(mark.clipped for mark in found),
        "boxes_dropped": len(found) < len(wanted),
        "repeated_annotations": len(wanted) < len(said_of),
    }
    boxes = tuple(mark.box for mark in found) if task.classes else None
    return Truth(mask, boxes, tuple(note for note, holds in said.items() if holds))


def _distinct(outlines: Sequence[Outline], naming: Naming) -> list[Outline]:
    """The first of each that lie alike and are of one class, whatever words that class has."""
    found: dict[tuple[int | None, Outline], Outline] = {}
    for outline in outlines:
        found.setdefault((naming.value(outline), replace(outline, name=None)), outline)
    return list(found.values())


def _outside(wanted: Sequence[Outline], size: tuple[int, int]) -> str:
    """Layouts write boxes in ways of their own; corners in the image's unit are said of all."""
    box = wanted[0].box
    corners = " ".join(f"{edge:g}" for edge in box) if box else ""
    unit = "fractions" if wanted[0].relative else "pixels"
    first = f"; the first, in {unit} x0 y0 x1 y1, is {corners}" if box else ""
    return f"no box has a pixel within the upright image of {size[0]} x {size[1]} pixels{first}"


def _mask(
    found: Sequence[Marked], size: tuple[int, int], task: Task, naming: Naming
) -> Mask | None:
    """The label map where the things have regions, None where they are boxes."""
    fits = follows_border if task.classes else has_region
    if not all(fits(mark.outline) for mark in found):
        if task.classes:
            return None
        raise TruthError("no_mask", BOXES_ALONE)
    if task.classes and not found:
        return None  # () of boxes says it in fewer bytes
    mask = label_map([(mark, naming.value(mark.outline) or 0) for mark in found], *size)
    if found and not mask.any():
        raise TruthError("bad_outline", "no polygon holds the centre of a pixel")
    return mask
