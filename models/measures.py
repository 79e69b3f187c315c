"""The file of a run's outputs: one row per case, enough to recompute every metric later."""

import json
from collections.abc import Sequence

import numpy as np

from models.findings import Labels, Measure


def save(measures: Sequence[Measure], labels: Labels) -> bytes:
    """JSON: {"classes", "positive", "rows": [[case_id, subject, truth, [scores]], ...]}.

    A row of a map task holds its marks as a fifth entry.
    """
    rows = [_row(measure) for measure in measures]
    kept = {"classes": list(labels.names), "positive": labels.positive, "rows": rows}
    return json.dumps(kept, separators=(",", ":")).encode()


def _row(m: Measure) -> list[object]:
    row: list[object] = [m.case_id, m.subject, int(m.truth), [float(s) for s in m.scores]]
    return [*row, m.marks.tolist()] if m.marks.size else row


def load(content: bytes) -> tuple[list[Measure], Labels]:
    """What `save` wrote; float64 scores come back bit for bit."""
    kept = json.loads(content)
    rows = [
        Measure(case_id, subject, truth, *(np.asarray(part, dtype=np.float64) for part in parts))
        for case_id, subject, truth, *parts in kept["rows"]
    ]
    return rows, Labels(tuple(kept["classes"]), kept["positive"])
