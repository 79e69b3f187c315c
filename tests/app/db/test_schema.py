"""The migrations make what the tables say, and take a first-release database along."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, select, text

from app.db import schema
from app.db.chain import verify
from app.db.session import engine, reading, unwatched
from app.db.tables import Base, Dataset, EpochRow, Event, Finish, Key, Run, Sweep
from app.settings import settings
from tests.servers import Postgres

ASSETS = Path(__file__).parent / "assets"


def test_the_migrations_make_exactly_the_tables(db: Engine) -> None:
    with db.begin() as connection:
        command.check(schema.configuration(connection))  # raises if a revision is missing


def test_the_database_stands_at_the_head(db: Engine) -> None:
    with reading() as session:
        assert schema.current(session.connection()) == schema.head()


def test_upgrading_again_changes_nothing(db: Engine) -> None:
    schema.upgrade()
    with reading() as session:
        assert schema.current(session.connection()) == schema.head()


def test_a_first_start_makes_the_folder_of_its_database(var: Path) -> None:
    schema.upgrade()
    assert (var / "layertune.db").is_file()


@pytest.fixture(params=("sqlite", "postgresql"))
def first_release(
    request: pytest.FixtureRequest, var: Path, setting: Callable[[str, object], None]
) -> None:
    """A database as the first release left it, with a row of every kind (kept as SQL)."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        setting("database_url", server.url(server.create()))
    made = unwatched(settings().database)
    script = (ASSETS / f"0001.{request.param}.sql").read_text()
    with made.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))
    made.dispose()


@pytest.mark.usefixtures("first_release")
def test_a_database_of_the_first_release_upgrades_and_keeps_its_rows() -> None:
    schema.upgrade()
    with engine().begin() as connection:
        assert schema.current(connection) == schema.head()
        command.check(schema.configuration(connection))
    with reading() as session:
        run = session.scalars(select(Run)).one()
        assert (run.arm, run.state, run.attempt) == ("depth:1", "succeeded", 2)
        assert run.validation == {"auc": {"value": 0.91, "low": 0.87, "high": 0.95}}
        sweep = session.get_one(Sweep, run.sweep_id)
        assert sweep.created_at.isoformat() == "2026-11-24T08:00:00.500000+00:00"
        assert session.get_one(Finish, sweep.id).state == "queued"
        assert session.get_one(Dataset, sweep.dataset_id).classes == {"benign": 12, "grün": 10}
        assert session.scalars(select(EpochRow)).one().record["loss"] == 0.5
        assert [event.id for event in session.scalars(select(Event).order_by(Event.id))] == [1, 2]
        assert session.scalars(select(Key)).one().role == "admin"
        assert (verify(session).intact, verify(session).rows) == (True, 1)


@pytest.mark.usefixtures("first_release")
def test_a_downgrade_leaves_an_empty_database() -> None:
    with engine().begin() as connection:
        command.downgrade(schema.configuration(connection), "base")
        assert schema.current(connection) is None
        for table in Base.metadata.tables:
            assert not connection.dialect.has_table(connection, table)


def test_every_table_has_a_row_in_the_kept_databases() -> None:
    for kind in ("sqlite", "postgresql"):
        script = (ASSETS / f"0001.{kind}.sql").read_text()
        for table in Base.metadata.tables:
            first = schema.head() == "0001"
            assert not first or f"INSERT INTO {table} " in script, f"{table} in 0001.{kind}.sql"


def test_a_foreign_key_is_watched_on_both(db: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"), db.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger (dataset_id, position, file, fate) "
                "VALUES ('ds_none', 0, 'a.png', 'used')"
            )
        )
