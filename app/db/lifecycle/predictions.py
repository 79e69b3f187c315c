"""A prediction's own wishes: to be stopped."""

from sqlalchemy.orm import Session

from app.db.clock import clock
from app.db.lifecycle.changes import change, entered
from app.db.tables import Prediction


def cancel_prediction(session: Session, prediction_id: str) -> bool:
    """Asks a prediction to stop; True if it only waited and has ended now.

    One in a worker's hands ends when the worker sees the wish; one that has ended stays as it is.
    """
    mine = Prediction.id == prediction_id
    goes_on = (
        Prediction.state.in_(("queued", "running")),
        Prediction.cancel_requested_at.is_(None),
    )
    # The wish first: with it the row is locked, and cannot be given back between the two changes.
    change(session, Prediction, (mine, *goes_on), {"cancel_requested_at": clock(session)})
    waits = (mine, Prediction.state == "queued", Prediction.lease_owner.is_(None))
    ended = change(session, Prediction, waits, {"state": "cancelled", "upload": None})
    if ended:
        entered(session, Prediction, prediction_id, "cancelled")
    return ended
