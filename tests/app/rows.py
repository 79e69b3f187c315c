"""Rows made by hand, as the worker would have left them: what the routes are tested on."""

from typing import Any

from app import ids
from app.db import lifecycle
from app.db.session import writing
from app.db.tables import Dataset, Finish, LedgerRow, Model, Run, Sweep
from app.storage import files
from models import measures
from models.findings import Labels, Measure

MAKER = "key_of_a_test"
CLASSES = {"benign": 40, "malignant": 30}


def dataset(workspace: str = "default", **changed: Any) -> str:
    """A ready data set of 70 cases, one subject each: 50 train, 10 validation, 10 test."""
    row_id = ids.new("ds")
    fields: dict[str, Any] = {
        "name": "ultrasound",
        "task": "classification",
        "positive": "malignant",
        "state": "ready",
        "upload": f"uploads/{row_id}",
        "upload_sha256": "a" * 64,
        "digest": "d" * 64,
        "pack": f"packs/{row_id}.zip",
        "layout": "class_folders",
        "counts": {"files": 71, "cases": 70, "subjects": 70, "excluded": 1},
        "classes": CLASSES,
        "splits": {"train": 50, "validation": 10, "test": 10},
        "problems": [{"file": "benign/x.png", "code": "too_small", "detail": "1 x 1 px"}],
        "warnings": [],
    }
    with writing() as session:
        session.add(
            Dataset(id=row_id, workspace=workspace, created_by=MAKER, **{**fields, **changed})
        )
        session.flush()
        session.add_all(ledger(row_id))
    return row_id


def ledger(dataset_id: str) -> list[LedgerRow]:
    """Its files: every seventh case is in validation, every seventh but one in test."""
    labels = [label for label, n in CLASSES.items() for _ in range(n)]
    parts = {0: "validation", 1: "test"}
    rows = [
        LedgerRow(
            dataset_id=dataset_id,
            position=k,
            file=f"{label}/{k}.png",
            fate="used",
            case_id=f"case_{k + 1:06d}",
            subject=f"subject-{k}",
            label=label,
            split=parts.get(k % 7, "train"),
        )
        for k, label in enumerate(labels)
    ]
    excluded = LedgerRow(
        dataset_id=dataset_id,
        position=len(rows),
        file="benign/x.png",
        fate="excluded",
        code="too_small",
        detail="1 x 1 px",
    )
    return [*rows, excluded]


def sweep(
    workspace: str = "default",
    dataset_id: str | None = None,
    states: tuple[str, ...] = ("succeeded", "running", "queued"),
    finish: str = "waiting",
    **changed: Any,
) -> tuple[str, list[str]]:
    """A sweep over depth:1, depth:2, ... with a run in each of `states`; its id and theirs."""
    sweep_id, of_it = ids.new("swp"), dataset_id or dataset(workspace)
    fields: dict[str, Any] = {
        "name": "how deep",
        "dataset_id": of_it,
        "task": "classification",
        "backbone": "tiny",
        "init": "imagenet",
        "policy": "exhaustive",
        "recipe": {"preset": "modern", "epochs": 10},
        "seeds": [0],
        "fractions": [1.0],
    }
    runs = []
    with writing() as session:
        session.add(
            Sweep(id=sweep_id, workspace=workspace, created_by=MAKER, **{**fields, **changed})
        )
        session.flush()
        session.add(Finish(id=sweep_id, state=finish))
        for position, state in enumerate(states):
            runs.append(ids.new("run"))
            session.add(_run(runs[-1], sweep_id, position, state))
        session.flush()
        lifecycle.emit(session, sweep_id, "sweep", {"state": "queued"})
    return sweep_id, runs


def _run(run_id: str, sweep_id: str, position: int, state: str) -> Run:
    done = state == "succeeded"
    return Run(
        id=run_id,
        sweep_id=sweep_id,
        position=position,
        arm=f"depth:{position + 1}",
        depth=position + 1,
        scratch=False,
        fraction=1.0,
        seed=0,
        state=state,
        plan=[{"layer": "head", "learning_rate": 0.003}],
        stop_reason="converged" if done else None,
        epochs_done=10 if done else 0,
        seconds=20.0 if done else 0.0,
        validation={"auc": {"value": 0.86, "low": 0.81, "high": 0.90}} if done else {},
        times={"queued": "2026-11-23T10:00:00+00:00"},
    )


def model(
    workspace: str = "default",
    run_id: str | None = None,
    sweep_id: str | None = None,
    without: tuple[str, ...] = (),
    **card: Any,
) -> str:
    """A registered model of two classes whose files hold a few known bytes."""
    row_id = ids.new("mdl")
    described: dict[str, Any] = {
        "task": "classification",
        "arm": "depth:2",
        "backbone": "tiny",
        "classes": ["benign", "malignant"],
        "positive": "malignant",
        "operating_points": [
            {"name": "fpr=0.10", "threshold": 0.4, "sensitivity": 0.9, "specificity": 0.9},
            {"name": "youden", "threshold": 0.6, "sensitivity": 0.8, "specificity": 0.95},
            {"name": "fpr=0.001", "threshold": None, "reason": "only 40 negatives"},
        ],
        "operating_point": "youden",
    }
    kept = {}
    for name in ("model.onnx", "weights.safetensors", "card.json"):
        if name not in without:
            stored = f"models/{row_id}/{name}"
            files().put_bytes(stored, b"0123456789")
            kept[name] = {"object": stored, "sha256": "e" * 64, "bytes": 10}
    described |= card
    with writing() as session:
        session.add(
            Model(
                id=row_id,
                workspace=workspace,
                created_by=MAKER,
                task=described["task"],
                sweep_id=sweep_id,
                run_id=run_id,
                digest="sha256:" + "e" * 64,
                card=described,
                files=kept,
            )
        )
    return row_id


def outputs(name: str, scores: list[tuple[float, float]]) -> str:
    """Stores measures of cases whose truth alternates benign, malignant."""
    rows = [
        Measure(f"case_{k + 1:06d}", f"subject-{k}", k % 2, pair)  # type: ignore[arg-type]
        for k, pair in enumerate(scores)
    ]
    files().put_bytes(name, measures.save(rows, Labels(("benign", "malignant"), "malignant")))
    return name
