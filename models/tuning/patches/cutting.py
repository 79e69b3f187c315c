"""Cutting: cases to the patch set, once per machine and data set, in order and two at a time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.backbone import Backbone
from models.case import UNKNOWN, Case, CaseFiles, Roi
from models.findings import Labels
from models.pack import Manifest, Pack, PackedCase
from models.spec import Recipe
from models.splits import SplitRow, subset
from models.task import Task
from models.tuning.device import generator
from models.tuning.errors import BadDataError
from models.tuning.patches.sets import PatchSet, Row, class_of, kept_lines, labels_of
from models.tuning.room import Tick, boot, locked, make_room, quiet, touch

VERSION = 12  # of the cutting and of every task's views: part of the digest
SHARE = 0.5  # of the disk budget that patches may take; the rest is for prefix caches
CHUNK, CHUNK_OF_LARGE = 64, 2  # cases cut ahead of being written
WATCH_S = 5.0  # a volume takes many seconds: whoever waits is told that the work goes on

Arrays = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Cut:
    """A case cut: its row, its patches, and of a map task a mask per patch and the case's own."""

    row: Row
    patches: Arrays
    masks: Arrays
    truth: bytes = b""


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
        weight = (4 if task.output == "map" else 3) * size * size  # bytes of a patch
        views = _trained(manifest) * task.drawn
        variants = max(1, min(recipe.variants, int(SHARE * cache_max_bytes / weight / views)))
        digest = _digest(manifest, task, size, variants)
        entry = workdir / "patches" / digest[:32]
        with locked(entry.with_suffix(".lock"), tick):
            if not _whole(entry):
                needed = views * variants * weight * len(manifest.cases) // _trained(manifest)
                entry.mkdir(parents=True, exist_ok=True)
                make_room(workdir, needed, cache_max_bytes, {entry})
                _cut(opened, task, size, variants, entry, tick)
            touch(entry)
            found = _open(entry, digest)
    return replace(found, picked=_picked(found.train_rows, manifest, fraction, seed))


def _trained(manifest: Manifest) -> int:
    return max(manifest.splits.get("train", 1), 1)


def _digest(manifest: Manifest, task: Task, size: int, variants: int) -> str:
    facts = [VERSION, manifest.digest, task.name, task.edition, task.output, size, variants]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _shown(case: PackedCase) -> str | None:
    """What a fraction of the cases is to have its share of; of a volume, whether it has emboli."""
    return case.label or ("positive" if case.facts.get("emboli") else None)


def _picked(
    rows: Sequence[Row], manifest: Manifest, fraction: float, seed: int
) -> NDArray[np.int64]:
    label_of = {case.case_id: _shown(case) for case in manifest.cases}
    known = [SplitRow(row.case_id, row.subject, label_of[row.case_id]) for row in rows]
    kept = set(label_of) if fraction >= 1 else set(subset(known, fraction, seed))
    mask = np.repeat([row.case_id in kept for row in rows], [row.patches for row in rows])
    return np.flatnonzero(mask).astype(np.int64)


def read_case(files: CaseFiles, task: Task, labels: Labels) -> Case:
    """The case, its mask in class indices whatever numbers the upload used for them."""
    case = task.read(files)
    if case.mask is None or not labels.values:
        return case
    table = np.full(256, UNKNOWN, np.uint8)
    table[0] = 0
    table[list(labels.values)] = np.arange(1, len(labels.values) + 1)
    return replace(case, mask=table[case.mask])


def served_case(files: CaseFiles, task: Task, size: int, labels: Labels) -> tuple[Case, list[Roi]]:
    """A case and the patches that serving would cut of it."""
    case = read_case(files, task, labels)
    return case, list(task.rois(case, size, None))


def _serve(files: CaseFiles, task: Task, size: int, labels: Labels) -> Cut:
    case, found = served_case(files, task, size, labels)
    masks, truth = _masks(task, found), b""
    if case.mask is not None and task.output == "map":
        truth = cv2.imencode(".png", case.mask)[1].tobytes()
    row = Row(
        **_facts(files, case, task, labels, found),
        rois=tuple((roi.box_px, roi.mirrored, roi.mark) for roi in found), boxes=case.boxes,
        size_px=(case.pixels.shape[0], case.pixels.shape[1]) if masks else (0, 0),
        spacing_mm=case.spacing_mm, lines=None if case.lines is None else kept_lines(case.lines),
        readers={name: kept_lines(lines) for name, lines in case.readers.items()},
    )  # fmt: skip
    return Cut(row, [roi.pixels for roi in found], masks, truth)


def _view(files: CaseFiles, task: Task, size: int, labels: Labels, variants: int) -> Cut:
    """A case with its patches, each [V, size, size, 3]; a view's randomness is its case and number.

    A draw of fewer patches than the first repeats them, so that the array stays rectangular. Of a
    volume every draw shows the same candidates.
    """
    case = read_case(files, task, labels)
    draws = [
        list(task.rois(case, size, generator("view", files.case_id, v))) for v in range(variants)
    ]
    rows = [[draw[k % len(draw)] for draw in draws] for k in range(len(draws[0]))]
    patches = [np.stack([roi.pixels for roi in views]) for views in rows]
    masks = [np.stack(_masks(task, views)) for views in rows] if task.output == "map" else []
    return Cut(Row(**_facts(files, case, task, labels, draws[0])), patches, masks)


