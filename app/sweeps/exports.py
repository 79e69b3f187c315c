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


def plot(sweep: schemas.Sweep, kind: Literal["svg", "png"]) -> bytes:
    """The headline against depth, of a sweep as clients see it; finished or not."""
    runs = [run.model_dump() for run in sweep.runs]
    headline = discovery.tasks()[sweep.task].headline
    return pictures.sweep_plot(runs, sweep.recommendation, headline, kind)


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


def table(run_id: str, found: Iterable[tuple[str, list[Measure], Labels]]) -> Iterator[bytes]:
    """CSV lines: run_id, case, subject, part, truth, and a score per class."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    head = False
    for part, rows, labels in found:
        if not head:
            scores = [f"score_{name}" for name in labels.names]
            writer.writerow(["run_id", "case", "subject", "part", "truth", *scores])
            head = True
        for row in rows:
            values = [f"{score:.9g}" for score in row.scores]
            truth = labels.names[row.truth]
            writer.writerow([run_id, row.case_id, row.subject, part, truth, *values])
            if buffer.tell() > 1 << 16:
                yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    content = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return content
