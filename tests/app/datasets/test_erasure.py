"""A subject is erased from all that the service keeps, and what was made with it is named."""

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from app.datasets import erasure
from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Dataset, Discarded, LedgerRow, Run
from app.settings import settings
from app.storage import Files, files
from models.erasing import without_subject
from models.pack import Pack
from tests.app import rows
from tests.models.ingest.uploads import picture, written, zipped
from worker import check
from worker.tether import Tether

CANARY = "Musterfrau_CANARY42"
SUBJECTS = (CANARY, *(f"p{number:02d}" for number in range(11)))


def uploaded(tmp_path: Path, store: Files) -> str:
    """A data set of two classes and twelve subjects of two pictures each, checked by the worker."""
    lines, members = ["file_name,label,subject"], {}
    for number, subject in enumerate(SUBJECTS):
        for label in ("benign", "malignant"):
            name = f"{subject}/{label}.png"
            members[name] = picture(number * 2 + (label == "malignant"))
            lines.append(f"{name},{label},{subject}")
    members["metadata.csv"] = "\n".join(lines).encode()
    made = rows.dataset(state="checking", positive="malignant", pack=None, counts={}, digest=None)
    with writing() as session:
        session.execute(LedgerRow.__table__.delete())  # type: ignore[attr-defined]
    store.put_file(f"uploads/{made}", written(tmp_path, zipped(members)), lambda: None)
    with writing() as session:
        attempt = lifecycle.claim(session, Dataset, made, "check", 60)
    assert attempt is not None
    check.check(Tether(made, "check", threading.Event()), attempt)
    return made


def erase(client: TestClient, dataset: str, subject: str = CANARY) -> Any:
    return client.delete(f"/v1/datasets/{dataset}/subjects/{subject}")


def caches() -> list[Path]:
    made = []
    for kind in ("patches", "prefix"):
        entry = settings().scratch / kind / "entry"
        entry.mkdir(parents=True)
        (entry / "rows.json").write_text(CANARY)
        os.utime(entry / "rows.json", (time.time() - 60,) * 2)
        made.append(entry)
    return made


def test_an_erased_subject_is_nowhere_and_the_others_are_as_they_were(
    client: TestClient, store: Files, tmp_path: Path
) -> None:
    made = uploaded(tmp_path, store)
    before = client.get(f"/v1/datasets/{made}").json()
    assert (before["state"], before["counts"]["subjects"]) == ("ready", 12)
    sweep, (run,) = rows.sweep(dataset_id=made, states=("succeeded",), finish="succeeded")
    name = rows.outputs(f"measures/{run}-0.json", [(0.1, 0.9), (0.8, 0.2)])
    content = store.get_bytes(name).replace(b"subject-0", CANARY.encode())
    store.put_bytes(name, content)
    with writing() as session:
        session.execute(update(Run).where(Run.id == run).values(measures=name))
    model = rows.model(run_id=run, sweep_id=sweep)
    continued, (child,) = rows.sweep(init=model, states=("succeeded",), finish="succeeded")
    grandchild = rows.model(run_id=child, sweep_id=continued)
    entries, (old,) = caches(), store.names("packs/")
    reply = erase(client, made)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert CANARY not in reply.text and len(told["subject"]) == 16
    assert (told["files"], told["cases"], told["runs"]) == (2, 2, [run])
    assert told["models"] == sorted([model, grandchild])
    after = client.get(f"/v1/datasets/{made}").json()
    assert (told["digest_before"], told["digest"]) == (before["digest"], after["digest"])
    assert after["counts"] == {**before["counts"], "files": before["counts"]["files"] - 2,
                               "cases": 22, "subjects": 11}  # fmt: skip
    assert after["classes"] == {"benign": 11, "malignant": 11}
    assert after["warnings"][-1]["code"] == "subject_erased"
    assert not store.exists(old) and not store.exists(name)
    assert not any(entry.exists() for entry in entries)
    for kept in store.names():
        assert CANARY.encode() not in store.get_bytes(kept), kept
    csv = client.get(f"/v1/runs/{run}/predictions.csv")
    assert csv.status_code == 200 and CANARY not in csv.text and "subject-1" in csv.text
    ledger = client.get(f"/v1/datasets/{made}/cases", params={"limit": 200})
    assert CANARY not in ledger.text and "p03/benign.png" in ledger.text
    assert erase(client, made).status_code == 404