def _facts(
    files: CaseFiles, case: Case, task: Task, labels: Labels, rois: Sequence[Roi]
) -> dict[str, Any]:
    said = task.output == "map" or task.placed
    return {
        "case_id": files.case_id, "subject": files.subject, "patches": len(rois),
        "truth": 0 if said else class_of(files.case_id, files.label, labels),
        "truths": tuple(roi.truth for roi in rois if roi.truth is not None), "count": case.count,
    }  # fmt: skip


def _masks(task: Task, rois: Sequence[Roi]) -> Arrays:
    """The masks under patches of a map task; [] for any other."""
    if task.output != "map":
        return []
    found = [roi.mask for roi in rois if roi.mask is not None]
    if len(found) < len(rois):
        raise BadDataError(f"{task.name}: a patch without its mask")
    return found


def _cut(opened: Pack, task: Task, size: int, variants: int, entry: Path, tick: Tick) -> None:
    labels = labels_of(opened.manifest, task)
    train, validation = opened.cases("train"), opened.cases("validation")
    for part, cases in (("train", train), ("validation", validation)):
        if not cases:
            raise BadDataError(f"no {part} cases in data set {opened.manifest.digest[:12]}")

    ahead = CHUNK_OF_LARGE if task.placed else CHUNK

    def view(files: CaseFiles) -> Cut:
        return _view(files, task, size, labels, variants)

    def serve(files: CaseFiles) -> Cut:
        return _serve(files, task, size, labels)

    rows = _fill(entry, "train", train, view, ahead, tick)
    served = _fill(entry, "validation", validation, serve, ahead, tick)
    facts = {
        "boot": boot(), "size": size, "variants": variants, "map": task.output == "map",
        "labels": asdict(labels),
        "train": [asdict(row) for row in rows], "validation": [asdict(row) for row in served],
    }  # fmt: skip
    temporary = entry / "patches.part"
    temporary.write_text(json.dumps(facts))
    temporary.replace(entry / "patches.json")


def _fill(
    entry: Path, part: str, cases: Sequence[CaseFiles], cut: Callable[[CaseFiles], Cut],
    ahead: int, tick: Tick,
) -> list[Row]:  # fmt: skip
    """Cuts all cases into files of one part, in order (OpenCV releases the interpreter)."""
    rows: list[Row] = []
    with ExitStack() as stack:
        pixels, masks, truths = (
            stack.enter_context((entry / f"{part}.{kind}").open("wb"))
            for kind in ("u8", "masks", "truths")
        )
        pool = stack.enter_context(ThreadPoolExecutor(2))
        for start in range(0, len(cases), ahead):
            waiting = [pool.submit(cut, files) for files in cases[start : start + ahead]]
            for done in _watched(waiting, lambda: tick(f"cutting {part}", len(rows), len(cases))):
                kept = (truths.tell(), len(done.truth)) if done.truth else None
                rows.append(replace(done.row, kept=kept))
                pixels.writelines(np.ascontiguousarray(patch).data for patch in done.patches)
                masks.writelines(np.ascontiguousarray(mask).data for mask in done.masks)
                truths.write(done.truth)
                tick(f"cutting {part}", len(rows), len(cases))
    return rows


def _watched(waiting: Sequence[Future[Cut]], tick: Callable[[], None]) -> Iterator[Cut]:
    """The results in order; `tick` every few seconds while the next is not there."""
    for future in waiting:
        while not wait([future], WATCH_S).done:
            tick()
        yield future.result()


def _whole(entry: Path) -> bool:
    marker = entry / "patches.json"
    return marker.is_file() and json.loads(marker.read_text())["boot"] == boot()


def _open(entry: Path, digest: str) -> PatchSet:
    facts = json.loads((entry / "patches.json").read_text())
    size, variants = facts["size"], facts["variants"]
    rows = [tuple(_row(row) for row in facts[part]) for part in ("train", "validation")]
    count, served = (sum(row.patches for row in part) for part in rows)
    shapes = {"train": (count, variants, size, size), "validation": (served, size, size)}

    def mapped(kind: str, *beyond: int) -> Iterator[NDArray[np.uint8]]:
        for part, shape in shapes.items():
            yield np.memmap(entry / f"{part}.{kind}", np.uint8, "r", shape=(*shape, *beyond))

    train, validation = mapped("u8", 3)
    masks = tuple(mapped("masks")) if facts["map"] else None
    kept = facts["labels"]
    labels = Labels(tuple(kept["names"]), kept["positive"], tuple(kept["values"]))
    path = entry / "validation.truths"
    truths = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    return PatchSet(
        digest, labels, train, validation, rows[0], rows[1], np.arange(count),
        None if masks is None else (masks[0], masks[1]), truths,
    )  # fmt: skip


def _row(kept: dict[str, Any]) -> Row:
    """A row as JSON gives it back: its lists were tuples."""
    for name in ("size_px", "kept", "spacing_mm"):
        kept[name] = None if kept[name] is None else tuple(kept[name])
    kept["rois"] = tuple((tuple(box), flip, tuple(mark)) for box, flip, mark in kept["rois"])
    kept["truths"] = tuple(kept["truths"])
    if kept["boxes"] is not None:
        kept["boxes"] = tuple(tuple(box) for box in kept["boxes"])
    return Row(**kept)
