"""Whatever is in models/tasks keeps the contract, from a phantom's archive to its headline."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from models import stats
from models.case import UNKNOWN, Case, Roi
from models.discovery import tasks
from models.findings import Labels
from models.ingest import ingest
from models.pack import Manifest, Pack
from models.task import Phantom, Task

SIZE = 32
MAP_SIZE = 128  # of a map that is to be laid over its case again
PATIENTS, PATIENTS_OF_VOLUMES = 9, 4  # a volume takes seconds
PICTURES = (".png", ".jpg", ".tiff")  # beside them a phantom may have files of other kinds
PLACES = ("images/", "masks/", "volumes/", "emboli/")  # in a pack

MAP_TASKS = [task for task in tasks().values() if task.output == "map"]
IMAGE_TASKS = [task for task in tasks().values() if not task.volumes]
every_task = pytest.mark.parametrize("task", tasks().values(), ids=lambda task: task.name)
every_image_task = pytest.mark.parametrize("task", IMAGE_TASKS, ids=lambda task: task.name)
every_map_task = pytest.mark.parametrize("task", MAP_TASKS, ids=lambda task: task.name)


def patients(task: Task) -> int:
    return PATIENTS_OF_VOLUMES if task.volumes else PATIENTS


@cache
def phantoms(task: str) -> tuple[Phantom, ...]:
    found = tasks()[task]
    return tuple(found.phantom(np.random.default_rng([7, k]), k) for k in range(patients(found)))


def archive(task: Task, path: Path) -> Path:
    """The phantoms zipped as a user would: their files, and one metadata.csv if they have rows."""
    rows = [row for phantom in phantoms(task.name) for row in phantom.rows]
    with zipfile.ZipFile(path, "w") as zipped:
        for phantom in phantoms(task.name):
            for name, content in phantom.files.items():
                zipped.writestr(name, content)
        if rows:
            table = io.StringIO()
            writer = csv.DictWriter(table, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            zipped.writestr("metadata.csv", table.getvalue())
    return path


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Manifest, Pack]]]:
    folder = tmp_path_factory.mktemp("packs")
    with ExitStack() as stack:
        found = {}
        for task in tasks().values():
            out = folder / f"{task.name}-pack.zip"
            manifest, _ = ingest(archive(task, folder / f"{task.name}.zip"), task, out)
            found[task.name] = (manifest, stack.enter_context(Pack.open(out)))
        yield found


@pytest.fixture
def manifest(task: Task, packs: dict[str, tuple[Manifest, Pack]]) -> Manifest:
    return packs[task.name][0]


@pytest.fixture(scope="module")
def cases_of(packs: dict[str, tuple[Manifest, Pack]]) -> Callable[[str], list[Case]]:
    """Read once: what is dear to find in a volume is found once."""
    return cache(lambda name: [tasks()[name].read(files) for files in packs[name][1].cases()])


@pytest.fixture
def cases(task: Task, cases_of: Callable[[str], list[Case]]) -> list[Case]:
    return cases_of(task.name)


@pytest.fixture
def labels(task: Task, manifest: Manifest) -> Labels:
    assert manifest.mask_values == ()  # phantoms number their classes from 1, as tasks see them
    return Labels(task.classes or manifest.classes, manifest.positive or task.positive)


def size_of(task: Task) -> int:
    return MAP_SIZE if task.output == "map" else SIZE


def certain(task: Task, case: Case, rois: list[Roi], labels: Labels) -> np.ndarray:
    """What a network that knows the truth puts out."""
    if task.output == "map":
        found = [[roi.mask == k for k in range(len(labels.names) + 1)] for roi in rois]
        return np.array(found, np.float32)
    truths = [roi.truth for roi in rois]
    if not task.volumes:
        truths = [labels.names.index(str(case.label))] * len(rois)
    return np.eye(len(labels.names), dtype=np.float32)[truths]


def blind(task: Task, outputs: np.ndarray) -> np.ndarray:
    """What a network that is wrong about everything puts out; of a map, one that sees nothing."""
    if task.output == "classes":
        return 1 - outputs
    nothing = np.zeros_like(outputs)
    nothing[:, 0] = 1
    return nothing


def guessed(task: Task, count: int, labels: Labels, rng: np.random.Generator) -> np.ndarray:
    """What a network that knows nothing puts out; its maps are clouds, not dust."""
    names = len(labels.names)
    if task.output == "classes":
        return rng.dirichlet(np.ones(names), size=count).astype(np.float32)
    coarse = rng.dirichlet(np.ones(names + 1) / 2, size=(count, 5, 5)).astype(np.float32)
    whole = (MAP_SIZE, MAP_SIZE)
    maps = [cv2.resize(clouds, whole, interpolation=cv2.INTER_LINEAR) for clouds in coarse]
    return np.stack(maps).transpose(0, 3, 1, 2)


@every_task
def test_the_phantoms_archive_is_taken_whole(task: Task, manifest: Manifest) -> None:
    files = [Path(name) for phantom in phantoms(task.name) for name in phantom.files]
    images = sum(file.suffix in PICTURES and "masks" not in file.parts for file in files)
    assert manifest.counts["cases"] == (patients(task) if task.volumes else images)
    assert manifest.counts["excluded"] == 0
    assert manifest.counts["subjects"] == patients(task)
    assert manifest.layout in task.layouts
    assert {case.split for case in manifest.cases} == {"train", "validation", "test"}
    if task.classes:
        assert set(manifest.class_counts) == set(task.classes)


@every_task
def test_a_phantom_is_its_seed(task: Task) -> None:
    again = task.phantom(np.random.default_rng([7, 0]), 0)
    assert again == phantoms(task.name)[0]
    assert again.files != phantoms(task.name)[1].files


@every_task
def test_serving_is_deterministic(task: Task, cases: list[Case]) -> None:
    first, second = (list(task.rois(cases[0], SIZE, None)) for _ in range(2))
    assert [roi.box_px for roi in first] == [roi.box_px for roi in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


@every_task
def test_training_and_serving_cut_the_same_kind_of_patch(task: Task, cases: list[Case]) -> None:
    for case in cases[:6]:
        serving = list(task.rois(case, SIZE, None))
        training = list(task.rois(case, SIZE, np.random.default_rng(0)))
        assert serving and training
        height, width = (SIZE, SIZE) if task.volumes else case.pixels.shape[:2]
        for roi in serving + training:
            assert roi.pixels.shape == (SIZE, SIZE, 3)
            assert roi.pixels.dtype == np.uint8
            assert roi.pixels.flags.c_contiguous
            assert (roi.truth is not None) == bool(roi.mark) == task.volumes
            x0, y0, x1, y1 = roi.box_px
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


@every_task
def test_training_draws_differ_and_repeat_with_their_seed(task: Task, cases: list[Case]) -> None:
    def draw(seed: int) -> list[bytes]:
        rng = np.random.default_rng(seed)
        return [roi.pixels.tobytes() for roi in task.rois(cases[0], SIZE, rng)]

    assert draw(1) == draw(1)
    assert len({tuple(draw(seed)) for seed in range(8)}) > 4


@every_image_task
def test_an_image_smaller_than_a_patch_still_has_one(task: Task) -> None:
    for height, width in ((8, 8), (9, 200), (200, 9)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        case = Case("case_000001", "s", pixels)
        for rng in (None, np.random.default_rng(0)):
            for roi in task.rois(case, SIZE, rng):
                assert roi.pixels.shape == (SIZE, SIZE, 3)


@every_task
def test_perfect_outputs_give_a_perfect_headline_and_blind_ones_none(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    measures, reverse = [], []
    for case in cases:
        rois = list(task.rois(case, size_of(task), None))
        outputs = certain(task, case, rois, labels)
        measures.append(task.measure(case, rois, outputs, labels))
        reverse.append(task.measure(case, rois, blind(task, outputs), labels))
    scores = task.score(measures, labels)
    assert next(iter(scores.values)) == task.headline
    # A map is coarser than its case: its rim is a pixel off. And what has no candidate in a volume
    # can not be found, whoever looks at the candidates.
    rim = 0.05 if task.output == "map" else 0.2 if task.volumes else 0.0
    assert scores.values[task.headline] == pytest.approx(1.0, abs=rim)
    for curve in scores.curves.values():
        assert len(curve) and curve.shape[1] == 2
        assert (np.diff(curve[:, 0]) >= 0).all()
    assert task.score(reverse, labels).values[task.headline] == 0.0


@every_task
def test_what_has_operating_points_has_a_curve_and_finds_them(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    rng, measures = np.random.default_rng(5), []
    for case in cases:
        rois = list(task.rois(case, size_of(task), None))
        outputs = certain(task, case, rois, labels) + guessed(task, len(rois), labels, rng)
        measures.append(task.measure(case, rois, outputs / 2, labels))
    found = task.operate(measures, labels, task.points)
    if not task.points or labels.positive is None:
        assert found == []
        return
    assert [point.name for point in found] == list(task.points)
    assert task.score(measures, labels).curves
    assert any(point.threshold is not None for point in found)
    for point in found:
        assert (point.threshold is None) == (point.reason is not None)
        json.dumps(point.record(), allow_nan=False)


@every_task
def test_a_finding_is_json_of_its_own_class(task: Task, cases: list[Case], labels: Labels) -> None:
    rng = np.random.default_rng(1)
    rois = list(task.rois(cases[0], size_of(task), None))
    for outputs in (certain(task, cases[0], rois, labels), guessed(task, len(rois), labels, rng)):
        finding = task.decide(cases[0], rois, outputs, labels, None)
        assert isinstance(finding, task.finding)
        json.dumps(asdict(finding), allow_nan=False)


@every_task
def test_many_resamples_at_once_agree_with_the_score(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    rng = np.random.default_rng(3)
    measures = []
    for case in cases:
        rois = list(task.rois(case, size_of(task), None))
        outputs = guessed(task, len(rois), labels, rng)
        measures.append(task.measure(case, rois, outputs, labels))
    found = stats.every(task, labels)(measures, np.ones((1, len(measures))))
    known = task.score(measures, labels).values
    expected = {name: np.nan if value is None else value for name, value in known.items()}
    told = {name: value[0] for name, value in found.items()}
    assert list(told) == list(expected)
    assert told == pytest.approx(expected, nan_ok=True)


@every_task
def test_a_case_is_measured_without_its_pixels(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    """As tuning does it: of a validation patch only its place is kept."""
    nothing = np.zeros((0, 0, 3), np.uint8)
    rois = list(task.rois(cases[0], size_of(task), None))
    outputs = guessed(task, len(rois), labels, np.random.default_rng(2))
    places = [Roi(nothing, roi.box_px, None, roi.mirrored, mark=roi.mark) for roi in rois]
    whole = task.measure(cases[0], rois, outputs, labels)
    seen = replace(cases[0], pixels=nothing, volume=None, things=None)
    bare = task.measure(seen, places, outputs, labels)
    np.testing.assert_array_equal(bare.scores, whole.scores)
    np.testing.assert_array_equal(bare.marks, whole.marks)


@every_map_task
def test_every_patch_of_a_map_task_has_its_mask(task: Task, cases: list[Case]) -> None:
    rng = np.random.default_rng(0)
    for case in cases[:6]:
        for roi in [*task.rois(case, SIZE, None), *task.rois(case, SIZE, rng)]:
            assert roi.mask is not None
            assert roi.mask.shape == (SIZE, SIZE) and roi.mask.dtype == np.uint8
            assert roi.mask.flags.c_contiguous
    if cases[0].lines is not None:
        return  # of a wall only what lies about it is looked at
    whole = task.rois(cases[0], SIZE, None)
    height, width = cases[0].pixels.shape[:2]
    assert {roi.box_px for roi in whole} == {(0.0, 0.0, float(width), float(height))}


@every_map_task
@pytest.mark.parametrize("shape", [(240, 300), (96, 96)])
def test_masks_follow_pixels_under_every_augmentation(task: Task, shape: tuple[int, int]) -> None:
    """A picture that is bright where its mask is: so is every view of it, whatever its colours."""
    height, width = shape
    y, x = np.mgrid[:height, :width] + 0.5
    mask = ((x / width - 0.35) ** 2 / 0.04 + (y / height - 0.4) ** 2 / 0.02 < 1).astype(np.uint8)
    pixels = np.repeat((70 + 90 * mask)[..., None], 3, axis=2).astype(np.uint8)
    rng, right, wrong = np.random.default_rng(4), [], []
    while len(right) < 40:
        (roi,) = task.rois(Case("case_000001", "s", pixels, mask=mask), 96, rng)
        assert roi.mask is not None
        if (roi.mask == 1).sum() < 300 or (roi.mask == 0).sum() < 300:
            continue
        right.append(agreement(roi.pixels, roi.mask))
        wrong.append(agreement(roi.pixels, np.rot90(roi.mask)))
    # Now and then a reflex or an overlay lies over the picture, or the light falls off.
    assert np.median(right) > 0.97 and np.quantile(right, 0.1) > 0.8
    assert np.median(wrong) < 0.93


def agreement(pixels: np.ndarray, mask: np.ndarray) -> float:
    """The share of known pixels on their side of the middle between inside and outside."""
    grey, known = pixels.mean(axis=2), mask != UNKNOWN
    middle = (np.median(grey[mask == 1]) + np.median(grey[mask == 0])) / 2
    return float(((grey > middle) == (mask == 1))[known].mean())


@every_task
def test_a_subject_never_crosses_and_no_name_of_the_user_is_kept(
    task: Task, manifest: Manifest
) -> None:
    parts: dict[str, set[str | None]] = {}
    for case in manifest.cases:
        parts.setdefault(case.subject, set()).add(case.split)
        assert all(member.startswith(PLACES) for member in case.roles.values())
    assert all(len(found) == 1 for found in parts.values())
