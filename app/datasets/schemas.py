"""Data sets as clients see them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt

from app.text import LINE

Fate = Literal["used", "excluded", "unreadable", "ignored"]


class Counts(BaseModel):
    files: int = Field(0, ge=0, description="Files in the archive")
    cases: int = Field(0, ge=0, description="Cases that became part of the data set")
    subjects: int = Field(0, ge=0, description="Persons or videos they belong to")
    excluded: int = Field(0, ge=0, description="Files left out, each with a reason in the ledger")


class Splits(BaseModel):
    train: int = Field(0, ge=0)
    validation: int = Field(0, ge=0)
    test: int = Field(0, ge=0)


class FileProblem(BaseModel):
    """Something about one file, or about the whole where `file` is null."""

    model_config = ConfigDict(extra="allow")
    file: str | None = None
    code: str
    detail: str


EXAMPLE: dict[str, JsonValue] = {
    "id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2",
    "name": "Breast ultrasound, spring",
    "task": "classification",
    "state": "ready",
    "positive": "malignant",
    "digest": "9f2c1d5c0f6c2c8a7b1d3e4f5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7",
    "layout": "class_folders",
    "upload_sha256": "4a1f0c3e5d7b9a2c4e6f8091a3b5c7d9ebfd0f1e2d3c4b5a69788796a5b4c3d2",
    "counts": {"files": 549, "cases": 548, "subjects": 531, "excluded": 1},
    "classes": {"benign": 329, "malignant": 139, "normal": 80},
    "splits": {"train": 384, "validation": 82, "test": 82},
    "problems": [
        {"file": "benign/12.png", "code": "too_small", "detail": "4 x 4 px; 8 are needed"}
    ],
    "warnings": [{"code": "near_duplicates", "detail": "7 pairs across train and test"}],
    "failure": None,
    "deidentification": None,
    "created_at": "2026-11-23T10:00:00Z",
    "created_by": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
}


class Dataset(BaseModel):
    """A data set and what its check found."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str
    name: str
    task: str
    state: Literal["checking", "ready", "rejected"]
    positive: str | None = Field(None, description="The positive class of a binary task")
    digest: str | None = Field(None, description="SHA-256 of the pack; the version of the data")
    layout: str | None = Field(None, description="The upload layout that was recognised")
    upload_sha256: str = Field(description="SHA-256 of the archive as it was received")
    counts: Counts
    classes: dict[str, NonNegativeInt] = Field(description="Cases per class")
    splits: Splits = Field(description="Cases per part")
    problems: list[FileProblem] = Field(
        description="Why files were left out, or why all was rejected"
    )
    warnings: list[dict[str, Any]] = Field(description="What does not hinder, but should be known")
    failure: dict[str, Any] | None = Field(None, description="Why the check itself could not end")
    deidentification: dict[str, Any] | None = Field(
        None,
        description="Of volumes: the DICOM elements (0012,0062), (0012,0063) and (0012,0064) for "
        "what the pack keeps; the identity counts as removed unless text may be burned in",
    )
    created_at: datetime
    created_by: str


class DatasetPage(BaseModel):
    items: list[Dataset]
    next_cursor: str | None = None


class Erasure(BaseModel):
    """What was erased, and what was made with it before. The subject is called by a keyed hash, as
    in the audit.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": "5f0c8d1be2a94c37",
                    "dataset_id": "ds_01k9w2x3y4z5a6b7c8d9e0f1g2",
                    "files": 4,
                    "cases": 4,
                    "parts": ["train"],
                    "digest_before": EXAMPLE["digest"],
                    "digest": "1b7e…",
                    "runs": [],
                    "models": ["mdl_01k9w4x3y4z5a6b7c8d9e0f1g2"],
                    "also_in": [],
                }
            ]
        }
    )
    subject: str = Field(description="Keyed hash of its name")
    dataset_id: str
    files: int = Field(ge=0, description="Uploaded files whose ledger lines are gone")
    cases: int = Field(ge=0, description="Cases that are gone from the pack")
    parts: list[Literal["train", "validation", "test"]] = Field(
        description="Where they were: a model learnt from `train` only"
    )
    digest_before: str | None
    digest: str | None = Field(description="The version of the data without the subject")
    runs: list[str] = Field(description="Runs from whose outputs its cases were taken")
    models: list[str] = Field(
        description="Models tuned on the data set before, or continued from one that was: they "
        "are not changed; delete or tune them anew if that is what was promised"
    )
    also_in: list[str] = Field(description="Data sets that have a subject of this name as well")


class LedgerEntry(BaseModel):
    """The fate of one uploaded file."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "file": "malignant/case-7.png",
                    "fate": "used",
                    "code": None,
                    "detail": None,
                    "case_id": "case_000007",
                    "subject": "case-7",
                    "label": "malignant",
                    "split": "train",
                }
            ]
        },
    )
    file: str
    fate: Fate
    code: str | None
    detail: str | None
    case_id: str | None
    subject: str | None
    label: str | None
    split: str | None


class LedgerPage(BaseModel):
    items: list[LedgerEntry]
    next_cursor: str | None = None


class Upload(BaseModel):
    """The form's fields, beside the `archive` itself."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(max_length=64)
    name: str = Field(min_length=1, max_length=200, pattern=LINE)
    sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$")
    positive: str | None = Field(None, min_length=1, max_length=200, pattern=LINE)


FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["archive", "task", "name"],
                    "properties": {
                        "archive": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "format": "binary",
                            "description": "zip, tar, tar.gz, tar.zst in one of the task's layouts",
                        },
                        "task": {
                            "type": "string",
                            "maxLength": 64,
                            "examples": ["classification"],
                        },
                        "name": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 200,
                            "pattern": LINE,
                            "examples": ["Breast ultrasound, spring"],
                        },
                        "sha256": {
                            "type": "string",
                            "pattern": "^([0-9a-fA-F]{64})?$",
                            "description": "Digest of the archive; compared when given",
                        },
                        "positive": {
                            "type": "string",
                            "maxLength": 200,
                            "pattern": LINE,
                            "description": "The positive class of a binary task",
                            "examples": ["malignant"],
                        },
                    },
                },
                "example": {
                    "task": "classification",
                    "name": "Breast ultrasound, spring",
                    "positive": "malignant",
                },
            }
        },
    }
}
