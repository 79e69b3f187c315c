"""Sweeps and runs as clients see them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.sweeps.asked import Fraction, Seed

SweepState = Literal["queued", "running", "pausing", "paused", "succeeded", "failed", "cancelled"]


class Estimate(BaseModel):
    """What a sweep would do; nothing of it has been stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dry_run": True,
                    "dataset_id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2",
                    "task": "classification",
                    "backbone": "efficientnet_lite0",
                    "arms": ["depth:1", "depth:3", "scratch"],
                    "seeds": [0, 1],
                    "fractions": [1.0],
                    "runs": 6,
                    "epochs": 60,
                    "estimated_seconds": 518.0,
                    "recipe": {"preset": "modern", "epochs": 10},
                }
            ]
        }
    )
    dry_run: Literal[True] = True
    dataset_id: str
    task: str
    backbone: str
    arms: list[str]
    seeds: list[Seed]
    fractions: list[Fraction]
    runs: int = Field(ge=1)
    epochs: int = Field(ge=1, description="Of all runs together, if none stops early")
    estimated_seconds: float = Field(ge=0, description="On one worker, if none stops early")
    recipe: dict[str, Any]


class Progress(BaseModel):
    runs_done: int = Field(ge=0)
    runs: int = Field(ge=0)
    epochs_done: int = Field(ge=0)
    epochs: int = Field(ge=0)
    eta_s: float | None = Field(
        None, ge=0, description="Null until the first epoch is done, and at rest"
    )


class RunSummary(BaseModel):
    """One arm of the sweep with one seed and one part of the training subjects."""

    id: str
    arm: str
    depth: int = Field(ge=1)
    scratch: bool
    fraction: Fraction
    seed: Seed
    state: str = Field(description="queued running succeeded failed cancelled skipped")
    stop_reason: str | None = None
    validation: dict[str, Any] = Field(description="Headline first; value, low, high")
    seconds: float = Field(ge=0)
    trainable_parameters: int = Field(ge=0)
    epochs_done: int = Field(ge=0)
    failure: dict[str, Any] | None = None


RUN: dict[str, JsonValue] = {
    "id": "run_01k9w3b4c5d6e7f8g9h0j1k2m3",
    "arm": "depth:1",
    "depth": 1,
    "scratch": False,
    "fraction": 1.0,
    "seed": 0,
    "state": "succeeded",
    "stop_reason": "converged",
    "validation": {"auc": {"value": 0.86, "low": 0.81, "high": 0.90}},
    "seconds": 9.1,
    "trainable_parameters": 3843,
    "epochs_done": 10,
    "failure": None,
}
SWEEP: dict[str, JsonValue] = {
    "id": "swp_01k9w3a4b5c6d7e8f9g0h1j2k3",
    "state": "running",
    "name": "How deep?",
    "task": "classification",
    "dataset_id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2",
    "backbone": "efficientnet_lite0",
    "init": "imagenet",
    "policy": "exhaustive",
    "arms": ["depth:1", "depth:2", "scratch"],
    "recipe": {"preset": "modern", "epochs": 10, "batch_size": 32},
    "seeds": [0],
    "fractions": [1.0],
    "budget_minutes": None,
    "progress": {"runs_done": 1, "runs": 3, "epochs_done": 11, "epochs": 30, "eta_s": 412.0},
    "runs": [RUN],
    "recommendation": None,
    "failure": None,
    "created_at": "2026-11-23T10:05:00Z",
    "created_by": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
}


class Sweep(BaseModel):
    """A tuning request, how far it is, and what it recommends."""

    model_config = ConfigDict(json_schema_extra={"examples": [SWEEP]})

    id: str
    state: SweepState
    name: str
    task: str
    dataset_id: str
    backbone: str
    init: str
    policy: str
    arms: list[str] = Field(description="Normalised: shallow to deep, scratch last")
    recipe: dict[str, Any]
    seeds: list[Seed]
    fractions: list[Fraction]
    budget_minutes: float | None = Field(gt=0)
    progress: Progress
    runs: list[RunSummary]
    recommendation: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    created_at: datetime
    created_by: str


class SweepPage(BaseModel):
    items: list[Sweep]
    next_cursor: str | None = None


class LayerRate(BaseModel):
    layer: str
    learning_rate: float = Field(ge=0, description="0 = frozen")


class EpochRecord(BaseModel):
    model_config = ConfigDict(extra="allow")
    epoch: int = Field(ge=0)
    at: datetime


class Run(RunSummary):
    """Everything that is known of one run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **RUN,
                    "sweep_id": SWEEP["id"],
                    "plan": [{"layer": "classifier", "learning_rate": 0.003}],
                    "spec": {"seed": 0, "arm": "depth:1"},
                    "attempt": 1,
                    "times": {"queued": "2026-11-23T10:05:00+00:00"},
                    "epochs": [
                        {
                            "epoch": 1,
                            "at": "2026-11-23T10:06:00Z",
                            "loss": 0.61,
                            "validation": {"auc": 0.83},
                        }
                    ],
                    "freeze_proof": {"frozen_unchanged": True},
                }
            ]
        }
    )
    sweep_id: str
    plan: list[LayerRate]
    spec: dict[str, Any] | None
    attempt: int = Field(ge=0)
    times: dict[str, datetime]
    epochs: list[EpochRecord]
    freeze_proof: dict[str, Any] | None


class Event(BaseModel):
    """What happened in a sweep; `id` grows, and is the Last-Event-ID of the stream."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 41,
                    "at": "2026-11-23T10:06:00Z",
                    "kind": "run",
                    "run_id": "run_01k9w3b4c5d6e7f8g9h0j1k2m3",
                    "data": {"arm": "depth:1", "state": "running", "attempt": 1},
                }
            ]
        },
    )
    id: int = Field(ge=0)
    at: datetime
    kind: str = Field(description="sweep, run, epoch or stage")
    run_id: str | None
    data: dict[str, Any]
