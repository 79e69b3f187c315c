"""The file of a run's outputs: one row per case, enough to recompute every metric later."""

import json
from collections.abc import Sequence

import numpy as np

from models.findings import Labels, Measure


def save(measures: Sequence[Measure], labels: Labels) -> bytes:
    """JSON: {"classes", "positive", "rows": [[case_id, subject, truth, [scores]], ...]}."""
    rows = [[m.case_id, m.subject, int(m.truth), [float(s) for s in m.scores]] for m in measures]
    kept = {"classes": list(labels.names), "positive": labels.positive, "rows": rows}
    return json.dumps(kept, separators=(",", ":")).encode()


def load(content: bytes) -> tuple[list[Measure], Labels]:
    """What `save` wrote; float64 scores come back bit for bit."""
    kept = json.loads(content)
    rows = [
        Measure(case_id, subject, truth, np.asarray(scores, dtype=np.float64))
        for case_id, subject, truth, scores in kept["rows"]
    ]
    return rows, Labels(tuple(kept["classes"]), kept["positive"])
