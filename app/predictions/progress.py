"""How far long work is, told in its row: at most once a second, and never at the work's cost."""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from app.db import lifecycle
from app.db.session import writing
from app.db.tables import Json, Prediction

EVERY_S = 1.0

log = logging.getLogger(__name__)


class Progress:
    """The progress of one claim. LeaseLostError, and nothing written, once it is another's."""

    def __init__(self, prediction_id: str, attempt: int) -> None:
        self._mine = Prediction, prediction_id, attempt
        self._stage, self._told = "", float("-inf")

    def tell(self, stage: str, done: int, total: int | None = None) -> None:
        """`done` of `total` (None: nobody knows) in a stage; a new stage is told at once."""
        at = time.monotonic()
        if stage == self._stage and at - self._told < EVERY_S:
            return
        self._stage, self._told = stage, at
        progress: Json = {"stage": stage, "done": done, "total": total}
        try:
            with writing() as session:
                lifecycle.write(session, *self._mine, progress=progress)
        except SQLAlchemyError:
            log.warning("%s: the database does not answer; going on", self._mine[1])
