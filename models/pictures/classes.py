"""The picture of a class task's finding: the label, a bar for each class, the threshold."""

from models.case import Pixels
from models.findings import ClassFinding, Labels, OperatingPoint
from models.pictures import look


def draw(
    pixels: Pixels, finding: ClassFinding, labels: Labels, point: OperatingPoint | None
) -> bytes:
    """PNG: the image, the label, a bar for each class, and the threshold that was applied."""
    shown = look.fitted(pixels)
    threshold = None if point is None else point.threshold
    bars = [
        look.bar(
            name,
            value,
            chosen=name == finding.label,
            threshold=threshold if name == labels.positive else None,
        )
        for name, value in finding.scores.items()
    ]
    words = _point_words(point, labels)
    width = look.strip_width(shown)
    return look.stacked(
        shown.image,
        [
            look.title(look.plain(finding.label), f"{finding.score:.2f}"),
            *bars,
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def _point_words(point: OperatingPoint | None, labels: Labels) -> list[str]:
    if point is None or point.threshold is None or labels.positive is None:
        return []
    words = [f"{look.plain(labels.positive)} from {point.threshold:.2f} upwards ({point.name})"]
    if point.sensitivity is not None and point.specificity is not None:
        words.append(
            f"on validation: {look.sensitivity(point)}, specificity {point.specificity:.2f}"
        )
    return words
