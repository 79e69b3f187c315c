"""What is taken away from a sweep: the plot of its depths, the outputs of a run as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

from app.db.tables import Run
from app.errors import Conflict
from app.storage import Files
from app.sweeps import schemas
from models import discovery, measures, pictures
from models.findings import Labels, Measure
from models.task import Task


def plot(sweep: schemas.Sweep, kind: Literal["svg", "png"]) -> bytes:
    """The headline against depth, of a sweep as clients see it; finished or not."""
    runs = [run.model_dump() for run in sweep.runs]
    task = discovery.tasks()[sweep.task]
    return pictures.sweep_plot(
        runs, sweep.recommendation, task.headline, kind, volumes=task.volumes
    )


def parts(run: Run, files: Files) -> list[tuple[str, list[Measure], Labels]]:
    """The outputs per part: validation, and test once it has been opened for this run."""
    if run.measures is None:
        raise Conflict(
            "no_predictions",
            f"run {run.id} is {run.state}: it has no predictions",
            retryable=run.state in ("queued", "running"),
        )
    names = [("validation", run.measures), ("test", run.test_measures)]
    return [
        (part, *measures.load(files.get_bytes(name))) for part, name in names if name is not None
    ]


def table(
    run_id: str, task: Task, found: Iterable[tuple[str, list[Measure], Labels]]
) -> Iterator[bytes]:
    """CSV lines: run_id, case, subject, part, then the columns of the task's own rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    head = False
    for part, measured, labels in found:
        for measure in measured:
            for row in task.rows(measure, labels):
                if not head:
                    writer.writerow(["run_id", "case", "subject", "part", *row])
                    head = True
                values = [f"{v:.9g}" if isinstance(v, float) else v for v in row.values()]
                writer.writerow([run_id, measure.case_id, measure.subject, part, *values])
            if buffer.tell() > 1 << 16:
                yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    content = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return content
