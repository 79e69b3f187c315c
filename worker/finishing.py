"""The last act of a sweep in a lane: choose, open the test part, export, register, in one commit.

A registration is the same for a run that a person picked, without the choice and the test part.
"""

import hashlib
import shutil
from functools import partial
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import ids
from app.db import lifecycle
from app.db.session import reading
from app.db.tables import Dataset, EpochRow, Finish, Json, Model, Registration, Run, Sweep
from app.settings import settings
from app.storage import files
from models import measures as measure_files
from models.inference.predict import labels_of
from models.tuning import session as tuning
from worker.alive import Lease, patiently
from worker.leftovers import folder_for
from worker.training import Stages, pack_of, plain_json, spec_from, store, task_of


def finish(sweep_id: str, lease: Lease) -> None:
    """Ends the sweep with its recommendation; raises whatever stops it before."""
    with reading() as session:
        sweep = session.get_one(Sweep, sweep_id)
        dataset = session.get_one(Dataset, sweep.dataset_id)
        runs = lifecycle.runs_of(session, sweep_id)
        opened = test_openings(session, dataset)
        outcomes = lifecycle.outcomes(runs)
    measures = {
        run.id: measure_files.load(files().get_bytes(run.measures))[0]
        for run in runs
        if run.state == "succeeded" and run.measures is not None
    }
    out = folder_for("finishes", lease)
    try:
        finished = tuning.finish(
            pack_of(dataset, lease), task_of(sweep), outcomes, measures,
            partial(fetch, lease=lease),
            tuning.Room(out, settings().scratch, settings().cache_max_bytes),
            test_opened=opened + 1, tick=Stages(lease, sweep_id, None),
        )  # fmt: skip
        kept = keep(finished, lease)
        test = keep_test(finished, out, lease)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    choice = finished.choice
    if choice is None:
        raise RuntimeError("a finish without a choice")

    def record(session: Session) -> None:
        model_id = insert_model(session, ids.new("mdl"), sweep, choice.run_id, finished.card, kept)
        recommendation: Json = {
            **choice.record(), "model_id": model_id, "test": finished.card["test"],
        }  # fmt: skip
        if any(run.state == "cancelled" for run in runs):
            recommendation["partial"] = True
        # The sweep's row before its runs', as everywhere (lifecycle.changes.lock).
        plain = {"recommendation": plain_json(recommendation)}
        session.execute(update(Sweep).where(Sweep.id == sweep_id).values(**plain))
        values: Json = {"test_measures": test}
        session.execute(update(Run).where(Run.id == choice.run_id).values(**values))
        lifecycle.end(session, Finish, sweep_id, lease.attempt, "succeeded")

    patiently(record)


def register(registration_id: str, lease: Lease) -> None:
    """Makes the model that was asked for, under the id that was promised."""
    with reading() as session:
        wish = session.get_one(Registration, registration_id)
        sweep = session.get_one(Sweep, wish.sweep_id)
        dataset = session.get_one(Dataset, sweep.dataset_id)
    out = folder_for("finishes", lease)
    try:
        finished = tuning.complete(
            fetch(wish.run_id, lease), pack_of(dataset, lease),
            tuning.Room(out, settings().scratch, settings().cache_max_bytes),
            tick=Stages(lease, sweep.id, wish.run_id),
        )  # fmt: skip
        kept = keep(finished, lease)
    finally:
        shutil.rmtree(out, ignore_errors=True)

    def record(session: Session) -> None:
        # Ended first: should the answer to a commit get lost, the second try sees it is over.
        lifecycle.end(session, Registration, wish.id, lease.attempt, "succeeded")
        owned = Model(
            id=wish.id, workspace=wish.workspace, created_by=wish.created_by, task=sweep.task,
            sweep_id=sweep.id, run_id=wish.run_id, digest=digest_of(kept), card=finished.card,
            files=kept,
        )  # fmt: skip
        session.add(owned)

    patiently(record)


def test_openings(session: Session, dataset: Dataset) -> int:
    """How often the test part of these very data has been opened before, in any sweep."""
    query = (
        select(Sweep.recommendation)
        .join(Dataset, Dataset.id == Sweep.dataset_id)
        .where(Dataset.digest == dataset.digest, Sweep.recommendation.is_not(None))
    )
    return sum(1 for found in session.scalars(query) if found and found.get("test"))


def fetch(run_id: str, lease: Lease) -> tuning.FinishedRun:
    """A succeeded run with its weights, as the science wants it."""
    with reading() as session:
        run = session.get_one(Run, run_id)
        query = select(EpochRow).where(EpochRow.run_id == run_id).order_by(EpochRow.epoch)
        best = [row.epoch for row in session.scalars(query) if row.record.get("best")]
    if run.spec is None or run.weights is None:
        raise RuntimeError(f"run {run_id} succeeded without spec or weights")
    result = tuning.Result(
        freeze_proof=run.freeze_proof or {},
        trainable_parameters=run.trainable_parameters,
        seconds=run.seconds,
        stop_reason=run.stop_reason or "",
        best_epoch=best[-1] if best else run.epochs_done,
        validation={name: value["value"] for name, value in run.validation.items()},
    )
    return tuning.FinishedRun(spec_from(run.spec), files().local(run.weights, lease.tick), result)


def keep(finished: tuning.Finished, lease: Lease) -> Json:
    """Stores a model's files under the digests of their contents: name -> object, sha256, bytes."""
    kept: Json = {}
    for name, path in finished.files.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        start = "weights/" if name == "weights.safetensors" else "models/"
        end = "" if name == "weights.safetensors" else f"/{name}"
        kept[name] = {
            "object": store(path, start, lease.tick, end),
            "sha256": digest,
            "bytes": path.stat().st_size,
        }  # fmt: skip
    return kept


def keep_test(finished: tuning.Finished, out: Path, lease: Lease) -> str | None:
    """Stores the test outputs per case; None where the data set has no test part."""
    if finished.test is None:
        return None
    path = out / "test.json"
    path.write_bytes(measure_files.save(finished.test, labels_of(finished.card)))
    run_id = finished.choice.run_id if finished.choice else "none"
    return store(path, f"measures/{run_id}-test-", lease.tick)


def digest_of(kept: Json) -> str:
    return f"sha256:{kept['model.onnx']['sha256']}"


def insert_model(
    session: Session, model_id: str, sweep: Sweep, run_id: str, card: Json, kept: Json
) -> str:
    """The recommended model's id; a run that a person had registered before keeps its own."""
    known = session.scalars(select(Model).where(Model.run_id == run_id)).first()
    if known is not None:
        known.card, known.files, known.digest = card, kept, digest_of(kept)
        session.flush()
        return known.id
    session.add(
        Model(
            id=model_id, workspace=sweep.workspace, created_by=sweep.created_by, task=sweep.task,
            sweep_id=sweep.id, run_id=run_id, digest=digest_of(kept), card=card, files=kept,
        )
    )  # fmt: skip
    session.flush()
    return model_id
