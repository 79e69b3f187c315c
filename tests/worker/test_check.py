"""The check of an upload in its own process: what a refused one still tells of itself."""

from pathlib import Path

from sqlalchemy import Engine

from app.db.session import reading
from app.db.tables import Dataset
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
