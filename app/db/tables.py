"""The records. One class per noun; every row with work to do carries the same lease columns."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, Json, Leased, Owned, Serial, now

__all__ = [
    "Audit", "Base", "Dataset", "Deployment", "Discarded", "EpochRow", "Event", "Finish",
    "Heartbeat", "Idempotency", "Json", "Key", "LedgerRow", "Model", "Prediction", "Registration",
    "RetiredSecret", "Run", "Sweep", "now",
]  # fmt: skip


class Key(Base):
    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the secret, hex
    hint: Mapped[str]  # first characters of the secret, to recognise it by
    name: Mapped[str]
    role: Mapped[str]
    workspace: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str | None]  # None: made at first start, by nobody's key
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    rotated_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # written now and then, not with every request
    rate_per_s: Mapped[float | None]  # None: the service's limit
    upload_max_bytes: Mapped[int | None] = mapped_column(BigInteger)  # None: the route's limit


class RetiredSecret(Base):
    """A secret that a rotation replaced: it opens the key until its time is over. It is kept after
    that, so that it is known for what it was and is never taken for a new one.
    """

    __tablename__ = "retired_secrets"
    digest: Mapped[str] = mapped_column(primary_key=True)  # SHA-256, hex
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    until: Mapped[datetime]


class Dataset(Owned, Leased, Base):
    """state: checking -> ready | rejected."""

    __tablename__ = "datasets"
    name: Mapped[str]
    task: Mapped[str]
    positive: Mapped[str | None]
    upload: Mapped[str]  # object name of the archive as it came; removed once packed
    upload_sha256: Mapped[str]
    digest: Mapped[str | None]
    pack: Mapped[str | None]  # object name
    layout: Mapped[str | None]
    counts: Mapped[Json] = mapped_column(default=dict)
    classes: Mapped[Json] = mapped_column(default=dict)
    splits: Mapped[Json] = mapped_column(default=dict)
    problems: Mapped[list[Any]] = mapped_column(default=list)
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    erased_at: Mapped[datetime | None]  # when a subject, or all of it, was erased last


class LedgerRow(Base):
    """The fate of one uploaded file."""

    __tablename__ = "ledger"
    dataset_id: Mapped[str] = mapped_column(
        ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]
    fate: Mapped[str]  # used, excluded, unreadable, ignored
    code: Mapped[str | None]
    detail: Mapped[str | None]
    case_id: Mapped[str | None] = mapped_column(index=True)
    subject: Mapped[str | None]
    label: Mapped[str | None]
    split: Mapped[str | None]


class Sweep(Owned, Base):
    """One tuning request. Its state is computed from its rows (lifecycle.sweep_state)."""

    __tablename__ = "sweeps"
    name: Mapped[str]
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    task: Mapped[str]
    backbone: Mapped[str]
    init: Mapped[str]
    policy: Mapped[str]
    recipe: Mapped[Json]
    seeds: Mapped[list[Any]]
    fractions: Mapped[list[Any]]
    budget_minutes: Mapped[float | None]
    paused_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    recommendation: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class Finish(Leased, Base):
    """The last act of a sweep, claimed like a run: choose, open the test part, export, register.

    state: waiting (runs left) -> queued -> running -> succeeded | failed | cancelled.
    """

    __tablename__ = "finishes"
    id: Mapped[str] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True)


class Run(Leased, Base):
    """One arm, seed and fraction.

    state: queued -> running -> succeeded | failed | cancelled; or skipped, by the sweep's policy.
    """

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(primary_key=True)
    sweep_id: Mapped[str] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    arm: Mapped[str]
    depth: Mapped[int]
    scratch: Mapped[bool]
    fraction: Mapped[float]
    seed: Mapped[int]
    spec: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    plan: Mapped[list[Any]] = mapped_column(default=list)  # [{"layer", "learning_rate"}]
    stop_reason: Mapped[str | None]
    epochs_done: Mapped[int] = mapped_column(default=0)
    validation: Mapped[Json] = mapped_column(default=dict)
    seconds: Mapped[float] = mapped_column(default=0.0)
    trainable_parameters: Mapped[int] = mapped_column(default=0)
    freeze_proof: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    checkpoint: Mapped[str | None]  # object name, fenced
    weights: Mapped[str | None]  # object name of the final safetensors
    measures: Mapped[str | None]  # object name: validation outputs per case
    test_measures: Mapped[str | None]
    __table_args__ = (UniqueConstraint("sweep_id", "position"),)


class EpochRow(Base):
    __tablename__ = "epochs"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    record: Mapped[Json]  # {"loss", "validation": {...}, "learning_rate", "seconds"}
    at: Mapped[datetime] = mapped_column(default=now)


class Event(Base):
    """What happened in a sweep, in order; `id` is the Last-Event-ID of its stream."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    sweep_id: Mapped[str] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"))
    run_id: Mapped[str | None]
    kind: Mapped[str]  # sweep, run, epoch, stage
    data: Mapped[Json]
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (Index("ix_events_sweep", "sweep_id", "id"),)


