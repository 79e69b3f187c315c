"""Canaries: a patient's name and a secret key, sent by every way there is, come out in no log,
event, metric, error or file name; and an erased patient is in no byte that is left.
"""

import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from app.auth import mint
from app.db.session import reading, writing
from app.db.tables import Audit, Base, Dataset, Event, Key, Prediction
from app.keys.logins import logins
from app.predictions.journal import journal
from app.settings import settings
from tests import scans
from tests.app import rows
from worker import jobs

NAME = "Zanderkanari"  # of a patient
Client = Callable[..., TestClient]


def archive() -> bytes:
    """Two patients with volume and mask, one of them with the name everywhere, and broken files."""
    shape = (12, 24, 24)
    members: dict[str, bytes] = {}
    for number, subject in enumerate((f"{NAME}_Anna", "p02")):
        scan = scans.voxels(shape, seed=number)
        tags = {"PatientName": f"{NAME}^Anna", "PatientID": NAME, "InstitutionName": NAME,
                "StudyDescription": NAME, "BurnedInAnnotation": "YES"}  # fmt: skip
        given: dict[str, Any] = tags if number == 0 else {}
        for name, data in scans.series(scan, **given).items():
            members[f"{subject}/{NAME if number == 0 else 'ct'}/{name}.dcm"] = data
        mask = np.zeros(shape, np.int16)
        mask[5:7, 10:13, 10:13] = 1
        affine = np.array([[0.5, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 2, 30], [0, 0, 0, 1]])
        members[f"{subject}/emboli_mask.nii"] = scans.nifti(mask, affine)
    members[f"{NAME}_broken/{NAME}.dcm"] = bytes(128) + b"DICM" + NAME.encode() * 9
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return sink.getvalue()


def uploaded(client: TestClient) -> str:
    form = {"task": "pulmonary_embolism", "name": "spring"}
    files = {"archive": (f"{NAME}.zip", archive(), "application/zip")}
    reply = client.post("/v1/datasets", data=form, files=files)
    assert reply.status_code == 202, reply.text
    made = str(reply.json()["id"])
    # The worker's own process, with its own log, as it runs in the service.
    assert jobs.tend("worker.check", made) == 0
    return made


def refused(client: TestClient, dataset: str) -> list[str]:
    """What goes wrong with a patient's name in it: each reply's body."""
    model, png = rows.model(), (f"{NAME}.png", NAME.encode(), "image/png")
    asked = [
        client.get(f"/v1/{NAME}"),
        client.get(f"/v1/datasets/{dataset}/cases", params={"cursor": NAME}),
        client.post("/v1/sweeps", content=f'{{"name": "{NAME}'.encode()),
        client.post("/v1/predictions/classification", files={"file": png}),
        client.post("/v1/predictions/classification", files={"file": png},
                    data={"model_id": model}),
        client.post("/v1/predictions/pulmonary_embolism", files={"file": png}),
        client.post("/v1/datasets", data={"task": "polyp", "name": "x"}, files={NAME: png}),
        client.delete(f"/v1/datasets/{dataset}/subjects/{NAME}-nobody"),
    ]  # fmt: skip
    assert all(reply.status_code >= 400 for reply in asked)
    assert all(reply.status_code < 500 for reply in asked), [reply.text for reply in asked]
    # Not those that repeat what was asked for: an address, and the name of a form's field.
    return [reply.text for reply in asked[1:6] + asked[7:]]


def test_a_patients_name_is_in_no_log_event_metric_error_or_file_name(
    log: Path, sqlite: Engine, client_of: TestClient, var: Path
) -> None:
    made = uploaded(client_of)
    found = client_of.get(f"/v1/datasets/{made}").json()
    assert found["state"] == "ready", found
    assert "burned_in_text" in {said["code"] for said in found["warnings"]}
    assert found["deidentification"]["PatientIdentityRemoved"] == "NO"
    bodies = refused(client_of, made)
    journal.close()
    logins.write()
    with reading() as session:
        kept: list[Any] = [vars(row) for table in (Audit, Event) for row in
                           session.scalars(select(table))]  # fmt: skip
        kept += [row.failure for row in session.scalars(select(Prediction))]
        kept += [row.failure for row in session.scalars(select(Dataset))]
    places = {
        "log": log.read_text(),
        "event, audit, failure": str(kept),
        "metric": client_of.get("/metrics").text,
        "error": " ".join(bodies),
        "file name": " ".join(map(str, var.rglob("*"))),
    }
    assert '"event": "request"' in places["log"], "the log was read"
    for place, text in places.items():
        assert NAME.lower() not in text.lower(), f"{place}: {_around(text)}"


