"""The application and its clients."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.main import create_app


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """The application; it keeps nothing of a test, so one serves all."""
    return create_app()


Client = Callable[..., TestClient]


@pytest.fixture
def client_as(keys: dict[str, str], application: FastAPI) -> Iterator[Client]:
    """Makes clients: client_as("viewer"); client_as(None) has no key."""
    opened: list[TestClient] = []

    def make(role: str | None = "admin", app: FastAPI = application) -> TestClient:
        headers = {} if role is None else {"Authorization": f"Bearer {keys[role]}"}
        made = TestClient(app, headers=headers, raise_server_exceptions=False)
        opened.append(made.__enter__())
        return opened[-1]

    yield make
    for one in reversed(opened):
        one.__exit__(None, None, None)


@pytest.fixture
def client(client_as: Client) -> TestClient:
    """A client with an admin's key, on SQLite and on PostgreSQL."""
    return client_as("admin")
