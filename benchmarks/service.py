"""A whole sweep through the service, and pictures of what came of it; one JSON line.

    python -m benchmarks.service --data ../shared/data/kvasir-seg --task polyp --epochs 6 --out DIR

Starts the embedded stack in a temporary folder, uploads the folder as it lies, sweeps, deploys what
is recommended and predicts unseen cases (test, else validation). `--out` gets the sweep's plot, the
answers drawn into their images and a sheet of them, for people to look at.
"""

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.cli.demo import service
from benchmarks.killed import Stack, dataset, sweep

COLUMNS, CELL = 5, 360  # of the sheet: pictures in a row, and how wide each is in pixels


def unseen(stack: Stack, data: dict[str, Any], count: int) -> list[str]:
    """Images of the test part, or of validation where there is none, evenly spread."""
    entries: list[dict[str, Any]] = []
    page = stack.get(f"/v1/datasets/{data['id']}/cases?limit=200")
    while True:
        entries += page["items"]
        if page["next_cursor"] is None:
            break
        page = stack.get(f"/v1/datasets/{data['id']}/cases?limit=200&cursor={page['next_cursor']}")
    part = "test" if data["splits"]["test"] else "validation"
    first: dict[str, str] = {}
    for entry in entries:
        if entry["split"] == part and entry["fate"] == "used" and "mask" not in entry["file"]:
            first.setdefault(entry["case_id"], entry["file"])
    files = list(first.values())
    chosen = np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int))
    return [files[k] for k in chosen]


def pictures(
    stack: Stack, task: str, folder: Path, files: list[str], out: Path
) -> list[dict[str, Any]]:
    """The answer for each file, drawn and told; the sheet shows all of them."""
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for number, name in enumerate(files):
        data = (folder / name).read_bytes()
        drawn = stack.http.post(
            f"/v1/predictions/{task}", files={"file": (Path(name).name, data)},
            headers={"Accept": "image/png"},
        ).raise_for_status()  # fmt: skip
        (out / f"{number:02d}-{Path(name).stem}.png").write_bytes(drawn.content)
        answer = stack.post(f"/v1/predictions/{task}", files={"file": (Path(name).name, data)})
        found.append({"file": name, "finding": _short(answer["finding"])})
    return found


def _short(finding: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if name != "mask_png_base64"}


def sheet(folder: Path) -> None:
    paths = sorted(path for path in folder.glob("*.png") if path.name[:2].isdigit())
    cells = []
    for path in paths:
        image = cv2.imread(str(path))
        scale = CELL / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cell = np.zeros((CELL, CELL, 3), np.uint8)
        cell[: small.shape[0], : small.shape[1]] = small[:CELL, :CELL]
        cells.append(cell)
    cells += [np.zeros_like(cells[0])] * (math.ceil(len(cells) / COLUMNS) * COLUMNS - len(cells))
    rows = [np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)]
    cv2.imwrite(str(folder / "sheet.png"), np.vstack(rows))


def saved(stack: Stack, found: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    plot = stack.http.get(f"/v1/sweeps/{found['id']}/plot.png").raise_for_status()
    (out / "plot.png").write_bytes(plot.content)
    model = found["recommendation"]["model_id"]
    for name in ("card.json", "model.onnx"):
        kept = stack.http.get(f"/v1/models/{model}/files/{name}").raise_for_status()
        (out / name).write_bytes(kept.content)


def asked(given: argparse.Namespace) -> dict[str, Any]:
    recipe = {"epochs": given.epochs}
    if given.batch_size:
        recipe["batch_size"] = given.batch_size
    arms = "all" if given.arms == ["all"] else given.arms
    return {"backbone": given.backbone, "recipe": recipe, "arms": arms, "policy": given.policy}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--arms", nargs="+", default=["all"])
    parser.add_argument("--policy", default="exhaustive")
    parser.add_argument("--pictures", type=int, default=20, help="unseen cases to draw")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "var"
        with service(state, Path(folder) / "up.log", keep=False) as address:
            print(json.dumps(swept(Stack(*address), given)))


def swept(stack: Stack, given: argparse.Namespace) -> dict[str, Any]:
    start = time.monotonic()
    data = dataset(stack, given.data, given.task)
    checked = time.monotonic() - start
    found = sweep(stack, {"dataset_id": data["id"], **asked(given)}, [])
    answers: list[dict[str, Any]] = []
    if found["state"] == "succeeded":
        saved(stack, found, given.out)
        deployed = {"model_id": found["recommendation"]["model_id"]}
        stack.http.put(f"/v1/deployments/{given.task}", json=deployed).raise_for_status()
        files = unseen(stack, data, given.pictures)
        answers = pictures(stack, given.task, given.data, files, given.out)
        sheet(given.out)
    return {
        "benchmark": "service", "data": given.data.name, "task": given.task,
        "backbone": given.backbone, "epochs": given.epochs, "splits": data["splits"],
        "warnings": [row["code"] for row in data["warnings"]], "check_s": round(checked, 1),
        "state": found["state"], "seconds": round(found["seconds"], 1),
        "validation": {run["arm"]: run["validation"] for run in found["runs"]},
        "run_s": {run["arm"]: round(run["seconds"] or 0, 1) for run in found["runs"]},
        "recommendation": found["recommendation"], "answers": answers, "cores": os.cpu_count(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
