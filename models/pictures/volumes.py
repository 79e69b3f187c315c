"""The picture of a volume's case: a slice and the whole from the front, its truth drawn in."""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.case import Case
from models.findings import Labels
from models.pictures import look, marks, planes
from models.pictures.marks import Where
from models.pictures.planes import Plane, Upright
from models.volume import LabelVoxels, upright_labels

SLICE_ROOM, OVERVIEW_ROOM = (640, 640), (460, 640)
LISTED = 12  # things whose slices are told

Boxes = Mapping[int, tuple[slice, slice, slice]]  # by label, along z, y, x


def volume_preview(case: Case, labels: Labels | None = None, number: int | None = None) -> bytes:
    """PNG of slice `number`, counted along the volume's own z axis; default: the slice with most
    of the truth, else the middle one. Raises planes.SliceError.
    """
    if case.volume is None:
        raise ValueError(f"case {case.case_id} is no volume")
    body = Upright.of(case.volume)
    shown = _default(case, body) if number is None else number
    section = planes.section(body, shown, planes.CTPA, SLICE_ROOM)
    overview, seen = planes.overview(body, OVERVIEW_ROOM)
    cut, projected = _truth(case, body, shown)
    left, right = _drawn(section, cut), _drawn(overview, projected, (body, shown))
    image = planes.beside(left, right)
    words = [
        *_slices(case),
        f"left: {body.words(shown)}, window {planes.CTPA}",
        f"right: {seen}",
    ]
    width = max(image.width, look.PANEL_MIN)
    return look.stacked(
        image,
        [
            look.title(_title(case, labels, len(cut))),
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def _default(case: Case, body: Upright) -> int:
    if case.things is None or not case.things.any():
        return body.count // 2
    return int(np.count_nonzero(case.things, axis=(1, 2)).argmax())


def _boxes(things: LabelVoxels) -> Boxes:
    found = ndimage.find_objects(things)
    return {label: box for label, box in enumerate(found, start=1) if box is not None}


def _truth(
    case: Case, body: Upright, number: int
) -> tuple[Mapping[int, Where], Mapping[int, Where]]:
    """Each thing's region in the slice, if it has any there, and as seen from the front; planes
    of the upright volume.
    """
    if case.things is None:
        return {}, {}
    things = upright_labels(body.given, case.things)
    flat = np.take(things, body.index(number), axis=body.axis)
    cut = {int(label): flat == label for label in np.unique(flat) if label}
    shape = things.shape[0], things.shape[2]
    projected = {}
    for label, box in _boxes(things).items():
        projected[label] = np.zeros(shape, dtype=bool)
        projected[label][box[0], box[2]] = (things[box] == label).any(axis=1)
    return cut, projected


def _drawn(
    plane: Plane, regions: Mapping[int, Where], line: tuple[Upright, int] | None = None
) -> Image.Image:
    """The plane with outline and number of each region, and where another slice lies in it."""
    pixels = np.array(plane.shown.image)
    sized = {label: marks.region(plane.laid(flat), plane.shown) for label, flat in regions.items()}
    for label, where in sized.items():
        marks.outline(pixels, where, marks.colour_of(label))
    image = Image.fromarray(pixels)
    if line is not None:
        planes.line_of_slice(image, plane, *line)
    for label, where in sized.items():
        marks.numbered(image, where, label)
    planes.sides(image, plane)
    return image


def _title(case: Case, labels: Labels | None, here: int) -> str:
    """How many things there are, and how many of them on the slice."""
    if case.things is None:
        return "no truth given"
    name = "thing" if labels is None else look.plain(labels.positive or labels.names[-1])
    count = len(np.unique(case.things)) - int((case.things == 0).any())
    if count == 0:
        return f"no {name} in this volume"
    return f"{name}: {count} in this volume, {here or 'none'} on this slice"


def _slices(case: Case) -> list[str]:
    """Which slices to ask for."""
    if case.things is None:
        return []
    found = [(label, box[0]) for label, box in _boxes(case.things).items()]
    told = [f"{label}: {z.start} to {z.stop - 1}" for label, z in found[:LISTED]]
    more = [f"and {len(found) - LISTED} more"] if len(found) > LISTED else []
    return ["slices of each: " + "; ".join([*told, *more])] if told else []
