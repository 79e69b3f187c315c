"""The picture of a polyp finding: boxes with scores, outlines, the verdict, its threshold.

A solid outline belongs to a detection; a dashed one is what the network sees and the threshold
leaves out. A faint detection has a box alone: the label map shows no pixel of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from models.case import Box, Pixels
from models.findings import Detection, Labels, OperatingPoint, PolypFinding
from models.pictures import look, marks

TAGGED = 6  # detections with a tag, and a bar below the image; the others have their box alone


@dataclass(frozen=True)
class Marked:
    """A frame with its marks; whether there are boxes with an outline, outlines without a box,
    boxes without an outline.
    """

    image: Image.Image
    solid: bool
    left_out: bool
    bare: bool


def draw(
    pixels: Pixels, finding: PolypFinding, labels: Labels, point: OperatingPoint | None
) -> bytes:
    """PNG: boxes with number and score, outlines, verdict, a bar for each detection."""
    shown = look.fitted(pixels)
    frame = marked(shown, finding)
    threshold = None if point is None else point.threshold
    width = look.strip_width(shown)
    bars = [
        look.bar(
            f"{number}: {found.area_px:,} px", found.score, chosen=finding.present,
            threshold=threshold,
        )
        for number, found in enumerate(finding.detections[:TAGGED], start=1)
    ]  # fmt: skip
    if not bars:
        bars = [look.bar("highest score", finding.score, chosen=False, threshold=threshold)]
    words = [
        *_rest_words(finding),
        *_line_words(frame, threshold),
        *_point_words(finding, labels, point),
    ]
    return look.stacked(
        frame.image,
        [
            look.title(_verdict(finding, labels, point), f"{finding.score:.2f}"),
            *bars,
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def marked(shown: look.Shown, finding: PolypFinding) -> Marked:
    """The frame as shown with outlines, boxes and tags."""
    pixels = np.array(shown.image)
    where = marks.region(marks.mask_of(finding.mask_png_base64) > 0, shown)
    windows = [_window(found.box_px, shown) for found in finding.detections]
    inside = _inside(where, windows)
    marks.outline(pixels, where & ~inside, marks.SKY, dashed=True)
    marks.outline(pixels, where & inside, marks.SKY)
    image = Image.fromarray(pixels)
    places = [marks.boxed(image, found.box_px, shown, marks.YELLOW) for found in finding.detections]
    taken = list(places)
    tagged = zip(finding.detections[:TAGGED], places[:TAGGED], strict=True)
    for number, (found, place) in enumerate(tagged, start=1):
        text = f"{number}  {found.score:.2f}"
        tag = marks.tag(image, text, place, marks.YELLOW, taken)
        taken += [tag] * 4  # to hide a tag is worse than to hide a box
    bare = any(not where[window].any() for window in windows)
    return Marked(image, bool(inside.any()), bool((where & ~inside).any()), bare)


def _window(box: Box, shown: look.Shown) -> tuple[slice, slice]:
    """The rows and columns of a box in the frame as shown."""
    (x0, x1), (y0, y1) = (
        (round(box[axis] * shown.scale[axis]), round(box[axis + 2] * shown.scale[axis]) + 1)
        for axis in (0, 1)
    )
    return slice(max(y0, 0), y1), slice(max(x0, 0), x1)


def _inside(where: marks.Where, windows: Sequence[tuple[slice, slice]]) -> marks.Where:
    """[y, x]: the connected pieces of a region that lie for the most part in one of the boxes."""
    covered = np.zeros(where.shape, dtype=bool)
    for window in windows:
        covered[window] = True
    count, pieces = cv2.connectedComponents(where.astype(np.uint8))
    size = np.bincount(pieces.ravel(), minlength=count)
    in_box = np.bincount(pieces[covered], minlength=count)
    return np.asarray((in_box * 2 > size)[pieces] & where)


def _verdict(finding: PolypFinding, labels: Labels, point: OperatingPoint | None) -> str:
    name = look.plain(labels.positive or labels.names[0])
    count = len(finding.detections)
    if point is None or point.threshold is None:
        return f"{count or 'no'} candidate{'' if count == 1 else 's'}, no threshold"
    if not finding.present:
        return f"no {name} found"
    return f"{name} found" if count == 1 else f"{name}: {count} found"


def _rest_words(finding: PolypFinding) -> list[str]:
    rest: tuple[Detection, ...] = finding.detections[TAGGED:]
    if not rest:
        return []
    return [f"and {len(rest)} more, scores {rest[0].score:.2f} to {rest[-1].score:.2f}"]


def _line_words(frame: Marked, threshold: float | None) -> list[str]:
    found = "a candidate" if threshold is None else "found"
    words = []
    if frame.solid:
        words.append(f"box and solid line: {found}")
    if frame.bare:
        words.append(f"box alone: {found}, but faint: no pixel is more likely than not")
    if frame.left_out:
        words.append("dashed line: seen by the network, but not counted")
    return ["; ".join(words)] if words else []


def _point_words(finding: PolypFinding, labels: Labels, point: OperatingPoint | None) -> list[str]:
    if point is None or point.threshold is None:
        name = look.plain(labels.positive or labels.names[0])
        likelier = f"a {name}" if finding.present else f"no {name}"
        return [f"every candidate is shown; more likely than not there is {likelier}"]
    words = [f"counted from a score of {point.threshold:.2f} upwards ({point.name})"]
    if point.sensitivity is not None and point.fp_per_image is not None:
        words.append(
            f"on validation: {look.sensitivity(point)} per polyp, "
            f"{point.fp_per_image:.2g} false positives per frame"
        )
    return words
