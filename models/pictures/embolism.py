"""The picture of an embolism finding: where in the volume the emboli are, and how they look.

A slice with the emboli on or near it; beside it the whole volume from the front, and the planes
along and across the vessel of the best emboli.
"""

from collections.abc import Mapping, Sequence

from PIL import Image

from models.findings import EmbolismFinding, Embolus, Labels, OperatingPoint
from models.pictures import aligned, look, marks, planes
from models.pictures.planes import Plane, Upright
from models.volume import Volume

SLICE_ROOM, OVERVIEW_ROOM = (640, 640), (460, 370)
NEAR_MM = 5.0  # from the slice: an embolus so near is marked too, and dashed
LEAST_RADIUS, GAP = 9.0, 3.0  # shown pixels: of a circle; from an embolus to its circle
TAGGED = 6  # emboli with a tag and a bar below the picture; the others have their circle alone
CIRCLED = 24  # emboli that are drawn at all: every candidate of a volume would hide what is there

Emboli = Mapping[int, Embolus]  # by number, 1 the best


def embolism_picture(
    volume: Volume,
    finding: EmbolismFinding,
    labels: Labels,
    point: OperatingPoint | None = None,
    slice: int | None = None,
) -> bytes:
    """PNG. `slice` counts along the volume's own z axis, as `centre_voxel` does; default: that of
    the best embolus, else the middle one. Raises planes.SliceError.
    """
    body = Upright.of(volume)
    emboli = dict(enumerate(finding.emboli[:CIRCLED], start=1))
    number = _default(body, emboli) if slice is None else slice
    overview, seen = _overview(body, emboli, number)
    right = [overview]
    if emboli:
        right.append(aligned.gallery(volume, emboli, OVERVIEW_ROOM[0]))
    image = planes.beside(_section(body, emboli, number), planes.stacked(right))
    width = max(image.width, look.PANEL_MIN)
    words = [
        *_rest_words(finding),
        *_point_words(finding, labels, point),
        *_caption(body, emboli, number, seen),
    ]
    return look.stacked(
        image,
        [
            look.title(_verdict(finding, labels, point), f"{finding.score:.2f}"),
            *_bars(finding, emboli, point),
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def _default(body: Upright, emboli: Emboli) -> int:
    middle = body.count // 2 if not emboli else round(emboli[1].centre_voxel[0])
    return min(max(middle, 0), body.count - 1)


def _section(body: Upright, emboli: Emboli, number: int) -> Image.Image:
    """The slice; a circle around each embolus on it, a dashed one where it is only near."""
    plane = planes.section(body, number, planes.CTPA, SLICE_ROOM)
    image = plane.shown.image
    step_mm = body.given.spacing_mm[0]
    away = {k: abs(found.centre_voxel[0] - number) * step_mm for k, found in emboli.items()}
    on = {k for k, found in emboli.items() if away[k] <= max(found.diameter_mm, step_mm) / 2}
    near = {k for k in emboli if away[k] <= NEAR_MM} - on
    seen = {k: emboli[k] for k in sorted(on | near)}
    _circled(image, plane, body, seen, near)
    planes.sides(image, plane)
    return image


def _overview(body: Upright, emboli: Emboli, number: int) -> tuple[Image.Image, str]:
    plane, words = planes.overview(body, OVERVIEW_ROOM)
    image = plane.shown.image
    planes.line_of_slice(image, plane, body, number)
    _circled(image, plane, body, emboli, set(), scores=False)
    planes.sides(image, plane)
    return image, words


def _circled(
    image: Image.Image, plane: Plane, body: Upright, emboli: Emboli, dashed: set[int],
    *, scores: bool = True,
) -> None:  # fmt: skip
    """A circle for each, a tag for the best; of two circles the better one is drawn last."""
    places = {
        k: marks.ring(
            image, plane.at(body.place(found.centre_voxel)),
            max(found.diameter_mm / 2 * plane.px_per_mm + GAP, LEAST_RADIUS),
            marks.YELLOW, dashed=k in dashed,
        )
        for k, found in reversed(list(emboli.items()))
    }  # fmt: skip
    taken = list(places.values())
    for k, found in list(emboli.items())[:TAGGED]:
        text = f"{k}  {found.score:.2f}" if scores else str(k)
        tag = marks.tag(image, text, places[k], marks.YELLOW, taken)
        taken += [tag] * 4  # to hide a tag is worse than to hide a circle


def _bars(
    finding: EmbolismFinding, emboli: Emboli, point: OperatingPoint | None
) -> list[look.Block]:
    threshold = None if point is None else point.threshold
    if not emboli:
        return [look.bar("highest score", finding.score, chosen=False, threshold=threshold)]
    return [
        look.bar(
            f"{k}: {found.diameter_mm:.1f} mm", found.score, chosen=finding.present,
            threshold=threshold,
        )
        for k, found in list(emboli.items())[:TAGGED]
    ]  # fmt: skip


def _verdict(finding: EmbolismFinding, labels: Labels, point: OperatingPoint | None) -> str:
    name = look.plain(labels.positive or labels.names[-1])
    count = len(finding.emboli)
    if point is None or point.threshold is None:
        return f"{count or 'no'} candidate{'' if count == 1 else 's'}, no threshold"
    if not finding.present:
        return f"no {name} found"
    return f"{name} found" if count == 1 else f"{name}: {count} found"


def _caption(body: Upright, emboli: Emboli, number: int, seen: str) -> list[str]:
    return [
        f"left: {body.words(number)}, window {planes.CTPA}; solid circle: on this slice, dashed: "
        f"at most {NEAR_MM:g} mm from it",
        f"right: {seen}",
        *([aligned.CAPTION] if emboli else []),
    ]


def _rest_words(finding: EmbolismFinding) -> list[str]:
    rest: Sequence[Embolus] = finding.emboli[TAGGED:]
    if not rest:
        return []
    words = f"and {len(rest)} more, scores {rest[0].score:.2f} to {rest[-1].score:.2f}"
    if len(finding.emboli) > CIRCLED:
        words += f"; the best {CIRCLED} have a circle"
    return [words]


def _point_words(
    finding: EmbolismFinding, labels: Labels, point: OperatingPoint | None
) -> list[str]:
    name = look.plain(labels.positive or labels.names[-1])
    if point is None or point.threshold is None:
        likelier = f"an {name}" if finding.present else f"no {name}"
        return [f"every candidate is shown; more likely than not there is {likelier}"]
    words = [f"counted from a score of {point.threshold:.2f} upwards ({point.name})"]
    if point.sensitivity is not None and point.fp_per_volume is not None:
        words.append(
            f"on validation: {look.sensitivity(point)} per {name}, "
            f"{point.fp_per_volume:.2g} false positives per volume"
        )
    return words
