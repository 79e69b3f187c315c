"""Pulmonary embolism: are there emboli in this CT angiography volume, and where? (paper 1.3)

Candidates are found by tobogganing; a network looks at vessel-aligned views of each, and what it
says of one candidate's views is averaged.
"""

from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from models.case import NO_PIXELS, Case, CaseFiles, Roi
from models.findings import EmbolismFinding, Embolus, Labels, Measure, OperatingPoint
from models.imaging import ctpa_phantom
from models.imaging.looks import Look, recoloured
from models.imaging.vessels import Candidate, find, odds, patch, patches, rephased
from models.imaging.vessels.candidates import BESIDE_MM, ON_MM
from models.imaging.vessels.plausible import edition
from models.imaging.volumes.stored import unpack_labels, unpack_volume
from models.metrics import froc, froc_volumes
from models.task import Phantom, Task
from models.volume import Volume

# The paper's (1.3) are 10, 15 and 20 mm. Measured on phantoms a place is told better from further
# off: a clot's end, and the lumen before it, lie within 40 mm, and a vein is dark beyond.
WIDTHS_MM = (20.0, 30.0, 40.0)
SHIFT = 0.2  # of the width, along the vessel, to either side
# (width, shift, turn). Measured: four views say as much as each width turned twice, and more
# candidates can have them in the same time.
SERVED = ((20.0, 0.0, 0.0), (20.0, 0.0, 90.0), (30.0, 0.0, 0.0), (40.0, 0.0, 90.0))
COLUMNS = len(froc_volumes.MARKS) + 1  # of a measure's marks
# What is taught of a volume: every embolus; what is most plausibly one and is none, as marks are
# won and lost among those; of the long rest some. A place beside a clot is neither.
LIKELIEST, EVERY = 60, 3
EVEN = 0.5  # without an operating point an embolus is there if that is more likely than not
# The next scanner's noise and sharpness; the window has taken out how much contrast was given, and
# its phase is drawn apart.
LOOK = Look(brightness=8.0, contrast=1.1, gamma=1.1, blur=0.2, soft=0.2, noise=0.3)

_found: WeakKeyDictionary[Volume, tuple[Candidate, ...]] = WeakKeyDictionary()