class Model(Owned, Base):
    __tablename__ = "models"
    task: Mapped[str]
    sweep_id: Mapped[str | None] = mapped_column(index=True)
    run_id: Mapped[str | None]
    digest: Mapped[str]  # sha256:… of model.onnx
    card: Mapped[Json]
    files: Mapped[Json]  # name -> {"object", "sha256", "bytes"}
    __table_args__ = (UniqueConstraint("run_id"),)


class Registration(Owned, Leased, Base):
    """A wish to make a model of a run that was not chosen; its lane exports it like a finish.

    The id is the id the model will have. state: queued -> running -> succeeded | failed.
    """

    __tablename__ = "registrations"
    sweep_id: Mapped[str] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[str] = mapped_column(unique=True)


class Deployment(Base):
    """One row per change; the newest `version` of a name is what answers."""

    __tablename__ = "deployments"
    workspace: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    operating_point: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str]


class Prediction(Owned, Leased, Base):
    """state: queued -> running -> succeeded | failed | cancelled; one image that was answered at
    once is stored as succeeded.
    """

    __tablename__ = "predictions"
    task: Mapped[str]
    model_id: Mapped[str]
    upload: Mapped[str | None]  # object name of the input, removed once answered
    options: Mapped[Json] = mapped_column(default=dict)
    # Of a video or a volume, long work: it has a process of its own, one at a time.
    long: Mapped[bool] = mapped_column("video", default=False)
    cancel_requested_at: Mapped[datetime | None]
    progress: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))  # {stage, done, total}
    reply: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))  # the whole envelope
    outputs: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))  # as a model's files


class Audit(Base):
    """What was done by whom. Each row is bound to the one before it (app.db.chain)."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now)
    workspace: Mapped[str | None] = mapped_column(index=True)
    key_id: Mapped[str | None]
    action: Mapped[str]
    resource: Mapped[str | None]
    status: Mapped[int]
    request_id: Mapped[str]
    hash: Mapped[str]  # SHA-256, hex; app.db.chain fills it in


class Idempotency(Base):
    """A reply kept to be given again to the same key and body."""

    __tablename__ = "idempotency"
    workspace: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    status: Mapped[int]
    location: Mapped[str | None]
    reply: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Discarded(Base):
    """An object to be deleted, noted with the change that took its last row away: whoever is killed
    between the two leaves nothing behind (app.discarded).
    """

    __tablename__ = "discarded"
    name: Mapped[str] = mapped_column(primary_key=True)  # of the object
    at: Mapped[datetime] = mapped_column(default=now)


class Heartbeat(Base):
    """A worker's word that it lives; readiness is read from here, not from the broker."""

    __tablename__ = "heartbeats"
    worker: Mapped[str] = mapped_column(primary_key=True)
    queues: Mapped[str]  # comma-separated
    at: Mapped[datetime]
    facts: Mapped[Json] = mapped_column(default=dict)
