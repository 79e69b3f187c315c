"""Whatever is in models/tasks keeps the contract, from a phantom's archive to its headline."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models import stats
from models.case import Case
from models.discovery import tasks
from models.findings import Labels, Measure
from models.ingest import ingest
from models.pack import Manifest, Pack
from models.task import Phantom, Task

SIZE = 32
PATIENTS = 9

every_task = pytest.mark.parametrize("task", tasks().values(), ids=lambda task: task.name)


@cache
def phantoms(task: str) -> tuple[Phantom, ...]:
    found = tasks()[task]
    return tuple(found.phantom(np.random.default_rng([7, k]), k) for k in range(PATIENTS))


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


@pytest.fixture
def cases(task: Task, packs: dict[str, tuple[Manifest, Pack]]) -> list[Case]:
    return [task.read(files) for files in packs[task.name][1].cases()]


@pytest.fixture
def labels(task: Task, manifest: Manifest) -> Labels:
    return Labels(task.classes or manifest.classes, manifest.positive or task.positive)


def certain(case: Case, rois: int, labels: Labels) -> np.ndarray:
    """What a network that knows the truth puts out."""
    outputs = np.zeros((rois, len(labels.names)), np.float32)
    outputs[:, labels.names.index(str(case.label))] = 1
    return outputs


@every_task
def test_the_phantoms_archive_is_taken_whole(task: Task, manifest: Manifest) -> None:
    files = sum(len(phantom.files) for phantom in phantoms(task.name))
    assert manifest.counts["cases"] == files
    assert manifest.counts["excluded"] == 0
    assert manifest.counts["subjects"] == PATIENTS
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
        height, width = case.pixels.shape[:2]
        for roi in serving + training:
            assert roi.pixels.shape == (SIZE, SIZE, 3)
            assert roi.pixels.dtype == np.uint8
            assert roi.pixels.flags.c_contiguous
            x0, y0, x1, y1 = roi.box_px
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


@every_task
def test_training_draws_differ_and_repeat_with_their_seed(task: Task, cases: list[Case]) -> None:
    def draw(seed: int) -> list[bytes]:
        rng = np.random.default_rng(seed)
        return [roi.pixels.tobytes() for roi in task.rois(cases[0], SIZE, rng)]

    assert draw(1) == draw(1)
    assert len({tuple(draw(seed)) for seed in range(8)}) > 4


@every_task
def test_an_image_smaller_than_a_patch_still_has_one(task: Task) -> None:
    for height, width in ((8, 8), (9, 200), (200, 9)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        case = Case("case_000001", "s", pixels)
        for rng in (None, np.random.default_rng(0)):
            for roi in task.rois(case, SIZE, rng):
                assert roi.pixels.shape == (SIZE, SIZE, 3)


@every_task
def test_perfect_scores_give_a_perfect_headline(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    measures = []
    for case in cases:
        rois = list(task.rois(case, SIZE, None))
        outputs = certain(case, len(rois), labels)
        assert task.decide(rois, outputs, labels, None).label == case.label
        measures.append(task.measure(case, outputs, labels))
    scores = task.score(measures, labels)
    assert next(iter(scores.values)) == task.headline
    assert scores.values[task.headline] == 1.0
    assert scores.curves
    for curve in scores.curves.values():
        assert curve.shape[1] == 2
        assert (np.diff(curve[:, 0]) >= 0).all()
    reverse = [Measure(m.case_id, m.subject, m.truth, 1 - m.scores) for m in measures]
    assert task.score(reverse, labels).values[task.headline] == 0.0


@every_task
def test_a_finding_is_json_of_its_own_class(task: Task, cases: list[Case], labels: Labels) -> None:
    rois = list(task.rois(cases[0], SIZE, None))
    outputs = np.full((len(rois), len(labels.names)), 1 / len(labels.names), np.float32)
    finding = task.decide(rois, outputs, labels, None)
    assert isinstance(finding, task.finding)
    json.dumps(asdict(finding), allow_nan=False)


@every_task
def test_many_resamples_at_once_agree_with_the_score(
    task: Task, cases: list[Case], labels: Labels
) -> None:
    rng = np.random.default_rng(3)
    measures = []
    for case in cases:
        outputs = rng.dirichlet(np.ones(len(labels.names)), size=4).astype(np.float32)
        measures.append(task.measure(case, outputs, labels))
    found = stats.every(task, labels)(measures, np.ones((1, len(measures))))
    expected = task.score(measures, labels).values
    assert {name: value[0] for name, value in found.items()} == pytest.approx(expected)


@every_task
def test_a_subject_never_crosses_and_no_name_of_the_user_is_kept(
    task: Task, manifest: Manifest
) -> None:
    parts: dict[str, set[str | None]] = {}
    for case in manifest.cases:
        parts.setdefault(case.subject, set()).add(case.split)
        assert all(member.startswith(("images/", "masks/")) for member in case.roles.values())
    assert all(len(found) == 1 for found in parts.values())