def test_the_pack_can_be_tuned_on_and_looked_at_afterwards(
    client: TestClient, tmp_path: Path
) -> None:
    made = uploaded(tmp_path, files())
    lines = client.get(f"/v1/datasets/{made}/cases", params={"limit": 200}).json()["items"]
    gone = next(line["case_id"] for line in lines if line["subject"] == CANARY)
    other = next(line["case_id"] for line in lines if line["subject"] == "p04")
    shown = client.get(f"/v1/datasets/{made}/cases/{other}/preview.png").content
    assert erase(client, made).status_code == 200
    assert client.get(f"/v1/datasets/{made}/cases/{gone}/preview.png").status_code == 404
    assert client.get(f"/v1/datasets/{made}/cases/{other}/preview.png").content == shown
    with reading() as session:
        row = session.get_one(Dataset, made)
    with Pack.open(files().local(row.pack or "")) as opened:
        assert {case.subject for case in opened.cases()} == set(SUBJECTS) - {CANARY}
        assert opened.manifest.digest == row.digest
    asked = {"dataset_id": made, "backbone": "tiny", "dry_run": True}
    reply = client.post("/v1/sweeps", json=asked)
    assert reply.status_code in (200, 422) and reply.json().get("code") in (None, "below_floor")


def test_the_audit_knows_a_subject_by_its_hash_only(client: TestClient, tmp_path: Path) -> None:
    made = rows.dataset(pack=None)
    told = erase(client, made, "subject-7").json()
    entry = client.get("/v1/audit").json()["items"][0]
    assert entry["action"] == "erase_subject"
    assert entry["resource"] == f"{made}/subjects/{told['subject']}"
    assert "subject-7" not in str(entry)


def test_a_subject_of_the_same_name_elsewhere_is_pointed_at(client: TestClient) -> None:
    one, two, hidden = rows.dataset(pack=None), rows.dataset(pack=None), rows.dataset("other")
    told = erase(client, one, "subject-7").json()
    assert told["also_in"] == [two] and hidden not in told["also_in"]


def test_a_name_with_a_slash_is_a_name(client: TestClient) -> None:
    made = rows.dataset(pack=None)
    with writing() as session:
        session.execute(
            update(LedgerRow)
            .where(LedgerRow.dataset_id == made, LedgerRow.position == 3)
            .values(subject="ward 3/bed 4 ä%")
        )
    assert erase(client, made, "ward%203/bed%204%20%C3%A4%25").json()["files"] == 1


@pytest.mark.parametrize("finish", ["waiting", "queued", "running"])
def test_while_a_sweep_needs_the_data_nothing_is_erased(client: TestClient, finish: str) -> None:
    made = rows.dataset(pack=None)
    rows.sweep(dataset_id=made, finish=finish)
    reply = erase(client, made, "subject-7")
    assert (reply.status_code, reply.json()["code"]) == (409, "in_use")
    with reading() as session:
        of_it = LedgerRow.dataset_id == made, LedgerRow.subject == "subject-7"
        assert session.scalars(select(LedgerRow).where(*of_it)).one()


def test_the_last_subject_is_erased_with_its_data_set(client: TestClient, tmp_path: Path) -> None:
    made = uploaded(tmp_path, files())
    with writing() as session:  # as if all others had been in another data set
        row = session.get_one(Dataset, made)
    alone, only = tmp_path / "alone.zip", SUBJECTS[-1]
    before = files().local(row.pack or "")
    for subject in SUBJECTS[:-1]:
        without_subject(before, subject, (), alone)
        before = alone.replace(tmp_path / f"{subject}.zip")
    files().put_file(row.pack or "", before)
    reply = erase(client, made, only)
    assert (reply.status_code, reply.json()["code"]) == (409, "last_subject")
    assert client.delete(f"/v1/datasets/{made}").status_code == 204
    assert list(files().names()) == []


def test_who_is_not_there_and_what_is_still_checked_is_said(client: TestClient) -> None:
    reply = erase(client, rows.dataset(pack=None), "nobody-CANARY")
    assert reply.status_code == 404 and "CANARY" not in reply.text
    checking = rows.dataset(state="checking", pack=None)
    assert erase(client, checking, "subject-1").json()["code"] == "not_ready"


def test_a_kill_between_the_commit_and_the_deletion_leaves_the_names_noted(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = uploaded(tmp_path, files())
    (pack,) = files().names("packs/")
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "clean", lambda _: None)  # as if the process ended here
        assert erase(client, made).status_code == 200
    assert files().exists(pack)
    with reading() as session:
        assert pack in set(session.scalars(select(Discarded.name)))
    erasure.clean(files())  # a worker comes by
    assert not files().exists(pack)
    assert np.sum([name.startswith("packs/") for name in files().names()]) == 1


def test_without_room_for_the_new_pack_nothing_is_erased(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = uploaded(tmp_path, files())
    before = list(files().names())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(files()), "put_file", full)
        reply = erase(client, made)
    assert (reply.status_code, reply.json()["code"]) == (507, "disk_full")
    assert list(files().names()) == before
    assert erase(client, made).status_code == 200
