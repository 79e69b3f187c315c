"""Intima-media: where do the lumen-intima and media-adventitia boundaries of the far wall run, and
how thick is what lies between? (paper 1.5)

The far wall is looked for in the frame, or in the region that a caller names; a map network tells
lumen, intima-media and adventitia apart along it; the lines are traced in its map. PATCHES is the
paper's own way to them, pixel by pixel, to be measured beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.case import Box, Case, CaseFiles, Lines, Roi
from models.findings import Columns, IntimaMediaFinding, Labels, Measure, OperatingPoint
from models.imaging import carotid_phantom, frames
from models.imaging.wall import draws, patchwise, thickness, tiles
from models.imaging.wall.locating import Stretch, locate
from models.imaging.wall.tracing import Traced, trace
from models.metrics import boundaries, operating
from models.task import Phantom, Task

DRAWS = 4  # patches of an image in one training draw: a wall is several patches long
RIVAL = 0.7  # of the best wall's contrast: another one as clear is looked at too
AROUND_PX = 20  # the region told is so much higher than the lines, above and below
DIGITS = 2  # a hundredth of a pixel is less than a micrometre
EACH = 16  # patches of a class in one training draw: neighbours on a line show the same
STEP = 32  # columns from one that is asked pixel by pixel to the next

Floats = NDArray[np.float64]
Tracer = Callable[[Case, Sequence[Roi], NDArray[np.float32]], Traced]


def read(files: CaseFiles) -> Case:
    """Pixels, and both lines: what is taken for true, and each reader's own."""
    pixels, _ = frames.decode(files.open(files.roles["image"]))
    source = files.facts.get("spacing_source")
    readers: Any = files.facts.get("readers") or {}
    return Case(
        files.case_id, files.subject, pixels, spacing_mm=files.spacing_mm,
        lines=_lines(files.facts.get("lines")),
        readers={name: found for name, kept in readers.items() if (found := _lines(kept))},
        spacing_source=None if source is None else str(source),
    )  # fmt: skip


def _lines(kept: Any) -> Lines | None:
    """Both lines as a pack keeps them: x and y of each point, x ascending."""
    if not isinstance(kept, Mapping):
        return None
    upper, lower = (
        np.array(kept[name], dtype=np.float64).reshape(-1, 2)
        for name in ("lumen_intima", "media_adventitia")
    )
    return upper, lower


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Serving: patches along the far wall, and along another that looks like one. Training:
    patches about the lines; one of a case without them.
    """
    if rng is not None:
        for _ in range(DRAWS if case.lines is not None else 1):
            yield draws.drawn(case, size, rng)
        return
    shape = (case.pixels.shape[0], case.pixels.shape[1])
    for stretch in _walls(case):
        for box in tiles.boxes(stretch, shape, case.spacing_mm):
            yield tiles.cut(case.pixels, box, size, case.lines)


def _walls(case: Case) -> list[Stretch]:
    """Where to look: never nowhere, for the network may see what nothing else does."""
    found = locate(case.pixels, case.roi_px)
    if not found:
        height, width = case.pixels.shape[:2]
        x = np.arange(width, dtype=np.float64)
        return [Stretch(x, np.full(width, height * 2 / 3), 0.0)]
    return [stretch for stretch in found if stretch.contrast >= RIVAL * found[0].contrast]


def _traced(case: Case, rois: Sequence[Roi], outputs: NDArray[np.float32]) -> Traced:
    """The lines of the wall for which the map shows most."""
    column_mm = None if case.spacing_mm is None else case.spacing_mm[1]
    found = [
        trace(strip if case.roi_px is None else strip.within(case.roi_px), column_mm)
        for strip in tiles.strips(rois, outputs)
    ]
    return max(found, key=lambda traced: float(traced.evidence.sum()))


def _decide(
    trace_in: Tracer,
    case: Case,
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
    labels: Labels,  # noqa: ARG001 - a wall has the classes it has
    point: OperatingPoint | None,  # noqa: ARG001 - lines have no threshold to choose
) -> IntimaMediaFinding:
    """Both lines, one point for each column that has them, and how far they are apart."""
    traced = trace_in(case, rois, outputs)
    apart = thickness.per_column(traced.upper, traced.lower)
    spacing = case.spacing_mm
    return IntimaMediaFinding(
        lumen_intima=_points(traced.x, traced.upper),
        media_adventitia=_points(traced.x, traced.lower),
        imt_mm=thickness.summary(apart, None if spacing is None else spacing[0]),
        imt_px=thickness.summary(apart),
        spacing_mm=spacing[0] if spacing is not None and spacing[0] == spacing[1] else spacing,
        spacing_source=None if spacing is None else case.spacing_source,
        roi_px=case.roi_px or _around(traced),
        columns=Columns(len(traced.x), traced.looked - len(traced.x)),
    )


def _points(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    return tuple(zip(x.tolist(), np.round(y, DIGITS).tolist(), strict=True))


def _around(traced: Traced) -> Box | None:
    """The box of the lines with some room, or None without any."""
    if not len(traced.x):
        return None
    top = max(0.0, float(np.floor(traced.upper.min())) - AROUND_PX)
    bottom = float(np.ceil(traced.lower.max())) + AROUND_PX
    return float(traced.x[0]), top, float(traced.x[-1]) + 1, bottom


def _measure(
    trace_in: Tracer,
    case: Case,
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
    labels: Labels,  # noqa: ARG001 - see _decide
) -> Measure:
    """How far the lines are from those that were drawn (see models.metrics.boundaries).

    Raises ValueError for a case without lines.
    """
    if case.lines is None:
        raise ValueError(f"case {case.case_id} has no lines; it cannot be measured")
    traced = trace_in(case, rois, outputs)
    said = tuple(np.column_stack([traced.x, y]) for y in (traced.upper, traced.lower))
    return boundaries.measured(case, case.lines, (said[0], said[1]))


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A patient: the left and the right carotid, traced by three readers, as a CUBS tree."""
    return carotid_phantom.patient(rng, index)


