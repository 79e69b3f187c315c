"""The patch set: every training view a sweep will ever see, cut once into one memory-mapped array.

Because it is finite, what frozen layers make of it can be cached exactly (models.tuning.prefix);
the paper's augmentation is offline and finite too (paper 1.1).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backbone import Backbone
from models.case import Case, CaseFiles, Pixels
from models.findings import Labels, Measure
from models.pack import Manifest, Pack
from models.spec import Recipe
from models.splits import SplitRow, subset
from models.task import Task
from models.tuning.device import generator
from models.tuning.errors import BadDataError
from models.tuning.room import Tick, boot, locked, make_room, quiet, touch

VERSION = 1  # of the cutting: part of the digest
SHARE = 0.5  # of the disk budget that patches may take; the rest is for prefix caches
CHUNK = 64  # cases cut ahead of being written


@dataclass(frozen=True)
class Row:
    """A case of a patch set: `patches` of it follow each other in the array."""

    case_id: str
    subject: str
    truth: int
    patches: int

    def case(self, labels: Labels) -> Case:
        """The case without its pixels: what a class task needs to measure it."""
        return Case(self.case_id, self.subject, NOTHING, labels.names[self.truth])


NOTHING: Pixels = np.zeros((0, 0, 3), dtype=np.uint8)


@dataclass(frozen=True)
class PatchSet:
    """Training views and serving views of one data set at one patch size.

    train       [n, V, size, size, 3] uint8: V augmented variants of each training patch
    validation  [m, size, size, 3] uint8: the patches serving would cut, `rows` after `rows`
    picked      indices into the first axis of `train` that this run uses (a fraction, or all)
    """

    digest: str
    labels: Labels
    train: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    train_rows: tuple[Row, ...]
    validation_rows: tuple[Row, ...]
    picked: NDArray[np.int64]

    @property
    def variants(self) -> int:
        return len(self.train[0])

    @property
    def truth(self) -> NDArray[np.int64]:
        """Class index of each training patch, [n]."""
        return _repeated(self.train_rows)

    def pixels(self, flat: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Patches by flat index: n * V + v for training, then the validation patches."""
        train = self.train.reshape(-1, *self.train.shape[2:])
        if len(flat) and flat[0] >= len(train):
            return np.asarray(self.validation[flat - len(train)])
        return np.asarray(train[flat])

    def __len__(self) -> int:
        return len(self.train) * self.variants + len(self.validation)


def _repeated(rows: Sequence[Row]) -> NDArray[np.int64]:
    truth = np.array([row.truth for row in rows], dtype=np.int64)
    return np.repeat(truth, [row.patches for row in rows])


def measures(
    rows: Sequence[Row], outputs: NDArray[np.float32], task: Task, labels: Labels
) -> list[Measure]:
    """One measure per case from the outputs [sum of patches, classes] of all its patches."""
    ends = np.cumsum([row.patches for row in rows])
    parts = np.split(outputs, ends[:-1])
    return [
        task.measure(row.case(labels), part, labels) for row, part in zip(rows, parts, strict=True)
    ]


def prepare(
    pack: Path, task: Task, backbone: Backbone, recipe: Recipe, *,
    workdir: Path, cache_max_bytes: int, seed: int = 0, fraction: float = 1.0,
    tick: Tick = quiet,
) -> PatchSet:  # fmt: skip
    """The patch set of a pack, cut at most once per machine; `seed` only picks the fraction.

    The views do not depend on the seed: all seeds and fractions share one array and its caches.
    """
    with Pack.open(pack) as opened:
        manifest = opened.manifest
        size = backbone.input_size
        budget = SHARE * cache_max_bytes / (3 * size * size)
        cases = manifest.splits.get("train", 1)
        variants = max(1, min(recipe.variants, int(budget / max(cases, 1))))
        digest = _digest(manifest, task, size, variants)
        entry = workdir / "patches" / digest[:32]
        with locked(entry.with_suffix(".lock"), tick):
            if not _whole(entry):
                needed = len(manifest.cases) * variants * 3 * size * size
                entry.mkdir(parents=True, exist_ok=True)
                make_room(workdir, needed, cache_max_bytes, {entry})
                _cut(opened, task, size, variants, entry, tick)
            touch(entry)
            found = _open(entry, digest)
    return replace(found, picked=_picked(found.train_rows, manifest, fraction, seed))


def labels_of(manifest: Manifest, task: Task) -> Labels:
    return Labels(tuple(manifest.classes) or task.classes, manifest.positive or task.positive)


