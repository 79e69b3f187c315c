"""The audit as an admin sees it: who did what to which resource, and when."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

HASH = "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"


class AuditEntry(BaseModel):
    """One change, or one prediction. What was read only is not kept."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 112,
                    "at": "2026-11-23T11:00:00Z",
                    "key_id": "key_01k9w2x3y4z5a6b7c8d9e0f1g2",
                    "action": "put_deployment",
                    "resource": "classification",
                    "status": 200,
                    "request_id": "req_01k9f3zj6v8x2m4n7q0r5s1t2w",
                    "hash": HASH,
                }
            ]
        },
    )
    id: int = Field(ge=0, description="Grows with time")
    at: datetime
    key_id: str | None
    action: str = Field(
        description="The operationId that was called; or `key_first_used`, `key_refused`"
    )
    resource: str | None = Field(description="What it was done to")
    status: int = Field(ge=100, le=599)
    request_id: str
    hash: str = Field(description="SHA-256 over the hash of the row before it and this content")


class Verification(BaseModel):
    """Whether each row of the whole audit still follows the one before it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"intact": True, "rows": 112, "head": HASH, "first_broken": None, "found": None}
            ]
        },
    )
    intact: bool
    rows: int = Field(ge=0, description="Rows in order, up to the first that is not")
    head: str = Field(
        description="Hash of the last of them: note it elsewhere, and give it as `head` later"
    )
    first_broken: int | None = Field(
        None, ge=0, description="The first row that was changed, or before which one is missing"
    )
    found: bool | None = Field(
        None, description="Whether the `head` that was given is still there; null: none was"
    )


class AuditPage(BaseModel):
    items: list[AuditEntry]
    next_cursor: str | None = None
