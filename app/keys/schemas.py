"""API keys as an admin sees them: the secret is shown once, when it is made."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.text import LINE

Role = Literal["viewer", "clinician", "researcher", "admin"]

KEY: dict[str, JsonValue] = {
    "id": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
    "state": "active",
    "name": "PACS bridge",
    "role": "clinician",
    "workspace": "default",
    "hint": "lt_9fQ2a",
    "created_at": "2026-11-23T09:00:00Z",
    "created_by": "key_01k9w0a1b2c3d4e5f6g7h8j9k0",
    "revoked_at": None,
}


class KeyRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "PACS bridge", "role": "clinician"}]},
    )
    name: str = Field(min_length=1, max_length=200, pattern=LINE)
    role: Role
    workspace: str | None = Field(
        None,
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        description="Default: that of the key that makes this one",
    )


class Key(BaseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [KEY]})

    id: str
    state: Literal["active", "revoked"]
    name: str
    role: Role
    workspace: str
    hint: str = Field(description="How the secret begins")
    created_at: datetime
    created_by: str | None = Field(None, description="Null for the key of the first start")
    revoked_at: datetime | None = None


class NewKey(Key):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**KEY, "key": "lt_9fQ2a…"}]},
    )
    key: str | None = Field(
        description="Shown this once; only its digest is kept. Null in a replayed reply"
    )


class KeyPage(BaseModel):
    items: list[Key]
    next_cursor: str | None = None
