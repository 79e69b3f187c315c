"""The audit, read: rows are added where the work is done (app.deps.record, app.predictions)."""

from dataclasses import asdict

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app.audit import schemas
from app.auth import OPERATOR, Caller
from app.db import chain
from app.db.tables import Audit
from app.errors import Forbidden

ORDER = Audit.id


def query(
    caller: Caller, key_id: str | None, action: str | None, resource: str | None
) -> Select[Audit]:
    """What was done in the caller's workspace, by one key or to one resource where that is asked.

    Strangers' keys belong to no workspace: the operator sees that they were refused.
    """
    own = Audit.workspace == caller.workspace
    seen = or_(own, Audit.workspace.is_(None)) if caller.workspace == OPERATOR else own
    wanted = {Audit.key_id: key_id, Audit.action: action, Audit.resource: resource}
    where = [column == value for column, value in wanted.items() if value is not None]
    return select(Audit).where(seen, *where)


def verify(session: Session, caller: Caller, head: str | None) -> schemas.Verification:
    """The chain is one for all workspaces, so it is the operator's to verify."""
    if caller.workspace != OPERATOR:
        raise Forbidden(f"the audit is verified as a whole, by an admin of {OPERATOR!r}")
    return schemas.Verification.model_validate(asdict(chain.verify(session, head)))