# ---- the paper's own way ------------------------------------------------------------------------


def pixelwise(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Patches about single pixels. Serving: about every pixel of every STEP-th column along the
    far wall. Training: EACH of every class, none of a case without lines.

    mark = (x, y) of the pixel; truth is UNKNOWN where nobody drew lines.
    """
    if rng is None:
        places = patchwise.sweep(_walls(case)[0], len(case.pixels), STEP).centres
        truth = None if case.lines is None else patchwise.classes_at(case.lines, places)
    elif case.lines is None:
        return
    else:
        places, truth = patchwise.centres(case.lines, EACH, rng)
    for k, pixels in enumerate(patchwise.patches(case.pixels, places, size)):
        x, y = (float(side) for side in places[k])
        said = None if truth is None else int(truth[k])
        yield Roi(pixels, patchwise.box_of(x, y), truth=said, mark=(x, y))


def _pixelwise_traced(
    case: Case,  # noqa: ARG001 - its patches have told where they lie
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
) -> Traced:
    """From each column's strongest answers (see models.imaging.wall.patchwise)."""
    return patchwise.traced(patchwise.swept([roi.mark for roi in rois]), outputs)


MAPS = Task(
    name="intima_media",
    question="Where do the boundaries of the carotid's far wall run, and how thick is the wall?",
    output="map",
    classes=("lumen", "intima_media", "adventitia"),
    positive=None,
    headline="agreement",
    points=(),
    layouts=("cubs", "metadata_csv", "image_mask_pairs"),
    finding=IntimaMediaFinding,
    read=read,
    rois=rois,
    decide=partial(_decide, _traced),
    measure=partial(_measure, _traced),
    score=boundaries.score,
    rows=boundaries.rows,
    operate=operating.no_points,
    phantom=phantom,
    weighted=boundaries.values,
    drawn=DRAWS,
    served=DRAWS,
)

PATCHES = replace(
    MAPS, output="classes", classes=patchwise.CLASSES, rois=pixelwise,
    decide=partial(_decide, _pixelwise_traced), measure=partial(_measure, _pixelwise_traced),
    drawn=EACH * len(patchwise.CLASSES), served=1200, placed=True,
)  # fmt: skip

TASK = replace(MAPS, ways={"patches": PATCHES})
