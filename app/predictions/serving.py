"""Who answers a prediction: the deployment or model asked for, resolved once a second at most."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.db.tables import Model
from app.errors import Conflict, Unprocessable
from app.predictions.options import Options
from app.registry import deployments as registry
from app.storage import files
from models.findings import OperatingPoint
from models.inference.predict import PointError, choose_point, point_of
from models.inference.runtime import Network, Warm, load

REMEMBERED_S = 1.0  # another process's change of a deployment is seen after so long
REMEMBERED_MAX = 1000
ONNX = "model.onnx"

warm = Warm(capacity=4)


@dataclass(frozen=True)
class Serving:
    """A model and the operating point that answers with it unless the caller names another."""

    model_id: str
    digest: str  # sha256:… of model.onnx
    object_name: str
    card: dict[str, Any]
    point: OperatingPoint | None

    def network(self) -> Network:
        """The network, warm or loaded now (about 0.3 s). For a thread, not the event loop."""
        return warm.get(self.digest, self._load)

    def _load(self) -> Network:
        allowed = (self.card.get("serving") or {}).get("bf16") is True
        return load(files().local(self.object_name), bf16=allowed)

    def point_for(self, wanted: str | None) -> OperatingPoint | None:
        """The caller's operating point, or the deployment's. Raises Unprocessable."""
        if wanted is None:
            return self.point
        try:
            return choose_point(self.card, wanted)
        except PointError as error:
            error_of = {"pointer": "#/operating_point", "detail": str(error)}
            raise Unprocessable("unknown_operating_point", str(error), [error_of]) from error


class Resolved:
    """Answers of the registry, kept for a second unless a deployment changed in this process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, ...], tuple[float, int, Serving]] = {}

    def recall(self, workspace: str, task: str, options: Options) -> Serving | None:
        """From memory alone, for the event loop; None means that the database has to be asked."""
        kept = self._kept.get((workspace, task, options.deployment, options.model_id))
        if kept is None or kept[0] < time.monotonic() or kept[1] != _changes(workspace):
            return None
        return kept[2]

    def look_up(self, session: Session, workspace: str, task: str, options: Options) -> Serving:
        """From the database. Raises a Problem where nothing is deployed or the model is unknown."""
        changes = _changes(workspace)  # read before the rows: a change meanwhile is not missed
        model, point = registry.resolve(
            session, workspace, task, options.deployment, options.model_id
        )
        found = serving(model, point)
        if len(self._kept) >= REMEMBERED_MAX:
            self._kept.clear()
        key = (workspace, task, options.deployment, options.model_id)
        self._kept[key] = (time.monotonic() + REMEMBERED_S, changes, found)
        return found

    def forget(self) -> None:
        self._kept.clear()


def _changes(workspace: str) -> int:
    return registry.changed_at.get(workspace, 0)


def serving(model: Model, point: OperatingPoint | dict[str, Any] | None) -> Serving:
    """Raises Conflict for a model without a network, such as one imported by its weights alone, and
    for one deployed before an upgrade after which it would answer otherwise than it was measured.
    """
    if ONNX not in model.files:
        detail = f"model {model.id} has no {ONNX}, so it cannot answer; deploy one that has"
        raise Conflict("model_not_servable", detail)
    for why in registry.outgrown(model):
        raise Conflict("model_not_servable", why)
    chosen = point_of(point) if isinstance(point, dict) else point
    name = model.files[ONNX]["object"]
    return Serving(model.id, model.digest, name, dict(model.card), chosen)


resolved = Resolved()
