"""Predictions after the reply: kept, found by their id, queued, answered by a worker."""

import threading
import time
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Audit, Model, Prediction, now
from app.predictions import service as predictions
from app.predictions.journal import journal
from app.storage import AwayError, files
from tests.app.predictions.colours import Service, png


@pytest.fixture
def service(service_on_each: Service) -> Service:
    return service_on_each


ASYNC = {"Prefer": "respond-async, wait=5"}
MADE = ("id", "created_at", "created_by")


def claimed(prediction_id: str) -> int:
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, prediction_id, "worker", 30)
    assert attempt is not None
    return attempt


def work(prediction_id: str) -> list[int]:
    """What the job does; how often it showed progress."""
    ticks: list[int] = []
    predictions.run_queued(prediction_id, claimed(prediction_id), lambda: ticks.append(1))
    return ticks


def as_sent(kept: Any) -> dict[str, Any]:
    """A resource without what its first reply, an answer and no resource yet, did not say."""
    return {name: value for name, value in kept.json().items() if name not in MADE}


# ---- at once --------------------------------------------------------------------------------


def test_an_answer_is_kept_as_it_was_sent_with_an_audit_row(service: Service) -> None:
    sent = service.ask(headers={"X-Request-ID": "req_of_mine"}).json()
    journal.close()
    with reading() as session:
        row = session.get_one(Prediction, sent["prediction_id"])
        audit = session.scalars(select(Audit).where(Audit.resource == row.id)).one()
    assert row.reply == sent
    assert (row.state, row.workspace, row.model_id) == ("succeeded", "clinic", "mdl_three")
    assert row.upload is None
    assert (audit.action, audit.status) == ("predict_classification", 200)
    assert (audit.key_id, audit.request_id) == (row.created_by, "req_of_mine")
    kept = service.get(row.id)
    assert as_sent(kept) == sent
    assert kept.json()["id"] == row.id
    assert kept.json()["created_by"] == row.created_by
    assert datetime.fromisoformat(kept.json()["created_at"]) == row.created_at


def test_an_answer_is_found_before_it_is_stored(
    service: Service, paused_journal: threading.Event
) -> None:
    sent = service.ask().json()
    with reading() as session:
        assert session.get(Prediction, sent["prediction_id"]) is None
    assert as_sent(service.get(sent["prediction_id"])) == sent
    assert service.get(sent["prediction_id"], who="stranger").status_code == 404


def test_what_was_answered_is_stored_when_the_service_stops(service: Service) -> None:
    ids = [service.ask().json()["prediction_id"] for _ in range(3)]
    service.client.__exit__(None, None, None)
    with reading() as session:
        assert set(session.scalars(select(Prediction.id))) == set(ids)


def test_another_workspaces_prediction_does_not_exist(service: Service) -> None:
    sent = service.ask().json()
    journal.close()
    assert service.get(sent["prediction_id"], who="stranger").status_code == 404
    assert service.get("prd_none").status_code == 404


def test_a_viewer_may_read_and_an_etag_spares_the_body(service: Service) -> None:
    sent = service.ask().json()
    first = service.get(sent["prediction_id"], who="viewer")
    assert first.status_code == 200
    again = service.client.get(
        f"/v1/predictions/{sent['prediction_id']}",
        headers=service.headers("viewer") | {"If-None-Match": first.headers["etag"]},
    )
    assert again.status_code == 304


