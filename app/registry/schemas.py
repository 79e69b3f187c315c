"""Models and deployments as clients see them."""

import sys
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from app.text import LINE

POINT: dict[str, JsonValue] = {
    "name": "fpr=0.10",
    "threshold": 0.41,
    "sensitivity": 0.92,
    "specificity": 0.9,
    "low": 0.85,
    "high": 0.97,
}
MODEL: dict[str, JsonValue] = {
    "id": "mdl_01k9w5a6b7c8d9e0f1g2h3j4k5",
    "state": "registered",
    "task": "classification",
    "sweep_id": "swp_01k9w3a4b5c6d7e8f9g0h1j2k3",
    "run_id": "run_01k9w3b4c5d6e7f8g9h0j1k2m3",
    "digest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "files": {
        "model.onnx": {
            "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "bytes": 13650432,
            "href": "/v1/models/mdl_01k9w5a6b7c8d9e0f1g2h3j4k5/files/model.onnx",
        }
    },
    "failure": None,
    "created_at": "2026-11-23T10:30:00Z",
    "created_by": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
    "arm": "depth:6",
    "backbone": "efficientnet_lite0",
    "classes": ["benign", "malignant", "normal"],
    "operating_points": [],
}


class ModelFile(BaseModel):
    sha256: str = Field(description="Hex")
    bytes: int = Field(ge=0)
    href: str


class Model(BaseModel):
    """A model: what it is, where its files are, and its card, whose fields stand beside these.

    `registered` is a model that stands; `queued`, `running` and `failed` are those of one that
    was asked for by its run and is still to be exported.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [MODEL]})

    id: str
    state: Literal["registered", "queued", "running", "failed"]
    task: str
    sweep_id: str | None
    run_id: str | None
    digest: str | None = Field(description="sha256:… of model.onnx")
    files: dict[str, ModelFile]
    failure: dict[str, Any] | None = None
    created_at: datetime
    created_by: str


class ModelPage(BaseModel):
    items: list[Model]
    next_cursor: str | None = None


class Registration(BaseModel):
    """Register another run of a sweep than the one it recommends."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"run_id": MODEL["run_id"]}]}
    )
    run_id: str = Field(min_length=1, max_length=64, pattern=LINE)


REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": Registration.model_json_schema(),
                "example": {"run_id": MODEL["run_id"]},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["bundle"],
                    "properties": {
                        "bundle": {
                            "type": "string",
                            "format": "binary",
                            "contentMediaType": "application/zip",
                            "description": "A zip of model.onnx, card.json and, if the model is to "
                            "be tuned further, weights.safetensors",
                        }
                    },
                }
            },
        },
    }
}


POINT_NAME_MAX = 128
POINT_ASKED: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "maxLength": POINT_NAME_MAX},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "null"},
    ],
    "description": "A point of the model's card by name, or a threshold; default: the card's",
    "examples": ["fpr=0.10", 0.41],
}


def _point(given: object) -> object:
    """One sentence for what is neither: a union would name its parts in the pointer."""
    if given is None or (isinstance(given, str) and len(given) <= POINT_NAME_MAX):
        return given
    # No truth value; neither NaN nor an int that no float can hold.
    if type(given) in (int, float) and abs(cast("float", given)) < sys.float_info.max:
        return given
    raise ValueError(f"a name of at most {POINT_NAME_MAX} characters, or a number")


class DeploymentRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"model_id": MODEL["id"], "operating_point": "fpr=0.10"}]},
    )
    model_id: str = Field(min_length=1, max_length=64, pattern=LINE)
    operating_point: Annotated[
        str | float | None, BeforeValidator(_point), WithJsonSchema(POINT_ASKED)
    ] = None


class Version(BaseModel):
    """One entry of a deployment's history."""

    version: int = Field(ge=1)
    model_id: str
    operating_point: dict[str, Any] | None
    created_at: datetime
    created_by: str


DEPLOYMENT: dict[str, JsonValue] = {
    "id": "classification",
    "name": "classification",
    "state": "deployed",
    "task": "classification",
    "version": 2,
    "model_id": MODEL["id"],
    "operating_point": POINT,
    "created_at": "2026-11-23T11:00:00Z",
    "created_by": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
    "history": [],
}


class Deployment(Version):
    """A name that predictions are asked of, and the model that answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [DEPLOYMENT]})

    id: str = Field(description="The name")
    name: str
    state: Literal["deployed"] = "deployed"
    task: str
    history: list[Version] = Field(description="Newest first, the present one included")


class DeploymentPage(BaseModel):
    items: list[Deployment]
    next_cursor: str | None = None
