"""The commands against the real application, by a transport that needs no port."""

import asyncio
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import Engine
from typer.testing import CliRunner

from app.auth import mint
from app.cli import show
from app.cli.client import Api, CliError
from app.cli.datasets import upload
from app.cli.main import app
from app.db.session import writing
from app.main import create_app


class Bridge(httpx.BaseTransport):
    """Hands each request to the application in this process and waits for the whole reply."""

    def __init__(self) -> None:
        self.inner = httpx.ASGITransport(app=create_app(), raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()

        async def answered() -> httpx.Response:
            copy = httpx.Request(request.method, request.url, headers=request.headers, content=body)
            reply = await self.inner.handle_async_request(copy)
            content = b"".join([part async for part in reply.stream])  # type: ignore[union-attr]
            return httpx.Response(reply.status_code, headers=reply.headers, content=content)

        return asyncio.run(answered())


@pytest.fixture
def api(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A client with an admin's key on an empty service."""
    monkeypatch.setattr(show.out, "_width", 200)
    with writing() as session:
        _, secret = mint(session, "admin", "admin", "default")
    yield Api.connect("http://layertune", secret, Bridge())


def run(api: Api, *arguments: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, list(arguments), obj=api)
    assert ran.exit_code == code, ran.output
    return ran.stdout if code == 0 else ran.stderr


def lesions(folder: Path) -> Path:
    for label in ("benign", "malignant"):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (32, 32), 40 * number).save(folder / label / f"{number}.png")
    return folder


def test_a_folder_is_received_as_a_whole_archive_and_waits_for_its_check(
    api: Api, tmp_path: Path, var: Path, bells: list[tuple[str, str]]
) -> None:
    folder = lesions(tmp_path / "lesions")
    said = run(api, "datasets", "add", str(folder), "--task", "classification", "--no-wait")
    found = next(api.items("/v1/datasets"))
    assert found["id"] in said
    assert found["name"] == "lesions"
    assert found["state"] == "checking"
    assert bells == [("check", found["id"])]
    uploads = list((var / "files" / "uploads").iterdir())
    with zipfile.ZipFile(io.BytesIO(uploads[0].read_bytes())) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4
    assert found["id"] in run(api, "datasets", "list")
    assert "checking" in run(api, "datasets", "show", found["id"])


def test_an_unknown_task_is_refused_with_the_ones_there_are(api: Api, tmp_path: Path) -> None:
    folder = lesions(tmp_path / "lesions")
    said = run(api, "datasets", "add", str(folder), "--task", "palm_reading", code=1)
    assert "palm_reading" in said
    assert "frame_quality" in said


def test_a_sweep_on_a_data_set_that_is_being_checked_is_refused_in_words(
    api: Api, tmp_path: Path
) -> None:
    fields = {"task": "classification", "name": "lesions"}
    made = upload(api, lesions(tmp_path / "lesions"), fields)
    said = run(api, "sweeps", "start", made["id"], "--backbone", "tiny", code=1)
    assert "is checking: wait until it is ready" in said


def test_a_sweep_on_nothing_is_refused_in_words(api: Api) -> None:
    assert "there is no data set 'ds_x'" in run(api, "sweeps", "start", "ds_x", code=1)
    assert "Recommended" not in run(api, "sweeps", "list")


def test_a_key_is_made_listed_used_and_revoked(api: Api) -> None:
    said = run(api, "keys", "add", "reading room", "--role", "viewer")
    secret = said.split()[-1]
    assert secret.startswith("lt_")
    viewer = Api.connect("http://layertune", secret, Bridge())
    assert list(viewer.items("/v1/datasets")) == []
    with pytest.raises(CliError, match="higher role"):
        viewer.post("/v1/keys", {"name": "more", "role": "admin"})
    listed = run(api, "keys", "list")
    assert "reading room" in listed
    assert secret not in listed
    made = next(key for key in api.items("/v1/keys") if key["name"] == "reading room")
    run(api, "keys", "revoke", made["id"])


def test_without_a_key_the_way_to_one_is_named(sqlite: Engine) -> None:
    stranger = Api.connect("http://layertune", "", Bridge())
    assert "Set LAYERTUNE_KEY" in run(stranger, "datasets", "list", code=1)


def test_the_lists_of_an_empty_service_are_empty_tables(api: Api) -> None:
    for command in (("models", "list"), ("deployments",), ("sweeps", "list"), ("datasets", "list")):
        assert run(api, *command)


def test_what_is_not_there_is_a_sentence(api: Api) -> None:
    for command in (
        ("models", "show", "mdl_x"), ("models", "download", "mdl_x"), ("deploy", "mdl_x"),
        ("sweeps", "watch", "swp_x"), ("sweeps", "cancel", "swp_x"), ("datasets", "ledger", "ds_x"),
        ("datasets", "delete", "ds_x"), ("keys", "revoke", "key_x"),
    ):  # fmt: skip
        assert "no " in run(api, *command, code=1), command


def test_a_prediction_without_a_deployment_says_what_to_do(api: Api, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "frame.png")
    said = run(api, "predict", "frame_quality", str(tmp_path / "frame.png"), code=1)
    assert "deploy" in said
