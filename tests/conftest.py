"""What every test may ask for: settings of its own, a database of each kind, keys, files."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app import queue
from app.auth import ROLES, keyring, mint
from app.db import schema
from app.db.session import engine, forget_engines, writing
from app.db.tables import Base
from app.keys.logins import logins
from app.settings import settings
from app.storage import Files, files
from tests import servers
from tests.servers import Postgres
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # hooks, found by name

ENGINES = ("sqlite", "postgresql")

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded: as a lane has it


def _forget() -> None:
    """Nothing that this process keeps outlives a test."""
    forget_engines()
    settings.cache_clear()
    files.cache_clear()
    keyring.forget()
    logins.forget()


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder of this test; no setting of the machine reaches it."""
    for name in [name for name in os.environ if name.startswith("LAYERTUNE_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "var"
    monkeypatch.setenv("LAYERTUNE_VAR", str(folder))
    monkeypatch.setenv("LAYERTUNE_DISK_FLOOR_BYTES", "0")
    _forget()
    yield folder
    _forget()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch, var: Path) -> Callable[[str, object], None]:
    """Changes a setting of this test: setting("lease_s", 2)."""

    def change(name: str, value: object) -> None:
        monkeypatch.setenv(f"LAYERTUNE_{name.upper()}", str(value))
        settings.cache_clear()

    return change


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was rung, as (job, id): no test reaches a broker unless it calls `queue.ring` itself."""
    rung: list[tuple[str, str]] = []
    monkeypatch.setattr(queue, "ringer", [lambda job, row_id: rung.append((job, row_id))])
    return rung


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL 18 for the whole session."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file made by the migrations, copied for each test."""
    path = tmp_path_factory.mktemp("template") / "layertune.db"
    schema.upgrade(url=f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres: Postgres) -> str:
    """A database made by the migrations, emptied for each test (a copy for each takes longer)."""
    name = postgres.create()
    schema.upgrade(url=postgres.url(name))
    return name


def _sqlite(request: pytest.FixtureRequest, var: Path) -> str:
    var.mkdir(parents=True, exist_ok=True)
    path = var / "layertune.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, var: Path, setting: Callable[[str, object], None]) -> Engine:
    """A migrated, empty database; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        setting("database_url", _sqlite(request, var))
        return engine()
    server: Postgres = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("postgres_database")
    tables = reversed(Base.metadata.sorted_tables)
    server.ask("; ".join(str(table.delete()) for table in tables), name)
    setting("database_url", server.url(name))
    return engine()


@pytest.fixture
def sqlite(
    request: pytest.FixtureRequest, var: Path, setting: Callable[[str, object], None]
) -> Engine:
    """A migrated, empty SQLite: for tests of what is the same on every database."""
    setting("database_url", _sqlite(request, var))
    return engine()


@pytest.fixture
def keys(db: Engine) -> dict[str, str]:
    """A key of each role in the workspace `default`, and `elsewhere`: an admin of another."""
    with writing() as session:
        made = {role: mint(session, role, role, "default")[1] for role in ROLES}
        made["elsewhere"] = mint(session, "elsewhere", "admin", "other")[1]
    return made


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 endpoint in this process, with a bucket `tests`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(name, value)
        with servers.s3() as endpoint:
            yield endpoint


@pytest.fixture(params=("folder", "s3"))
def store(
    request: pytest.FixtureRequest,
    var: Path,
    tmp_path: Path,
    setting: Callable[[str, object], None],
) -> Files:
    """The files of the settings, empty: a test that asks for it runs on a folder and on S3."""
    if request.param == "folder":
        setting("storage_url", f"file://{tmp_path / 'store'}")
        return files()
    setting("s3_endpoint_url", request.getfixturevalue("s3_endpoint"))
    setting("storage_url", f"s3://tests/{tmp_path.name}")
    return files()
