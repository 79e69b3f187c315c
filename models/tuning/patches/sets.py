"""The patch set: every training view a sweep will ever see, as memory-mapped arrays (cutting.py).

Because it is finite, what frozen layers make of it can be cached exactly (models.tuning.prefix);
the paper's augmentation is offline and finite too (paper 1.1).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import NO_PIXELS, Box, Case, Lines, Mask, Roi
from models.findings import Labels, Measure
from models.pack import Manifest
from models.task import Task
from models.tuning.errors import BadDataError

KeptLines = tuple[list[list[float]], list[list[float]]]  # as `Case.lines`, and as JSON can be


@dataclass(frozen=True)
class Row:
    """A case of a patch set: `patches` of it follow each other in the array.

    `rois` says where serving cut each patch: its box, whether it is mirrored, and its mark. Of a
    volume `truths` has the class of each patch and `count` how many things there are. In a map task
    `truth` is 0; the true mask lies as PNG in `kept` (offset, bytes) of the set's truth, or the
    case has `boxes` only, or `lines` and its `readers`' lines. `size_px` is (height, width).
    """

    case_id: str
    subject: str
    truth: int
    patches: int
    rois: tuple[tuple[Box, bool, tuple[float, ...]], ...] = ()
    truths: tuple[int, ...] = ()
    count: int | None = None
    size_px: tuple[int, int] = (0, 0)
    kept: tuple[int, int] | None = None
    boxes: tuple[Box, ...] | None = None
    lines: KeptLines | None = None
    readers: Mapping[str, KeptLines] = field(default_factory=dict)
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class PatchSet:
    """Training views and serving views of one data set at one patch size.

    train       [n, V, size, size, 3] uint8: V augmented variants of each training patch
    validation  [m, size, size, 3] uint8: the patches serving would cut, `rows` after `rows`
    picked      indices into the first axis of `train` that this run uses (a fraction, or all)
    masks       of map tasks: [n, V, size, size] and [m, size, size] uint8, else None
    truths      of map tasks: the PNGs of the validation cases' masks, one after the other
    """

    digest: str
    labels: Labels
    train: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    train_rows: tuple[Row, ...]
    validation_rows: tuple[Row, ...]
    picked: NDArray[np.int64]
    masks: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
    truths: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    @property
    def variants(self) -> int:
        return len(self.train[0])

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class index of each training patch, [n]; zeros in a map task."""
        return _repeated(self.train_rows)

    @property
    def of_candidates(self) -> bool:
        """Whether each patch has a truth of its own, as the candidates of a volume do."""
        return any(row.truths for row in self.train_rows)

    def pixels(self, flat: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Patches by flat index: n * V + v for training, then the validation patches."""
        return self._taken(self.train, self.validation, flat)

    def truth(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is true of patches by flat index: class indices [k], or masks [k, size, size]."""
        if self.masks is not None:
            return self._taken(*self.masks, flat).astype(np.int64)
        served = flat - len(self.train) * self.variants
        if len(flat) and flat[0] >= len(self.train) * self.variants:
            return _repeated(self.validation_rows)[served]
        return self.classes[flat // self.variants]

    def _taken(
        self, train: NDArray[np.uint8], validation: NDArray[np.uint8], flat: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        views = train.reshape(-1, *train.shape[2:])
        if len(flat) and flat[0] >= len(views):
            return np.asarray(validation[flat - len(views)])
        return np.asarray(views[flat])

    def __len__(self) -> int:
        return len(self.train) * self.variants + len(self.validation)

    def served(self, row: Row) -> tuple[Case, tuple[Roi, ...]]:
        """A validation case with its truth and without its pixels, and where it was cut."""
        labelled = self.masks is None and not row.truths and row.count is None
        case = Case(
            row.case_id, row.subject, NO_PIXELS, self.labels.names[row.truth] if labelled else None,
            self._mask(row), row.spacing_mm, row.boxes, count=row.count,
            lines=None if row.lines is None else _drawn(row.lines),
            readers={name: _drawn(kept) for name, kept in row.readers.items()},
        )  # fmt: skip
        if row.size_px != (0, 0):
            height, width = row.size_px
            blank = np.broadcast_to(np.zeros((), np.uint8), (height, width, 3))
            case = Case(**{**vars(case), "pixels": blank})
        return case, tuple(
            Roi(NO_PIXELS, box, None, mirrored, mark=mark) for box, mirrored, mark in row.rois
        )

    def _mask(self, row: Row) -> Mask | None:
        if row.kept is None:
            return None
        start, count = row.kept
        png = np.asarray(self.truths[start : start + count])
        return np.asarray(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), dtype=np.uint8)

    def measures(
        self, rows: Sequence[Row], outputs: NDArray[np.float32], task: Task, labels: Labels
    ) -> list[Measure]:
        """One measure per case from the outputs [sum of patches, ...] of all its patches."""
        ends = np.cumsum([row.patches for row in rows])
        return [
            task.measure(*self.served(row), part, labels)
            for row, part in zip(rows, np.split(outputs, ends[:-1]), strict=True)
        ]

    def spans(self, size: int) -> Iterator[tuple[Sequence[Row], NDArray[np.int64]]]:
        """Validation cases, whole, in groups of about `size` patches, with their flat indices."""
        start, rows = len(self.train) * self.variants, list(self.validation_rows)
        while rows:
            sums = np.cumsum([row.patches for row in rows])
            count = max(1, int(np.searchsorted(sums, size, side="right")))
            yield rows[:count], np.arange(start, start + sums[count - 1])
            start, rows = start + int(sums[count - 1]), rows[count:]


def kept_lines(lines: Lines) -> KeptLines:
    """Both lines as a row keeps them."""
    return lines[0].tolist(), lines[1].tolist()


def _drawn(kept: KeptLines) -> Lines:
    upper, lower = (np.array(line, dtype=np.float64).reshape(-1, 2) for line in kept)
    return upper, lower


def _repeated(rows: Sequence[Row]) -> NDArray[np.int64]:
    """The class of every patch: its own where it has one, else that of its case."""
    truths = [row.truths or (row.truth,) * row.patches for row in rows]
    return np.array([truth for of_row in truths for truth in of_row], dtype=np.int64)


def labels_of(manifest: Manifest, task: Task) -> Labels:
    own = task.placed and task.classes  # a way's classes are not those of its data set
    return Labels(
        tuple(own or manifest.classes) or task.classes,
        manifest.positive or task.positive,
        tuple(manifest.mask_values),
    )


def class_of(case_id: str, label: str | None, labels: Labels) -> int:
    """The index of a case's label. Raises BadDataError for a label that is none of the classes."""
    if label is None or label not in labels.names:
        raise BadDataError(f"case {case_id}: label {label!r} is none of {', '.join(labels.names)}")
    return labels.names.index(label)


def in_memory(
    train: NDArray[np.uint8], truth: Sequence[int], validation: NDArray[np.uint8],
    validation_truth: Sequence[int], labels: Labels,
) -> PatchSet:  # fmt: skip
    """A patch set of arrays, one patch and one subject per case: for tests and experiments."""
    digest = hashlib.sha256(train.tobytes() + validation.tobytes()).hexdigest()
    rows = [
        tuple(Row(f"{part}_{k}", f"{part}_{k}", int(t), 1) for k, t in enumerate(found))
        for part, found in (("train", truth), ("validation", validation_truth))
    ]
    return PatchSet(digest, labels, train, validation, rows[0], rows[1], np.arange(len(train)))
