"""What the place alone says of emboli, without any network, on new phantoms; one JSON line.

    python -m benchmarks.places --volumes 12

Candidates of phantoms that nobody has looked at (benchmarks.embolism.FIRST), scored by their
plausibility and, side by side, by a plain rule on their Hounsfield units: the nearer to a clot's
the likelier. Synthetic: nothing is said of patients.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks.embolism import FIRST, LABELS, POPULATIONS, by_level, drawn, levels, measured
from models.findings import Measure
from models.imaging.vessels import find
from models.imaging.vessels.lumen import CLOT_HU
from models.metrics import froc_volumes


def looked_at(population: str, number: int) -> tuple[dict[str, Measure], list[str]]:
    """A phantom's candidates by each way of scoring; those of benchmarks.embolism. And where in the
    tree its emboli lie.
    """
    thorax, _ = drawn(population, number)
    found = find(thorax.volume)
    scores = {
        "forest": [candidate.plausibility for candidate in found],
        "hounsfield": [-abs(candidate.mean_hu - CLOT_HU) for candidate in found],
    }
    told = {way: measured(number, thorax, said(found, values)) for way, values in scores.items()}
    return told, levels(thorax)


def said(found: Any, scores: list[float]) -> dict[str, Any]:
    """As the service would say it."""
    rows = [
        {"score": score, "centre_voxel": list(one.centre_voxel), "diameter_mm": one.diameter_mm}
        for one, score in zip(found, scores, strict=True)
    ]
    return {"score": max(scores, default=0.0), "emboli": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--volumes", type=int, default=12, help="of each population")
    parser.add_argument("--populations", nargs="+", default=POPULATIONS, choices=POPULATIONS)
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first phantom")
    given = parser.parse_args()
    count, numbers = given.volumes, range(given.first, given.first + given.volumes)
    line: dict[str, Any] = {"benchmark": "places", "first": given.first, "cores": os.cpu_count()}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for population in given.populations:
            seen = list(pool.map(looked_at, [population] * count, numbers))
            rows, where = [row for row, _ in seen], [told for _, told in seen]
            emboli = sum(row["forest"].truth for row in rows)
            line[population] = {"volumes": count, "emboli": emboli}
            for way in ("forest", "hounsfield"):
                scored = froc_volumes.score([row[way] for row in rows], LABELS)
                line[population][way] = scored.values
            best = [row["forest"] for row in rows]
            line[population]["forest"]["at_2_by_level"] = by_level(best, where)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
