"""Keeps a database of the present revision as SQL text: `python -m tests.app.db.keep_release`.

Run once for a release and never again for it: a later release must be able to upgrade it as it was.
"""

import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from app.db import schema
from app.db.session import engine
from app.db.tables import (
    Audit,
    Base,
    Dataset,
    Deployment,
    EpochRow,
    Event,
    Finish,
    Heartbeat,
    Idempotency,
    Key,
    LedgerRow,
    Model,
    Prediction,
    Registration,
    Run,
    Sweep,
)
from tests import servers

ASSETS = Path(__file__).parent / "assets"
AT = datetime(2026, 11, 24, 8, 0, 0, 500_000, tzinfo=UTC)
OWNED = {"workspace": "default", "created_by": "key_1", "created_at": AT}
TIMES = {"queued": AT.isoformat(), "running": (AT + timedelta(seconds=1)).isoformat()}
SESSION = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")  # words to psql, not kept
AUC = {"auc": {"value": 0.91, "low": 0.87, "high": 0.95}}


def rows() -> list[Base]:
    """One row of every table at least, in an order that foreign keys allow."""
    return [
        Key(id="key_1", digest="d" * 64, hint="lt_abcde", name="admin", role="admin",
            workspace="default", created_at=AT),
        Dataset(id="ds_1", **OWNED, state="ready", name="busi", task="classification",
                upload="uploads/1", upload_sha256="a" * 64, digest="b" * 64,
                pack="packs/b.zip", layout="class_folders", counts={"files": 23, "cases": 22},
                classes={"benign": 12, "grün": 10}, splits={"train": 16}, times=TIMES,
                problems=[{"file": "x;y.png", "code": "unreadable", "detail": "100 % black"}]),
        LedgerRow(dataset_id="ds_1", position=0, file="benign/1.png", fate="used",
                  case_id="case_000001", subject="s1", label="benign", split="train"),
        Sweep(id="swp_1", **OWNED, name="first", dataset_id="ds_1", task="classification",
              backbone="tiny", init="imagenet", policy="exhaustive", recipe={"epochs": 2},
              seeds=[0], fractions=[1.0]),
        Finish(id="swp_1", state="queued", times=TIMES),
        Run(id="run_1", sweep_id="swp_1", position=0, arm="depth:1", depth=1, scratch=False,
            fraction=1.0, seed=0, state="succeeded", attempt=2, epochs_done=2, validation=AUC,
            plan=[{"layer": "head", "learning_rate": 0.003}], times=TIMES,
            freeze_proof={"frozen_unchanged": True}, checkpoint="checkpoints/run_1/c.safetensors"),
        EpochRow(run_id="run_1", epoch=1, record={"loss": 0.5}, at=AT),
        Event(id=1, sweep_id="swp_1", run_id="run_1", kind="run", data={"state": "running"}, at=AT),
        Event(id=2, sweep_id="swp_1", kind="sweep", data={"state": "running"}, at=AT),
        Registration(id="reg_1", **OWNED, state="queued", sweep_id="swp_1", run_id="run_1"),
        Model(id="mdl_1", **OWNED, task="classification", sweep_id="swp_1", run_id="run_1",
              digest="sha256:" + "c" * 64, card={"arm": "depth:1"},
              files={"model.onnx": {"object": "models/c/model.onnx", "bytes": 3}}),
        Deployment(workspace="default", name="classification", version=1, task="classification",
                   model_id="mdl_1", operating_point={"name": "youden", "threshold": 0.4},
                   created_at=AT, created_by="key_1"),
        Prediction(id="prd_1", **OWNED, state="succeeded", task="classification",
                   model_id="mdl_1", reply={"finding": {"label": "grün", "score": 0.9}}),
        Audit(id=1, at=AT, workspace="default", key_id="key_1", action="createSweep",
              resource="swp_1", status=202, request_id="req_1"),
        Idempotency(workspace="default", route="createSweep", key="k", body_sha256="e" * 64,
                    status=202, location="/v1/sweeps/swp_1", reply={"id": "swp_1"}, created_at=AT),
        Heartbeat(worker="host:1", queues="io,predict", at=AT),
    ]  # fmt: skip


def fill(url: str) -> None:
    schema.upgrade(url=url)
    with Session(engine(url)) as session, session.begin():
        for row in rows():
            session.add(row)
            session.flush()
    engine(url).dispose()


def of_sqlite(folder: Path) -> str:
    fill(f"sqlite:///{folder / 'kept.db'}")
    connection = sqlite3.connect(folder / "kept.db")
    lines = [
        line for line in connection.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")
    ]
    connection.close()
    return "\n".join(lines).replace('INSERT INTO "', "INSERT INTO ").replace('" VALUES', " VALUES")


def of_postgresql() -> str:
    with servers.postgres() as server:
        name = server.create()
        fill(server.url(name))
        dump = [servers.PROGRAMS / "bin/pg_dump", "-h", server.folder, "-U", "postgres",
                "--inserts", "--no-owner", "--no-privileges", name]  # fmt: skip
        said = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    kept = [line for line in said.splitlines() if line and not line.startswith(SESSION)]
    return "\n".join(kept).replace("INSERT INTO public.", "INSERT INTO ")


def main() -> None:
    ASSETS.mkdir(exist_ok=True)
    revision = schema.head()
    with tempfile.TemporaryDirectory() as folder:
        (ASSETS / f"{revision}.sqlite.sql").write_text(of_sqlite(Path(folder)) + "\n")
    (ASSETS / f"{revision}.postgresql.sql").write_text(of_postgresql() + "\n")


if __name__ == "__main__":
    main()
