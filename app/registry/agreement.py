"""The agreement of a model with people, as a picture: from the outputs of the run it came from."""

from typing import Literal

from sqlalchemy.orm import Session

from app.db.tables import Run
from app.errors import NotFound
from app.registry import service
from app.storage import Files
from models import discovery, measures, pictures
from models.findings import IntimaMediaFinding

Part = Literal["validation", "test"]


def outputs_of(
    session: Session, workspace: str, model_id: str, part: Part | None
) -> tuple[str, Part]:
    """The object with a model's outputs per case, and whose they are: the test part's, if they
    have been opened and no other is asked for. Raises NotFound: there are none, and why.
    """
    model = service.get(session, workspace, model_id)
    task = discovery.tasks().get(model.task)
    if task is None or task.finding is not IntimaMediaFinding:
        detail = f"model {model.id} is of {model.task}, which measures no thickness to agree on"
        raise NotFound(detail, code="no_agreement")
    run = None if model.run_id is None else session.get(Run, model.run_id)
    if run is None:
        detail = f"model {model.id} was made elsewhere: the outputs it was measured on are not here"
        raise NotFound(detail, code="no_predictions")
    wanted = part or ("validation" if run.test_measures is None else "test")
    name = run.test_measures if wanted == "test" else run.measures
    if name is None:
        detail = f"the {wanted} part has not been opened for run {run.id}: ask for part=validation"
        raise NotFound(detail, code="no_predictions")
    return name, wanted


def drawn(files: Files, outputs: str, part: Part, kind: Literal["svg", "png"]) -> bytes:
    found, _ = measures.load(files.get_bytes(outputs))
    return pictures.agreement_plot(found, part, kind)
