"""Every reply tells a browser what it must not do, refusals and the last 500 too."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.main import create_app
from app.shield import headers_for


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz/live", 200), ("/v1/models", 200), ("/v1/models/none", 404), ("/nothing", 404),
        ("/openapi.json", 200), ("/assets/swagger-ui.css", 200),
    ],
)  # fmt: skip
def test_a_reply_has_its_headers(client: TestClient, path: str, status: int) -> None:
    reply = client.get(path)
    assert reply.status_code == status
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in reply.headers


def test_a_refusal_at_the_gate_and_a_bug_have_them_too(client: TestClient) -> None:
    app: FastAPI = create_app()

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    with TestClient(app, raise_server_exceptions=False) as other:
        assert other.get("/v1/models").status_code == 401
        assert other.get("/v1/models").headers["X-Frame-Options"] == "DENY"
        assert other.get("/broken").status_code == 500
        assert other.get("/broken").headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_run_our_scripts_and_talk_to_us_alone(client: TestClient, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy and "connect-src 'self'" in policy
    assert "http" not in policy and "*" not in policy


def test_over_tls_a_browser_is_told_to_stay_there() -> None:
    assert (b"strict-transport-security", b"max-age=31536000") in headers_for("/", "https")
