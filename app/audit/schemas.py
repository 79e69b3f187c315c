"""The audit as an admin sees it: who did what to which resource, and when."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


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
                }
            ]
        },
    )
    id: int = Field(ge=0, description="Grows with time")
    at: datetime
    key_id: str | None
    action: str = Field(description="The operationId that was called")
    resource: str | None = Field(description="What it was done to")
    status: int = Field(ge=100, le=599)
    request_id: str


class AuditPage(BaseModel):
    items: list[AuditEntry]
    next_cursor: str | None = None
