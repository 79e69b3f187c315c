"""One endpoint per task, typed by its finding, and no torch behind any of them."""

import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from app.predictions import asking, schemas
from app.predictions.routes import make_router, prefers_async, wants_picture
from models.discovery import tasks
from models.tasks.classification import TASK
from models.video_findings import video_finding
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


@pytest.mark.parametrize("name", sorted(tasks()))
def test_the_example_of_a_task_is_a_reply_of_its_type(name: str) -> None:
    task = tasks()[name]
    shown = schemas.example(task)
    reply = schemas.reply_of(task).model_validate(shown)
    assert reply.model_dump(mode="json", exclude_unset=True) == shown
    assert schemas.Resource.model_validate(schemas.queued(task)).state == "queued"
    if "scores" in shown["finding"]:
        assert sum(shown["finding"]["scores"].values()) == pytest.approx(1)
        assert shown["finding"]["score"] == shown["finding"]["scores"][shown["finding"]["label"]]


@pytest.mark.parametrize("name", sorted(name for name, task in tasks().items() if task.video))
def test_the_example_of_a_video_is_of_the_type_of_its_finding(name: str) -> None:
    task = tasks()[name]
    shown = schemas.watched(task)
    assert schemas.Resource.model_validate(shown).input is not None
    finding = TypeAdapter(video_finding(task.finding))
    assert (
        finding.dump_python(finding.validate_python(shown["finding"]), mode="json")
        == (shown["finding"])
    )
    assert schemas.Resource.model_validate(schemas.running(task)).progress is not None


def test_a_made_up_finding_has_an_example_too() -> None:
    made_up = replace(TASK, name="polyp_count", finding=Counted)
    assert schemas.example(made_up)["finding"] == {"count": 1, "certain": True}


def test_only_tasks_that_take_videos_or_volumes_have_their_fields() -> None:
    for task in tasks().values():
        fields = asking.form(task)["content"]["multipart/form-data"]["schema"]["properties"]
        assert ({"stride", "annotated"} <= set(fields)) is task.video
        assert ("series_uid" in fields) is task.volumes


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
from models.video_findings import video_finding
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
