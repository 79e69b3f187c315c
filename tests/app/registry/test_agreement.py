"""The picture of how a model's thickness agrees with people's, by the outputs of its run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.db.session import writing
from app.db.tables import Run
from app.storage import files
from models import measures
from models.discovery import tasks
from models.findings import Labels, Measure
from models.metrics import boundaries
from tests.app import rows

TASK = tasks()["intima_media"]


def case(number: int) -> Measure:
    row = np.full(len(boundaries.COLUMNS), np.nan)
    row[boundaries.AT["imt_drawn_px"]] = 10 + number
    row[boundaries.AT["imt_px"]] = 10.5 + number * 1.1
    row[boundaries.AT["row_mm"]] = 0.06
    return Measure(f"case_{number}", f"subject_{number}", 100, row)


def made(*, tested: bool = False, cases: int = 6) -> str:
    """A model of a run that has outputs of the validation part, and of the test part too."""
    _, runs = rows.sweep(states=("succeeded",), finish="succeeded", task=TASK.name)
    content = measures.save([case(k) for k in range(cases)], Labels(TASK.classes))
    files().put_bytes("measures/validation", content)
    files().put_bytes("measures/test", content)
    with writing() as session:
        run = session.get_one(Run, runs[0])
        run.measures = "measures/validation"
        run.test_measures = "measures/test" if tested else None
    return rows.model(task=TASK.name, run_id=runs[0])


def ask(client: TestClient, model: str, kind: str = "svg", **query: str) -> Any:
    return client.get(f"/v1/models/{model}/agreement.{kind}", params=query)


def test_it_is_drawn_of_the_validation_part_until_the_test_part_is_opened(
    client: TestClient,
) -> None:
    reply = ask(client, made())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
    assert "validation part: 6 cases of 6 subjects" in reply.text
    assert "test part: 6 cases" in ask(client, made(tested=True)).text
    assert "validation part" in ask(client, made(tested=True), part="validation").text


def test_it_comes_as_pixels_too_and_is_not_sent_twice(client: TestClient) -> None:
    model = made()
    reply = ask(client, model, "png")
    assert reply.content.startswith(b"\x89PNG")
    where = f"/v1/models/{model}/agreement.png"
    again = client.get(where, headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status_code == 304


def test_a_part_that_is_closed_is_not_looked_into(client: TestClient) -> None:
    reply = ask(client, made(), part="test")
    assert (reply.status_code, reply.json()["code"]) == (404, "no_predictions")
    assert "part=validation" in reply.json()["detail"]
    assert ask(client, made(), part="train").status_code == 422


def test_a_model_of_another_task_has_nothing_to_agree_on(client: TestClient) -> None:
    reply = ask(client, rows.model())
    assert (reply.status_code, reply.json()["code"]) == (404, "no_agreement")


def test_a_model_made_elsewhere_has_no_outputs_here(client: TestClient) -> None:
    reply = ask(client, rows.model(task=TASK.name))
    assert (reply.status_code, reply.json()["code"]) == (404, "no_predictions")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_another_workspace_sees_none(client_as: Callable[..., TestClient], kind: str) -> None:
    reply = ask(client_as("elsewhere"), made(), kind)
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