def read(files: CaseFiles) -> Case:
    """The volume, and which voxels belong to which embolus where somebody said so."""
    volume = unpack_volume(files.open(files.roles["volume"]))
    member = files.roles.get("emboli")
    things = None if member is None else unpack_labels(files.open(member))
    count = None if things is None else int(things.max(initial=0))
    return Case(
        files.case_id, files.subject, NO_PIXELS, files.label,
        volume=volume, things=things, count=count,
    )  # fmt: skip


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Views of candidates. Serving: of all, those of SERVED. Training: of those that are taught one
    each, drawn.

    mark = (number of the candidate, index of the embolus it lies on or froc's NO_LESION,
    centre z, y, x in voxels, diameter in mm, centre x, y, z in LPS mm, plausibility).
    """
    volume = case.volume
    if volume is None:
        raise ValueError(f"case {case.case_id} is no volume")
    for number, candidate in enumerate(_candidates(case, volume)):
        embolus, away_mm = _nearest(case, volume, candidate)
        if rng is not None and not _taught(number, embolus, away_mm):
            continue
        truth = None if case.things is None else int(embolus >= 0)
        mark = (
            float(number), float(embolus), *candidate.centre_voxel, candidate.diameter_mm,
            *(float(side) for side in volume.to_mm(candidate.centre_voxel)),
            candidate.plausibility,
        )  # fmt: skip
        for pixels in _views(volume, candidate, size, rng):
            yield Roi(pixels, (0.0, 0.0, float(size), float(size)), truth=truth, mark=mark)


def _candidates(case: Case, volume: Volume) -> tuple[Candidate, ...]:
    """Found once per volume in memory: every training draw looks at the same ones."""
    if volume not in _found:
        _found[volume] = find(volume, case.tell)
    return _found[volume]


def _taught(number: int, embolus: int, away_mm: float) -> bool:
    """Whether training shows a candidate: the same ones in every draw."""
    if embolus != froc.NO_LESION:
        return True
    return away_mm > BESIDE_MM and (number < LIKELIEST or number % EVERY == 0)


def _nearest(case: Case, volume: Volume, candidate: Candidate) -> tuple[int, float]:
    """The embolus with a voxel within ON_MM of the candidate's centre, the nearest of several, or
    NO_LESION; and how far away the nearest voxel of any is, inf beyond BESIDE_MM.
    """
    if case.things is None:
        return froc.NO_LESION, np.inf
    centre, spacing = np.asarray(candidate.centre_voxel), np.asarray(volume.spacing_mm)
    reach = np.ceil(BESIDE_MM / spacing).astype(int) + 1
    low = np.clip(np.floor(centre).astype(int) - reach, 0, None)
    high = np.floor(centre).astype(int) + reach + 1
    box = case.things[tuple(slice(a, max(b, 0)) for a, b in zip(low, high, strict=True))]
    places = np.argwhere(box > 0)
    if not len(places):
        return froc.NO_LESION, np.inf
    away = np.linalg.norm((places + low - centre) * spacing, axis=1)
    nearest = int(np.argmin(away))
    if away[nearest] > ON_MM:
        return froc.NO_LESION, float(away[nearest])
    return int(box[tuple(places[nearest])]) - 1, float(away[nearest])


def _views(
    volume: Volume, candidate: Candidate, size: int, rng: np.random.Generator | None
) -> Iterator[NDArray[np.uint8]]:
    if rng is None:
        yield from patches(volume, candidate, SERVED, size)
        return
    width_mm = WIDTHS_MM[int(rng.integers(len(WIDTHS_MM)))]
    shift, turn_deg = float(rng.uniform(-SHIFT, SHIFT)), float(rng.uniform(0, 360))
    view = patch(volume, candidate, width_mm, shift, turn_deg, size)
    step_y, step_x = (int(step) for step in rng.choice([-1, 1], size=2))
    turned = np.ascontiguousarray(view[::step_y, ::step_x])
    seen, _ = recoloured(turned, np.zeros((size, size), np.uint8), LOOK, rng)
    yield rephased(seen, rng)


def _scored(
    rois: Sequence[Roi], outputs: NDArray[np.float32], labels: Labels
) -> list[tuple[float, tuple[float, ...]]]:
    """(score, mark) of every candidate: the mean over its views, weighed against the place once it
    is known how.
    """
    found: dict[int, list[int]] = {}
    for row, roi in enumerate(rois):
        found.setdefault(int(roi.mark[0]), []).append(row)
    column = labels.positive_index or 0
    means = [float(outputs[rows, column].mean(dtype=np.float64)) for rows in found.values()]
    places = [rois[rows[0]].mark[-1] for rows in found.values()]
    scores = odds.probabilities(np.array(means), np.array(places), labels.scoring)
    return [
        (float(score), rois[rows[0]].mark)
        for score, rows in zip(scores, found.values(), strict=True)
    ]


def decide(
    case: Case,
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
    labels: Labels,
    point: OperatingPoint | None,
) -> EmbolismFinding:
    """The candidates at or above the point's threshold, best first, and the verdict.

    Without a point every candidate is told, and the verdict is what is more likely than not.
    """
    threshold = None if point is None else point.threshold
    scored = sorted(_scored(rois, outputs, labels), key=lambda found: -found[0])
    best = scored[0][0] if scored else 0.0
    told = [found for found in scored if threshold is None or found[0] >= threshold]
    return EmbolismFinding(
        present=bool(told) and best >= (EVEN if threshold is None else threshold),
        score=best,
        emboli=tuple(_embolus(case.volume, score, mark) for score, mark in told),
    )


def _embolus(volume: Volume | None, score: float, mark: tuple[float, ...]) -> Embolus:
    _, _, z, y, x, diameter_mm, x_mm, y_mm, z_mm, _ = mark
    uids = () if volume is None else volume.sop_uids
    return Embolus(
        centre_voxel=(round(z, 2), round(y, 2), round(x, 2)),
        centre_mm=(round(x_mm, 2), round(y_mm, 2), round(z_mm, 2)),
        diameter_mm=round(diameter_mm, 1),
        score=score,
        series_instance_uid=(volume.series_uid or None) if volume else None,
        sop_instance_uid=uids[min(max(round(z), 0), len(uids) - 1)] if uids else None,
    )


def measure(
    case: Case, rois: Sequence[Roi], outputs: NDArray[np.float32], labels: Labels
) -> Measure:
    """A row for each candidate (froc_volumes.MARKS, then its plausibility) and the best score.

    Raises ValueError for a volume of which nobody said what it shows.
    """
    if case.count is None:
        raise ValueError(f"case {case.case_id} has no embolus mask; it cannot be measured")
    scored = _scored(rois, outputs, labels)
    rows = [(score, *mark[1:6], mark[-1]) for score, mark in scored]
    best = max((score for score, _ in scored), default=0.0)
    return Measure(
        case.case_id, case.subject, case.count, np.array([best]),
        np.array(rows, dtype=np.float64).reshape(len(rows), COLUMNS),
    )  # fmt: skip


def fit(measures: Sequence[Measure]) -> tuple[float, ...]:
    """What weighs a candidate's mean against its place, at the candidates' true prevalence.

    Training shows as many emboli as others (paper 1.1), so that means alone say too much.
    """
    none = np.empty((0, COLUMNS))
    marks = np.concatenate([row.marks for row in measures if len(row.marks)] or [none])
    known = marks[marks[:, 1] != froc.IGNORED]
    return odds.weigh(known[:, 0], known[:, -1], known[:, 1] >= 0)


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A patient: a CT angiography as a DICOM series with its embolus mask; some have none."""
    return ctpa_phantom.patient(rng, index)


TASK = Task(
    name="pulmonary_embolism",
    question="Are there emboli in this CT pulmonary angiography, and where?",
    output="classes",
    classes=("other", "embolus"),
    positive="embolus",
    headline="froc",
    points=tuple(f"fp_per_volume={rate}" for rate in (2, 1, 3, 4, 5)),
    layouts=("dicom_series", "nifti", "metadata_csv"),
    finding=EmbolismFinding,
    read=read,
    rois=rois,
    decide=decide,
    measure=measure,
    score=froc_volumes.score,
    rows=froc_volumes.rows,
    operate=froc_volumes.operating_points,
    phantom=phantom,
    weighted=froc_volumes.values,
    fit=fit,
    volumes=True,
    balanced=True,
    drawn=120,  # LIKELIEST, of 150 candidates each EVERY-th, and those on emboli
    served=600,  # SERVED views of at most 150
    placed=True,
    edition=edition(),
)
