"""Findings: what a task answers for one case, in the words of the HTTP contract."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OperatingPoint:
    """A named threshold and what it buys, measured on validation.

    `sensitivity` and `specificity` are fractions; `low` and `high` bound the sensitivity (95 %,
    bootstrap over subjects). What is detected has no specificity: its price is the mean number of
    false positives per image or per volume. A point the data cannot resolve has threshold None
    and a `reason`.
    """

    name: str
    threshold: float | None
    sensitivity: float | None = None
    specificity: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    fp_per_image: float | None = None
    fp_per_volume: float | None = None

    def record(self) -> dict[str, Any]:
        """As JSON: the one price that applies (specificity unless another is known or the point is
        named after it), no others.
        """
        row = asdict(self)
        prices = ("fp_per_image", "fp_per_volume")
        named = self.name.partition("=")[0]
        counted = [name for name in prices if name == named or row[name] is not None]
        unused = {*prices, *(("specificity",) if counted else ())} - set(counted)
        if self.reason is None:
            unused.add("reason")
        return {name: value for name, value in row.items() if name not in unused}


@dataclass(frozen=True)
class ClassFinding:
    """The answer of a class task: a label, its calibrated score, and the score of every class."""

    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Area:
    """One class of a label map: how large, and how sure the network is where it sees it.

    `area_mm2` is None without a spacing; `score` is the mean calibrated probability over the area,
    0 where there is none.
    """

    area_px: int
    area_mm2: float | None
    score: float


@dataclass(frozen=True)
class SegmentationFinding:
    """A label map (8-bit PNG of the input's size, base64) and the area of every class."""

    mask_png_base64: str
    classes: dict[str, Area]


@dataclass(frozen=True)
class Detection:
    """One thing found: its half-open box, calibrated score and area, in pixels of the input."""

    box_px: tuple[float, float, float, float]
    score: float
    area_px: int


@dataclass(frozen=True)
class PolypFinding:
    """The verdict on a frame: whether a detection reaches the threshold, and the highest score.

    `detections` are those at or above the threshold, best first; the mask holds the label map
    whatever the threshold is.
    """

    present: bool
    score: float
    detections: tuple[Detection, ...]
    mask_png_base64: str


@dataclass(frozen=True)
class Embolus:
    """One embolus found: `centre_voxel` (z, y, x) of the input, `centre_mm` (x, y, z) in patient
    LPS, the diameter of a ball of its volume or of the vessel that it fills, calibrated score. The
    UIDs are those of the DICOM input's series and of the slice nearest to the centre, None for
    other input.
    """

    centre_voxel: tuple[float, float, float]
    centre_mm: tuple[float, float, float]
    diameter_mm: float
    score: float
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True)
class EmbolismFinding:
    """The verdict on a volume: whether an embolus reaches the threshold, and the highest score.

    `emboli` are those at or above the threshold, best first.
    """

    present: bool
    score: float
    emboli: tuple[Embolus, ...]


@dataclass(frozen=True)
class Thickness:
    """Mean and largest intima-media thickness over the traced columns, in px or in mm."""

    mean: float
    max: float


@dataclass(frozen=True)
class Columns:
    """How many columns of the region have both lines, and how many were left out of it for want of
    evidence.
    """

    traced: int
    left_out: int


@dataclass(frozen=True)
class IntimaMediaFinding:
    """The two boundaries of a vessel's far wall, and how far they are apart.

    Lines are (x, y), x ascending, sub-pixel; both have the same columns. Without a spacing
    `imt_mm`, `spacing_mm` and `spacing_source` are None: millimetres are never guessed; where no
    wall is seen, the lines are empty, and `imt_px` is None too. `spacing_mm` is one number for
    square pixels, else (row, column). `roi_px` is the region looked at: as the caller gave it, or
    around the far wall that was found, None if there was none.
    """

    lumen_intima: tuple[tuple[float, float], ...]
    media_adventitia: tuple[tuple[float, float], ...]
    imt_mm: Thickness | None
    imt_px: Thickness | None
    spacing_mm: float | tuple[float, float] | None
    spacing_source: str | None
    roi_px: tuple[float, float, float, float] | None
    columns: Columns


@dataclass(frozen=True)
class Labels:
    """The classes in a fixed order and the positive one, if any.

    Class tasks: index = network output. Map tasks: output 0 is background and output k + 1 is
    `names[k]`. `values` are the numbers that the uploaded masks hold for them, () if 1, 2, 3 ...;
    `scoring` is the task's own calibration of candidates, fitted on validation, () before that.
    """

    names: tuple[str, ...]
    positive: str | None = None
    values: tuple[int, ...] = ()
    scoring: tuple[float, ...] = ()

    @property
    def positive_index(self) -> int | None:
        return None if self.positive is None else self.names.index(self.positive)


@dataclass(frozen=True)
class Measure:
    """All that a metric needs to know of one case, small enough to resample thousands of times.

    For class tasks: `truth` is the class index and `scores` [classes] float64 sums to one.
    For map tasks: `truth` is the number of things to be found, `scores` the case's own numbers
    (pixel counts, mostly) and `marks` [candidates, ...] a row for each candidate; what their
    columns mean is said where they are made (models/metrics/overlap.py, froc.py).
    """

    case_id: str
    subject: str
    truth: int
    scores: NDArray[np.float64]
    marks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True)
class Scores:
    """A set of cases measured: named values (headline first) and the curves behind them.

    A value is None where the cases do not determine it (one class only, say). `curves` maps a
    name to [n, 2] float64 points, x ascending (for ROC: false positive rate, sensitivity).
    """

    values: dict[str, float | None]
    curves: dict[str, NDArray[np.float64]]
