"""The records. One class per noun; every row with work to do carries the same lease columns."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Json = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


# For rows without end; SQLite numbers by itself only what it calls INTEGER (64 bits there).
Serial = BigInteger().with_variant(Integer, "sqlite")

# Every constraint has a name, the same on each database, so that a migration can speak of it.
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - read once by SQLAlchemy, as its documentation has it
        datetime: Utc,
        Json: JSON,
        list[Any]: JSON,
    }


class Owned:
    """Made by a key, seen only inside its workspace."""

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str]


class Leased:
    """Work that a process claims, keeps by making progress, and may lose (app.db.lifecycle).

    attempt is the fencing number: a write that carries an older one touches no row. losses counts
    attempts lost at the same checkpoint while their worker lived; lost_workers those whose
    worker or machine vanished.
    """

    state: Mapped[str] = mapped_column(index=True)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    losses: Mapped[int] = mapped_column(default=0)
    lost_workers: Mapped[int] = mapped_column(default=0)
    failure: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    times: Mapped[Json] = mapped_column(default=dict)  # state -> when it was entered, RFC 3339


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
    """state: queued -> running -> succeeded | failed; a synchronous one is stored as succeeded."""

    __tablename__ = "predictions"
    task: Mapped[str]
    model_id: Mapped[str]
    upload: Mapped[str | None]  # object name of the input, removed once answered
    options: Mapped[Json] = mapped_column(default=dict)
    reply: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))  # the whole envelope


class Audit(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now)
    workspace: Mapped[str | None] = mapped_column(index=True)
    key_id: Mapped[str | None]
    action: Mapped[str]
    resource: Mapped[str | None]
    status: Mapped[int]
    request_id: Mapped[str]


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


class Heartbeat(Base):
    """A worker's word that it lives; readiness is read from here, not from the broker."""

    __tablename__ = "heartbeats"
    worker: Mapped[str] = mapped_column(primary_key=True)
    queues: Mapped[str]  # comma-separated
    at: Mapped[datetime]
    facts: Mapped[Json] = mapped_column(default=dict)