def _digest(manifest: Manifest, task: Task, size: int, variants: int) -> str:
    facts = [VERSION, manifest.digest, task.name, size, variants]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _picked(
    rows: Sequence[Row], manifest: Manifest, fraction: float, seed: int
) -> NDArray[np.int64]:
    label_of = {case.case_id: case.label for case in manifest.cases}
    known = [SplitRow(row.case_id, row.subject, label_of[row.case_id]) for row in rows]
    kept = set(label_of) if fraction >= 1 else set(subset(known, fraction, seed))
    mask = np.repeat([row.case_id in kept for row in rows], [row.patches for row in rows])
    return np.flatnonzero(mask).astype(np.int64)


def serving_patches(
    cases: Iterable[CaseFiles], task: Task, size: int, labels: Labels
) -> Iterator[tuple[Row, list[Pixels]]]:
    """Each case with the patches that serving would cut of it."""
    for files in cases:
        case = task.read(files)
        found = [roi.pixels for roi in task.rois(case, size, None)]
        yield Row(files.case_id, files.subject, _truth(files, labels), len(found)), found


def _truth(files: CaseFiles, labels: Labels) -> int:
    if files.label is None or files.label not in labels.names:
        raise BadDataError(
            f"case {files.case_id}: label {files.label!r} is none of {', '.join(labels.names)}"
        )
    return labels.names.index(files.label)


def training_patches(
    files: CaseFiles, task: Task, size: int, labels: Labels, variants: int
) -> tuple[Row, list[NDArray[np.uint8]]]:
    """A case with its patches, each [V, size, size, 3]; a view's randomness is its case and number.

    A draw of fewer patches than the first repeats them, so that the array stays rectangular.
    """
    case = task.read(files)
    draws = [
        [roi.pixels for roi in task.rois(case, size, generator("view", files.case_id, v))]
        for v in range(variants)
    ]
    count = len(draws[0])
    stacked = [np.stack([draw[k % len(draw)] for draw in draws]) for k in range(count)]
    return Row(files.case_id, files.subject, _truth(files, labels), count), stacked


def _cut(opened: Pack, task: Task, size: int, variants: int, entry: Path, tick: Tick) -> None:
    labels = labels_of(opened.manifest, task)
    train, validation = opened.cases("train"), opened.cases("validation")
    for part, cases in (("train", train), ("validation", validation)):
        if not cases:
            raise BadDataError(f"no {part} cases in data set {opened.manifest.digest[:12]}")

    def view(files: CaseFiles) -> tuple[Row, list[NDArray[np.uint8]]]:
        return training_patches(files, task, size, labels, variants)

    def serve(files: CaseFiles) -> tuple[Row, list[Pixels]]:
        return next(serving_patches([files], task, size, labels))

    rows = _fill(entry / "train.u8", train, view, "cutting", tick)
    served = _fill(entry / "validation.u8", validation, serve, "cutting validation", tick)
    facts = {
        "boot": boot(), "size": size, "variants": variants,
        "classes": labels.names, "positive": labels.positive,
        "train": [asdict(row) for row in rows], "validation": [asdict(row) for row in served],
    }  # fmt: skip
    temporary = entry / "patches.part"
    temporary.write_text(json.dumps(facts))
    temporary.replace(entry / "patches.json")


Cut = Callable[[CaseFiles], tuple[Row, list[Any]]]


def _fill(path: Path, cases: Sequence[CaseFiles], cut: Cut, stage: str, tick: Tick) -> list[Row]:
    """Cuts all cases into one file, in order, two at a time (OpenCV releases the interpreter)."""
    rows: list[Row] = []
    with path.open("wb") as file, ThreadPoolExecutor(2) as pool:
        for start in range(0, len(cases), CHUNK):
            for row, patches in pool.map(cut, cases[start : start + CHUNK]):
                rows.append(row)
                file.writelines(np.ascontiguousarray(patch).data for patch in patches)
                tick(stage, len(rows), len(cases))
    return rows


def _whole(entry: Path) -> bool:
    marker = entry / "patches.json"
    return marker.is_file() and json.loads(marker.read_text())["boot"] == boot()


def _open(entry: Path, digest: str) -> PatchSet:
    facts = json.loads((entry / "patches.json").read_text())
    size, variants = facts["size"], facts["variants"]
    rows = [tuple(Row(**row) for row in facts[part]) for part in ("train", "validation")]
    count, served = (sum(row.patches for row in part) for part in rows)
    shapes = ((count, variants, size, size, 3), (served, size, size, 3))
    train, validation = (
        np.memmap(entry / f"{part}.u8", np.uint8, "r", shape=shape)
        for part, shape in zip(("train", "validation"), shapes, strict=True)
    )
    labels = Labels(tuple(facts["classes"]), facts["positive"])
    return PatchSet(digest, labels, train, validation, rows[0], rows[1], np.arange(count))


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
