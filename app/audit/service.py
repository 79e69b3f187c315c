"""The audit, read: rows are added where the work is done (app.deps.record, app.predictions)."""

from sqlalchemy import Select, select

from app.db.tables import Audit

ORDER = Audit.id


def query(
    workspace: str, key_id: str | None, action: str | None, resource: str | None
) -> Select[Audit]:
    """What was done in a workspace, by one key or to one resource where that is asked."""
    wanted = {Audit.key_id: key_id, Audit.action: action, Audit.resource: resource}
    where = [column == value for column, value in wanted.items() if value is not None]
    return select(Audit).where(Audit.workspace == workspace, *where)