def _around(text: str) -> str:
    at = text.lower().index(NAME.lower())
    return text[max(0, at - 200) : at + 200]


def test_nothing_of_an_erased_patient_is_left_in_any_byte(
    sqlite: Engine, client_of: TestClient, var: Path
) -> None:
    made = uploaded(client_of)
    assert NAME.encode() in _bytes(var)
    for subject in (f"{NAME}_Anna", f"{NAME}_broken"):
        reply = client_of.delete(f"/v1/datasets/{made}/subjects/{subject}")
        assert reply.status_code in (200, 404)
    left = client_of.get(f"/v1/datasets/{made}/cases", params={"limit": 200}).text
    assert NAME not in left and "p02/" in left
    client_of.get(f"/v1/datasets/{made}")
    sqlite.dispose()
    assert NAME.encode() not in _bytes(var)


def _bytes(var: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in var.rglob("*") if path.is_file())


def test_a_secret_is_in_no_log_reply_row_or_metric(
    log: Path, sqlite: Engine, client_of: TestClient, var: Path
) -> None:
    made = client_of.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    turned = client_of.post(f"/v1/keys/{made['id']}/rotate", json={"grace_s": 60}).json()
    secrets = [made["key"], turned["key"], "lt_Zanderkanari-of-nobody"]
    bodies = []
    for secret in secrets:
        headers = {"Authorization": f"Bearer {secret}"}
        for path in ("/v1/models", "/v1/keys", "/v1/models/none"):
            bodies.append(client_of.get(path, headers=headers).text)
        bodies.append(client_of.post("/v1/sweeps", content=b"{", headers=headers).text)
    bodies += [client_of.get(path).text for path in ("/v1/keys", "/v1/audit", "/metrics")]
    logins.write()
    with reading() as session:
        rows_ = [vars(row) for mapper in Base.registry.mappers
                 for row in session.scalars(select(mapper.class_))]  # fmt: skip
    text = "\n".join([log.read_text(), *bodies, str(rows_), repr(settings())])
    for secret in secrets:
        assert secret not in text
        assert secret.encode() not in _bytes(var)


def test_settings_do_not_show_their_secrets(setting: Callable[[str, object], None]) -> None:
    given = {"admin_key": "lt_Zanderkanari", "pseudonym_key": "Zanderkanari",
             "database_url": "postgresql+psycopg://u:Zanderkanari@h/d",
             "broker_url": "redis://:Zanderkanari@h/0"}  # fmt: skip
    for name, value in given.items():
        setting(name, value)
    assert "Zanderkanari" not in repr(settings()) + str(settings())


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """All that this process and its children write to stderr from here on."""
    path = tmp_path / "stderr.log"
    kept = os.dup(2)
    with path.open("w", buffering=1) as file:
        os.dup2(file.fileno(), 2)
        monkeypatch.setattr(sys, "stderr", file)
        try:
            yield path
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@pytest.fixture
def client_of(log: Path, sqlite: Engine, application: FastAPI) -> Iterator[TestClient]:
    """An admin of the workspace `default`, on SQLite, whose bytes lie below the state folder."""
    with writing() as session:
        _, secret = mint(session, "admin", "admin", "default")
        assert session.query(Key).count() == 1
    headers = {"Authorization": f"Bearer {secret}"}
    with TestClient(application, headers=headers, raise_server_exceptions=False) as made:
        yield made
    shutil.rmtree(settings().scratch, ignore_errors=True)
