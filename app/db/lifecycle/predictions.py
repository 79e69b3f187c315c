"""A prediction's own wishes: to be stopped."""

from sqlalchemy.orm import Session

from app.db.lifecycle.changes import change, entered
from app.db.tables import Prediction, now


def cancel_prediction(session: Session, prediction_id: str) -> bool:
    """Asks a prediction to stop; True if it only waited and has ended now.

    One in a worker's hands ends when the worker sees the wish; one that has ended stays as it is.
    """
    asked = {"cancel_requested_at": now()}
    mine = (Prediction.id == prediction_id, Prediction.cancel_requested_at.is_(None))
    waits = (*mine, Prediction.state == "queued", Prediction.lease_owner.is_(None))
    if change(session, Prediction, waits, {**asked, "state": "cancelled", "upload": None}):
        entered(session, Prediction, prediction_id, "cancelled")
        return True
    change(session, Prediction, (*mine, Prediction.state == "running"), asked)
    return False