def test_a_file_too_large_for_memory_is_answered_and_not_left_behind(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    assert service.ask(png(blue=255)).json()["finding"]["label"] == "blue"
    assert service.ask(b"no image").status_code == 422
    assert service.ask(task="frame_quality").status_code == 404
    assert list(files().names("inputs/")) == []


# ---- through the queue ----------------------------------------------------------------------


def test_an_asynchronous_prediction_is_promised_rung_and_answered(service: Service) -> None:
    reply = service.ask(png(green=255), headers=ASYNC)
    assert reply.status_code == 202
    promised = reply.json()
    name = promised["prediction_id"]
    assert reply.headers["location"] == f"/v1/predictions/{name}"
    assert (promised["state"], promised["finding"]) == ("queued", None)
    assert promised["id"] == name
    assert promised["created_by"].startswith("key_")
    assert datetime.fromisoformat(promised["created_at"]) <= now()
    assert service.rung == [("predict", name)]
    assert list(files().names("inputs/")) == [f"inputs/{name}"]
    assert service.get(name).json() == promised

    assert work(name)
    kept = service.get(name).json()
    assert (kept["state"], kept["finding"]["label"]) == ("succeeded", "green")
    assert list(kept) == [*MADE, *service.ask().json()]
    assert list(files().names("inputs/")) == []


def test_a_large_file_sent_again_under_its_key_is_not_kept_twice(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    headers = {**ASYNC, "Idempotency-Key": "once"}
    first, again = (service.ask(png(blue=255), headers=headers).json() for _ in range(2))
    assert first == again
    assert list(files().names("inputs/")) == [f"inputs/{first['prediction_id']}"]


def test_a_file_too_large_for_any_image_is_refused_before_it_is_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    monkeypatch.setattr("app.predictions.service.IMAGE_BYTES_PER_PIXEL", 1e-9)
    reply = service.ask(png(blue=255))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert list(files().names("inputs/")) == []


def test_an_erasure_that_fails_changes_no_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> None:
        raise AwayError(name)

    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    monkeypatch.setattr(files(), "delete", away)
    assert service.ask(png(blue=255)).status_code == 200


def test_a_large_file_waits_for_its_worker_in_storage(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    name = service.ask(png(blue=255), headers=ASYNC).json()["prediction_id"]
    assert list(files().names("inputs/")) == [f"inputs/{name}"]
    work(name)
    assert service.get(name).json()["finding"]["label"] == "blue"


def test_the_options_of_the_moment_hold_for_the_job(service: Service) -> None:
    service.deploy("mdl_two", "screening", {"name": "strict", "threshold": 0.99})
    fields = {"deployment": "screening", "spacing_mm": "0.1,0.2", "roi_px": "0,0,9,9"}
    name = service.ask(png(green=34), headers=ASYNC, **fields).json()["prediction_id"]
    service.deploy("mdl_two", "screening", {"name": "loose", "threshold": 0.01})
    work(name)
    kept = service.get(name).json()
    assert kept["operating_point"]["name"] == "strict"
    assert kept["finding"]["label"] == "no"
    assert [warning["code"] for warning in kept["warnings"]] == ["roi_not_used"]


def test_what_could_never_be_answered_is_refused_at_once(service: Service) -> None:
    refused = [
        service.ask(headers=ASYNC, model_id="mdl_two", operating_point="nonsense"),
        service.ask(b"PK\x03\x04", headers=ASYNC),
        service.ask(task="frame_quality", headers=ASYNC),
    ]
    assert [reply.status_code for reply in refused] == [422, 415, 404]
    assert service.rung == []
    assert list(files().names("inputs/")) == []


def test_an_unreadable_image_fails_with_its_reason(service: Service) -> None:
    name = service.ask(b"no image at all", headers=ASYNC).json()["prediction_id"]
    work(name)
    kept = service.get(name).json()
    assert (kept["state"], kept["finding"]) == ("failed", None)
    assert kept["failure"]["code"] == "unreadable_image"
    assert list(files().names("inputs/")) == []


def test_a_model_deleted_meanwhile_fails_the_prediction(service: Service) -> None:
    service.add_model("mdl_brief", {"classes": ["a", "b"], "positive": None})
    name = service.ask(headers=ASYNC, model_id="mdl_brief").json()["prediction_id"]
    with writing() as session:
        session.delete(session.get_one(Model, "mdl_brief"))
    work(name)
    assert service.get(name).json()["failure"]["code"] == "no_model"


def test_an_attempt_that_lost_its_lease_writes_nothing(service: Service) -> None:
    name = service.ask(headers=ASYNC).json()["prediction_id"]
    stale = claimed(name)
    with writing() as session:
        lifecycle.release(session, Prediction, name, stale)
    claimed(name)
    with pytest.raises(lifecycle.LeaseLostError):
        predictions.run_queued(name, stale, lambda: None)
    assert service.get(name).json()["state"] == "running"
    assert list(files().names("inputs/")) == [f"inputs/{name}"]


def test_a_long_poll_answers_as_soon_as_the_worker_has(service: Service) -> None:
    name = service.ask(headers=ASYNC).json()["prediction_id"]
    worker = threading.Timer(0.3, work, [name])
    worker.start()
    began = time.monotonic()
    kept = service.get(name, wait_s=20).json()
    assert kept["state"] == "succeeded"
    assert 0.2 < time.monotonic() - began < 10
    worker.join()


def test_a_long_poll_ends_when_its_time_is_up(service: Service) -> None:
    name = service.ask(headers=ASYNC).json()["prediction_id"]
    assert service.get(name, wait_s=0.2).json()["state"] == "queued"
    assert service.get(name, wait_s=61).status_code == 422


# ---- idempotency ----------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["at_once", "queued"])
def test_a_repeated_request_gets_its_first_reply(service: Service, headers: Any) -> None:
    headers = {"Idempotency-Key": "once", **headers}
    first = service.ask(headers=headers)
    again = service.ask(headers=headers)
    assert first.status_code == again.status_code == (202 if "Prefer" in headers else 200)
    assert first.json() == again.json()
    assert first.headers.get("location") == again.headers.get("location")
    with reading() as session:
        assert len(session.scalars(select(Prediction)).all()) == 1
    other = service.ask(png(blue=9), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
