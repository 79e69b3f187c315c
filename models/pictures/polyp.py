"""The picture of a polyp finding: boxes with scores, outlines, the verdict, its threshold.

A solid outline belongs to a detection; a dashed one is what the network sees and the threshold
leaves out.
"""

import cv2
import numpy as np
from PIL import Image

from models.case import Box, Pixels
from models.findings import Detection, Labels, OperatingPoint, PolypFinding
from models.pictures import look, marks

TAGGED = 6  # detections with a tag, and a bar below the image; the others have their box alone


def draw(
    pixels: Pixels, finding: PolypFinding, labels: Labels, point: OperatingPoint | None
) -> bytes:
    """PNG: boxes with number and score, outlines, verdict, a bar for each detection."""
    shown = look.fitted(pixels)
    image, left_out = marked(shown, finding)
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
        *_line_words(finding, left_out, threshold),
        *_point_words(point),
    ]
    return look.stacked(
        image,
        [
            look.title(_verdict(finding, labels, point), f"{finding.score:.2f}"),
            *bars,
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def marked(shown: look.Shown, finding: PolypFinding) -> tuple[Image.Image, bool]:
    """The image with outlines, boxes and tags; whether an outline belongs to no detection."""
    pixels = np.array(shown.image)
    where = marks.region(marks.mask_of(finding.mask_png_base64) > 0, shown)
    inside = _inside(where, [found.box_px for found in finding.detections], shown)
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
    return image, bool((where & ~inside).any())


def _inside(where: marks.Where, boxes: list[Box], shown: look.Shown) -> marks.Where:
    """[y, x]: the connected pieces of a region that lie for the most part in one of the boxes."""
    covered = np.zeros(where.shape, dtype=bool)
    for x0, y0, x1, y1 in boxes:
        columns = slice(round(x0 * shown.scale[0]), round(x1 * shown.scale[0]) + 1)
        covered[round(y0 * shown.scale[1]) : round(y1 * shown.scale[1]) + 1, columns] = True
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


def _line_words(finding: PolypFinding, left_out: bool, threshold: float | None) -> list[str]:
    words = []
    if finding.detections:
        words.append(f"box and solid line: {'a candidate' if threshold is None else 'found'}")
    if left_out:
        words.append("dashed line: seen by the network, but not counted")
    return ["; ".join(words)] if words else []


def _point_words(point: OperatingPoint | None) -> list[str]:
    if point is None or point.threshold is None:
        return []
    words = [f"counted from a score of {point.threshold:.2f} upwards ({point.name})"]
    if point.sensitivity is not None and point.fp_per_image is not None:
        words.append(
            f"on validation: {look.sensitivity(point)} per polyp, "
            f"{point.fp_per_image:.2g} false positives per frame"
        )
    return words
