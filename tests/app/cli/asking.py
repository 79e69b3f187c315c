"""A service that answers by path, and a command run against it."""

import json
from typing import Any

import httpx
from typer.testing import CliRunner

from app.cli.client import Api
from app.cli.main import app


class Service:
    """Answers by path and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        said = json.loads(body) if body.startswith(b"{") else body
        self.asked.append((request.method, request.url.path, said))
        found = self.answers[request.url.path.removeprefix("/v1/").replace("/", "_")]
        if isinstance(found, bytes):
            return httpx.Response(200, content=found)
        return httpx.Response(200, json=found)


def run(service: Service, *arguments: str) -> str:
    client = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    ran = CliRunner().invoke(app, list(arguments), obj=client, env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    return ran.output
