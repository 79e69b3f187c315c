"""The compose files, the Dockerfile and .env.example say nothing that the code does not know."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.cli.main import app
from app.main import create_app
from app.queue import QUEUES
from app.settings import Settings

ROOT = Path(__file__).parent.parent
CLIENT_VARIABLES = {"LAYERTUNE_URL", "LAYERTUNE_KEY"}
# Names that compose itself or another program reads.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}


def loaded(name: str = "docker-compose.yml") -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


def services() -> dict[str, Any]:
    return loaded()["services"]


def ours() -> dict[str, Any]:
    return {name: one for name, one in services().items() if one["image"].startswith("layertune:")}


def known_settings() -> set[str]:
    return {f"LAYERTUNE_{name.upper()}" for name in Settings.model_fields} | CLIENT_VARIABLES


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_environment_variable_of_a_service_is_a_setting(name: str) -> None:
    assert set(ours()[name]["environment"]) - OTHERS <= known_settings()


@pytest.mark.parametrize("name", sorted(ours()))
def test_the_environment_of_a_service_makes_valid_settings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, text in ours()[name]["environment"].items():
        # ${NAME:-default} as compose would fill it in; a required secret gets any value.
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))
        monkeypatch.setenv(variable, re.sub(r"\$\{[^}]*\}", "secret", value))
    found = Settings()
    assert found.database.startswith("postgresql+psycopg://layertune:secret@postgres:5432/")
    assert found.broker == "redis://redis:6379/0"
    assert found.storage == "s3://layertune"


def test_what_compose_asks_for_is_in_the_example_and_nothing_else() -> None:
    text = "".join(
        (ROOT / name).read_text() for name in ("docker-compose.yml", "docker-compose.gpu.yml")
    )
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == set(example())


def test_names_in_the_example_that_are_ours_are_settings() -> None:
    assert {name for name in example() if name.startswith("LAYERTUNE_")} <= known_settings()


def test_the_example_holds_no_secret() -> None:
    secrets = [name for name in example() if "KEY" in name or "PASSWORD" in name]
    assert len(secrets) == 5
    assert all(example()[name] == "" for name in secrets)


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_command_exists(name: str) -> None:
    program, verb, *arguments = ours()[name]["command"]
    assert program == "layertune"
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    with command.make_context(verb, list(arguments)) as context:
        assert not context.args


def test_every_queue_has_a_worker() -> None:
    served: list[str] = []
    for service in ours().values():
        _, verb, *arguments = service["command"]
        if verb == "worker":
            served += arguments[arguments.index("--queues") + 1].split(",")
    assert sorted(served) == sorted(set(QUEUES.values()))


def test_health_checks_ask_routes_that_exist() -> None:
    paths = create_app().openapi()["paths"]
    checks = [
        " ".join(one["healthcheck"]["test"]) for one in ours().values() if "healthcheck" in one
    ]
    asked = [path for check in checks for path in re.findall(r"http://[^/\"]+(/[\w/]+)", check)]
    assert asked == ["/healthz/live"]
    assert all(path in paths for path in asked)


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in services().values()]
    images += re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        _, _, tag = image.partition(":")
        assert re.search(r"\d+\.\d+|\d{4}-\d{2}-\d{2}", tag), f"{image} is not pinned"


def test_a_worker_has_time_to_stop() -> None:
    for name in ("tuner", "predictor"):
        service = ours()[name]
        grace_s = float(service["environment"].get("LAYERTUNE_GRACE_S", Settings().grace_s))
        assert float(service["stop_grace_period"].removesuffix("s")) > grace_s


def test_services_wait_for_services_that_exist_and_say_when_they_are_healthy() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services(), f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[other]


def test_every_named_volume_is_declared() -> None:
    used = [
        volume.split(":")[0] for one in services().values() for volume in one.get("volumes", [])
    ]
    assert {name for name in used if not name.startswith(".")} == set(loaded()["volumes"])


def test_the_gpu_file_only_lays_over_services_that_exist() -> None:
    over = loaded("docker-compose.gpu.yml")["services"]
    assert set(over) <= set(services())
    devices = over["tuner"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]


def test_the_image_runs_without_root_and_without_the_neighbours_secrets() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.rindex("USER layertune") > text.rindex("FROM ")
    assert {".env", "var", ".git"} <= set((ROOT / ".dockerignore").read_text().split())


def test_the_image_is_built_from_the_versions_that_are_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for pinned in re.findall(r"torch(?:vision)?==[\d.]+", (ROOT / "Dockerfile").read_text()):
        assert f'"{pinned}"' in project


def test_the_stack_is_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert {one["image"] for one in ours().values()} == {f"layertune:{version[1]}"}
