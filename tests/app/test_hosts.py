"""The service answers to its own names only."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.hosts import answered, bare, listed
from app.main import create_app


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.org:8000", "example.org"),
        ("[::1]:8000", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("api", "api"),
        ("[::1", "::1"),
        ("", ""),
    ],
)
def test_a_host_is_judged_without_its_port(host: str, name: str) -> None:
    assert bare(host) == name


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "10.1.2.3", "[fe80::1]:80", "api"])
def test_unlisted_addresses_and_plain_names_are_answered(host: str) -> None:
    assert answered(host, ())


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", ":80"])
def test_unlisted_names_with_a_dot_are_not(host: str) -> None:
    assert not answered(host, ())


def test_listed_names_are_answered_and_no_others() -> None:
    names = listed(" layertune.clinic.example, *.Lab.example ,")
    assert names == ("layertune.clinic.example", "*.lab.example")
    assert answered("LayerTune.clinic.example:443", names)
    assert answered("one.lab.example", names)
    assert answered("127.0.0.1:8000", names), "a health check on the machine itself"
    for other in ("lab.example", "evil-lab.example", "10.1.2.3", "api", "clinic.example", ""):
        assert not answered(other, names), other
    assert answered("anything.example", listed("*"))


@pytest.mark.parametrize("path", ["/v1/tasks", "/docs", "/healthz/live", "/nothing"])
def test_a_page_that_made_its_name_point_here_gets_nothing(client: TestClient, path: str) -> None:
    reply = client.get(path, headers={"Host": "evil.example"})
    assert (reply.status_code, reply.json()["code"]) == (421, "host_not_allowed")
    assert "LAYERTUNE_ALLOWED_HOSTS" in reply.json()["detail"]
    assert reply.json()["request_id"] == reply.headers["X-Request-ID"]


def test_a_listed_name_is_answered(
    client_as: Callable[..., TestClient], setting: Callable[[str, object], None]
) -> None:
    setting("allowed_hosts", "layertune.clinic.example")
    client = client_as("viewer", create_app())
    host = {"Host": "layertune.clinic.example"}
    assert client.get("/v1/models", headers=host).status_code == 200
    assert client.get("/v1/models").status_code == 421  # `testserver` is not listed
