"""One endpoint per task, typed by its finding, and no torch behind any of them."""

import subprocess
import sys
from dataclasses import dataclass, replace

from fastapi import FastAPI

from app.predictions.routes import make_router, prefers_async, wants_picture
from models.discovery import tasks
from models.tasks.classification import TASK
from tests.app.predictions import colours


@dataclass(frozen=True)
class Counted:
    """A finding of a made-up task."""

    count: int
    certain: bool


def test_every_task_has_its_endpoint() -> None:
    app = FastAPI()
    app.include_router(make_router(list(tasks().values())))
    paths = app.openapi()["paths"]
    for name in tasks():
        assert paths[f"/v1/predictions/{name}"]["post"]["operationId"] == f"predict_{name}"


def test_a_made_up_tasks_endpoint_has_its_findings_type() -> None:
    app = FastAPI()
    made_up = replace(TASK, name="polyp_count", finding=Counted, question="How many polyps?")
    app.include_router(make_router([TASK, made_up]))
    document = app.openapi()
    operation = document["paths"]["/v1/predictions/polyp_count"]["post"]
    assert operation["summary"] == "How many polyps?"
    content = operation["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["$ref"].endswith("/PolypCountPrediction")
    assert "image/png" in content
    finding = document["components"]["schemas"]["PolypCountPrediction"]["properties"]["finding"]
    assert finding["$ref"].endswith("/Counted")
    assert set(document["components"]["schemas"]["Counted"]["properties"]) == {"count", "certain"}
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert form["properties"]["file"]["format"] == "binary"


def test_a_picture_is_sent_only_where_it_is_preferred() -> None:
    assert wants_picture("image/png")
    assert wants_picture("image/png, application/json;q=0.9")
    assert not wants_picture("")
    assert not wants_picture("*/*")
    assert not wants_picture("application/json, image/png")
    assert not wants_picture("image/png;q=0")


def test_a_wish_for_a_later_answer_is_heard() -> None:
    assert prefers_async("respond-async")
    assert prefers_async("wait=10, Respond-Async; foo")
    assert not prefers_async("")
    assert not prefers_async("return=minimal")


ASK = """
import sys, types
from pathlib import Path
import numpy as np
import app.main
assert "torch" not in sys.modules, "importing the app loads torch"
app.main.create_app().openapi()
from models.inference.predict import predict
from models.inference.runtime import load
from models.tasks.classification import TASK
from tests.app.predictions import colours
card = {"classes": ["a", "b"], "positive": None}
pixels = np.zeros((20, 20, 3), np.uint8)
answer = predict(TASK, load(Path(sys.argv[1])), card, pixels, None)
assert answer.finding.label in card["classes"]
assert "torch" not in sys.modules, "a prediction loads torch"
"""


def test_a_whole_prediction_leaves_torch_alone(tmp_path) -> None:
    from_bytes = tmp_path / "model.onnx"
    from_bytes.write_bytes(colours.network(2))
    subprocess.run([sys.executable, "-c", ASK, str(from_bytes)], check=True, timeout=120)
