"""The check of an upload in its own process: what a refused one still tells of itself."""

import resource
from collections.abc import Callable
from pathlib import Path

import psutil
from sqlalchemy import Engine

from app.db.session import reading
from app.db.tables import Dataset
from app.settings import settings
from app.storage import files
from tests.app import rows
from tests.models.ingest.uploads import mask, picture, written, zipped
from worker import check, jobs


def test_a_refused_upload_counts_its_files_and_names_each(sqlite: Engine, tmp_path: Path) -> None:
    pair = {"images/a.png": picture(1), "masks/a.png": mask(0, 1, side=31), "LICENSE": b""}
    dataset_id = rows.dataset(state="checking", task="segmentation", positive=None, counts={})
    files().put_file(f"uploads/{dataset_id}", written(tmp_path, zipped(pair)), lambda: None)
    assert jobs.tend("worker.check", dataset_id) == 0
    with reading() as session:
        found = session.get_one(Dataset, dataset_id)
    assert found.state == "rejected"
    assert found.counts == {"files": 2, "cases": 0, "subjects": 0, "excluded": 2}
    assert [(row["file"], row["code"]) for row in found.problems] == [
        (None, "no_cases"), ("images/a.png", "mask_size"), ("masks/a.png", "mask_size"),
    ]  # fmt: skip


def test_an_upload_that_is_gone_is_asked_for_again(sqlite: Engine) -> None:
    dataset_id = rows.dataset(state="checking", counts={})
    assert jobs.tend("worker.check", dataset_id) == 0
    with reading() as session:
        found = session.get_one(Dataset, dataset_id)
    assert (found.state, found.losses) == ("rejected", 0)
    assert found.failure == {"code": "upload_missing", "detail": check.MISSING}


def checked(dataset_id: str, content: bytes, folder: Path) -> Dataset:
    """What became of an upload whose check a worker tended once."""
    files().put_file(f"uploads/{dataset_id}", written(folder, content), lambda: None)
    assert jobs.tend("worker.check", dataset_id) == 0
    with reading() as session:
        return session.get_one(Dataset, dataset_id)


def test_an_upload_that_eats_memory_is_rejected_and_the_next_one_is_checked(
    sqlite: Engine, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    setting("check_memory_bytes", 96 << 20)
    row = {"state": "checking", "counts": {}, "positive": None, "problems": []}
    pictures = {f"{'ab'[n % 2]}/{n}.png": picture(n) for n in range(24)}
    table = b"file_name,label\n" + b" " * (160 << 20)
    eaten = checked(rows.dataset(**row), zipped({**pictures, "metadata.csv": table}), tmp_path)
    assert (eaten.state, eaten.attempt, eaten.losses) == ("rejected", 1, 0)
    assert eaten.failure == {"code": "out_of_memory", "detail": check.EATEN}
    assert "LAYERTUNE_CHECK_MEMORY_BYTES" in check.EATEN
    assert not files().exists(eaten.upload)
    well = checked(rows.dataset(**row), zipped(pictures), tmp_path)
    assert (well.state, well.counts["cases"]) == ("ready", 24)


def test_the_limit_is_lifted_for_the_last_words() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        check.bound()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        more = soft - psutil.Process().memory_info().vms
        assert hard == before[1]
        assert 0 < more <= settings().check_memory_bytes + (1 << 26)
        check.unbound()
        assert resource.getrlimit(resource.RLIMIT_AS)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
