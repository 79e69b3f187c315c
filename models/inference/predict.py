"""From pixels to a finding: the serving half of the one road that training and validation take."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models.case import Box, Case, Pixels
from models.findings import Labels, OperatingPoint
from models.inference.runtime import Network, as_patches, nothing
from models.task import Task

ALL = "all"
GIVEN = "threshold"
GIVEN_BY_CALLER = "given"  # the source of a spacing that nobody else told


class PointError(ValueError):
    """An operating point that the model does not have, or that its data could not resolve."""


@dataclass(frozen=True)
class Answer:
    """`point` is the operating point applied; None, or one without a threshold (`all`), where the
    class of highest score wins and every candidate is listed.
    """

    finding: Any
    point: OperatingPoint | None


def labels_of(card: Mapping[str, Any]) -> Labels:
    """The labels of a card; `mask_values` and `scoring` are those of map tasks."""
    values, scoring = card.get("mask_values") or (), card.get("scoring") or ()
    return Labels(tuple(card["classes"]), card.get("positive"), tuple(values), tuple(scoring))


def point_of(row: Mapping[str, Any]) -> OperatingPoint:
    """An operating point as a card or a deployment keeps it; what it says beside is left out."""
    known = {field.name for field in fields(OperatingPoint)}
    return OperatingPoint(**{name: value for name, value in row.items() if name in known})


def choose_point(card: Mapping[str, Any], wanted: str | None) -> OperatingPoint | None:
    """The point a caller names: one of the card's, a threshold from 0 to 1, or `all`.

    Raises PointError with what there is to choose from.
    """
    if wanted is None:
        return None
    if wanted == ALL:
        return OperatingPoint(name=ALL, threshold=None)
    points = {row["name"]: point_of(row) for row in card.get("operating_points") or ()}
    if wanted in points:
        return _resolved(points[wanted])
    if card.get("positive") is None:
        raise PointError(
            f"{wanted!r}: this model has no positive class, so no operating points; "
            "its answer is the class of highest score"
        )
    try:
        threshold = float(wanted)
    except ValueError:
        threshold = -1.0
    if not 0.0 <= threshold <= 1.0:
        names = ", ".join([*points, ALL])
        raise PointError(f"{wanted!r}: neither a threshold from 0 to 1 nor one of {names}")
    return OperatingPoint(name=GIVEN, threshold=threshold)


def _resolved(point: OperatingPoint) -> OperatingPoint:
    if point.threshold is None:
        why = point.reason or "the validation data could not resolve it"
        raise PointError(f"{point.name!r} has no threshold: {why}")
    return point


def predict(
    task: Task,
    network: Network,
    card: Mapping[str, Any],
    pixels: Pixels,
    point: OperatingPoint | None,
    spacing_mm: tuple[float, float] | None = None,
    *,
    spacing_source: str | None = GIVEN_BY_CALLER,
    roi_px: Box | None = None,
) -> Answer:
    """What the model finds in one image; deterministic.

    `spacing_mm` is (row, column), `spacing_source` who told it, `roi_px` the region asked about
    (None: all of it). An image in which a task sees nothing to look at has no patches.
    """
    source = None if spacing_mm is None else spacing_source
    case = Case(
        "input", "input", pixels, spacing_mm=spacing_mm, spacing_source=source, roi_px=roi_px
    )
    rois = list(task.rois(case, network.size, None))
    outputs = network.run(as_patches([roi.pixels for roi in rois])) if rois else nothing(network)
    return Answer(task.decide(case, rois, outputs, labels_of(card), point), point)
