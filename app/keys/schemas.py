"""API keys as an admin sees them: the secret is shown once, when it is made."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from app.text import LINE

Role = Literal["viewer", "clinician", "researcher", "admin"]
GRACE_S = 86_400
GRACE_MAX_S = 30 * 86_400
RATE_MAX = 1_000_000
UPLOAD_MAX_BYTES = 2**50


def _to_come(at: datetime) -> datetime:
    if at <= datetime.now(UTC):
        raise ValueError("this moment is past")
    return at.astimezone(UTC)


End = Annotated[AwareDatetime, AfterValidator(_to_come)]

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
    "expires_at": "2027-11-23T09:00:00Z",
    "rotated_at": None,
    "last_used_at": "2026-11-24T08:12:30Z",
    "rate_per_s": None,
    "upload_max_bytes": 104857600,
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
    expires_at: End | None = Field(None, description="When it ends by itself; null: never")
    rate_per_s: float | None = Field(
        None, gt=0, le=RATE_MAX, description="Its own limit, at most the service's"
    )
    upload_max_bytes: int | None = Field(
        None, gt=0, le=UPLOAD_MAX_BYTES, description="Largest body it may send; null: the route's"
    )


class RotationRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"grace_s": 3600}]})
    grace_s: float = Field(
        GRACE_S,
        ge=0,
        le=GRACE_MAX_S,
        description="How long the old secret opens the key beside the new one; 0: it ends at once",
    )
    expires_at: End | None = Field(None, description="A new end of the key; null: the one it has")


class Key(BaseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [KEY]})

    id: str
    state: Literal["active", "revoked", "expired"]
    name: str
    role: Role
    workspace: str
    hint: str = Field(description="How the secret begins")
    created_at: datetime
    created_by: str | None = Field(None, description="Null for the key of the first start")
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    rotated_at: datetime | None = Field(None, description="When it got its present secret")
    last_used_at: datetime | None = Field(None, description="To about half a minute")
    rate_per_s: float | None = Field(None, gt=0)
    upload_max_bytes: int | None = Field(None, gt=0)


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
