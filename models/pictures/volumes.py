"""The picture of a volume's case: a slice and the whole from the front, its truth drawn in."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.case import Case
from models.findings import Labels
from models.pictures import look, marks, planes
from models.pictures.marks import Where
from models.pictures.planes import Plane, Upright

SLICE_ROOM, OVERVIEW_ROOM = (640, 640), (460, 640)
LISTED = 12  # things whose slices are told

Things = Mapping[int, "_Thing"]  # by label
Regions = Mapping[int, Where]


def volume_preview(case: Case, labels: Labels | None = None, number: int | None = None) -> bytes:
    """PNG of slice `number`, counted along the volume's own z axis; default: the slice with most
    of the truth, else the middle one. Raises planes.SliceError.
    """
    if case.volume is None:
        raise ValueError(f"case {case.case_id} is no volume")
    body, truth = Upright.of(case.volume), _truth(case)
    shown = _default(body, truth) if number is None else number
    section = planes.section(body, shown, planes.CTPA, SLICE_ROOM)
    overview, seen = planes.overview(body, OVERVIEW_ROOM)
    cut, projected = _in_slice(body, truth, shown), _from_front(body, truth)
    left, right = _drawn(section, cut), _drawn(overview, projected, (body, shown))
    image = planes.beside(left, right)
    words = [
        *_slices(truth),
        f"left: {body.words(shown)}, window {planes.CTPA}",
        f"right: {seen}",
    ]
    width = max(image.width, look.PANEL_MIN)
    return look.stacked(
        image,
        [
            look.title(_title(case, truth, labels, len(cut))),
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


@dataclass(frozen=True)
class _Thing:
    """A thing in the given volume: its box (z, y, x), and which of the box's voxels are its own."""

    box: tuple[slice, slice, slice]
    inside: NDArray[np.bool_]


def _truth(case: Case) -> Things:
    """By label. What is done with the whole volume is done once: it may have 150 million voxels."""
    if case.things is None:
        return {}
    found = enumerate(ndimage.find_objects(case.things), start=1)
    return {k: _Thing(box, case.things[box] == k) for k, box in found if box is not None}


def _default(body: Upright, truth: Things) -> int:
    if not truth:
        return body.count // 2
    counts = np.zeros(body.count, dtype=np.int64)
    for thing in truth.values():
        counts[thing.box[0]] += thing.inside.sum(axis=(1, 2))
    return int(counts.argmax())


def _in_slice(body: Upright, truth: Things, number: int) -> Regions:
    """Each thing's region in the slice, if it has any there; a plane of the upright volume."""
    found = {}
    for label, thing in truth.items():
        z = thing.box[0]
        if z.start <= number < z.stop and thing.inside[number - z.start].any():
            flat = np.zeros((1, *body.given.voxels.shape[1:]), dtype=bool)
            flat[0][thing.box[1:]] = thing.inside[number - z.start]
            found[label] = np.asarray(body.laid(flat).any(axis=body.axis))
    return found


def _from_front(body: Upright, truth: Things) -> Regions:
    """Each thing as seen from the front; a plane [z, x] of the upright volume."""
    shape = body.turned.voxels.shape
    found = {}
    for label, thing in truth.items():
        ends = [[side.start, side.stop - 1] for side in thing.box]
        low, high = np.sort(np.round(body.place(np.transpose(ends))).astype(int), axis=0)
        found[label] = np.zeros((shape[0], shape[2]), dtype=bool)
        window = found[label][low[0] : high[0] + 1, low[2] : high[2] + 1]
        window[...] = body.laid(thing.inside).any(axis=1)
    return found


def _drawn(plane: Plane, regions: Regions, line: tuple[Upright, int] | None = None) -> Image.Image:
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


def _title(case: Case, truth: Things, labels: Labels | None, here: int) -> str:
    """How many things there are, and how many of them on the slice."""
    if case.things is None:
        return "no truth given"
    name = "thing" if labels is None else look.plain(labels.positive or labels.names[-1])
    if not truth:
        return f"no {name} in this volume"
    return f"{name}: {len(truth)} in this volume, {here or 'none'} on this slice"


def _slices(truth: Things) -> list[str]:
    """Which slices to ask for."""
    told = [f"{k}: {z.start} to {z.stop - 1}" for k, z in
            ((label, thing.box[0]) for label, thing in list(truth.items())[:LISTED])]  # fmt: skip
    more = [f"and {len(truth) - LISTED} more"] if len(truth) > LISTED else []
    return ["slices of each: " + "; ".join([*told, *more])] if told else []
