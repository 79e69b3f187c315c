"""The audit's chain holds for rows added one by one, in batches and by several at once, and shows
what was changed, removed, put in or cut off.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert, text

from app.db import chain
from app.db.chain import GENESIS, Verified, link, verify
from app.db.session import engine, reading, writing
from app.db.tables import Audit, Json


def columns(resource: str, action: str = "put_deployment") -> Json:
    return {
        "at": datetime.now(UTC), "workspace": "default", "key_id": "key_1", "action": action,
        "resource": resource, "status": 200, "request_id": "req_1",
    }  # fmt: skip


def add(*resources: str) -> None:
    with writing() as session:
        session.add_all(Audit(**columns(resource)) for resource in resources)


def batch(*resources: str) -> None:
    """As the journal of predictions adds them."""
    with writing() as session:
        session.execute(insert(Audit), [columns(resource) for resource in resources])


def verified(head: str | None = None) -> Verified:
    with reading() as session:
        return verify(session, head)


def change(statement: str) -> None:
    with engine().begin() as connection:
        connection.execute(text(statement))


def test_an_empty_audit_is_intact(sqlite: Engine) -> None:
    assert verified() == Verified(True, 0, GENESIS)


def test_rows_added_as_objects_and_in_batches_make_one_chain(db: Engine) -> None:
    add("one")
    batch("two", "three")
    with writing() as session:  # two flushes in one transaction
        session.add(Audit(**columns("four")))
        session.flush()
        session.add(Audit(**columns("grün")))
    with reading() as session:
        rows = session.query(Audit).order_by(Audit.id).all()
    assert [row.resource for row in rows] == ["one", "two", "three", "four", "grün"]
    before = GENESIS
    for row in rows:
        assert row.hash == link(before, vars(row))
        before = row.hash
    assert verified() == Verified(True, 5, before)


def test_a_row_rolled_back_leaves_no_gap(db: Engine) -> None:
    add("one")
    with pytest.raises(ZeroDivisionError), writing() as session:
        session.add(Audit(**columns("never")))
        session.flush()
        raise ZeroDivisionError
    add("two")
    assert (verified().intact, verified().rows) == (True, 2)


def test_writers_of_many_threads_follow_one_another(db: Engine) -> None:
    """As two replicas with their journals would: each thread has a connection of its own."""

    def work(name: str) -> None:
        for number in range(12):
            add(f"{name}{number}")
            batch(f"{name}{number}a", f"{name}{number}b")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))  # raises what one of them raised
    assert (verified().intact, verified().rows) == (True, 4 * 12 * 3)


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET resource = 'mdl_other' WHERE id = 2", 2),
        ("UPDATE audit SET key_id = 'key_2' WHERE id = 3", 3),
        ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE id = 3", 3),
        ("UPDATE audit SET hash = 'x' WHERE id = 1", 1),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("UPDATE audit SET id = 9 WHERE id = 2", 3),
    ],
)
def test_a_row_changed_or_removed_is_found(db: Engine, statement: str, broken: int) -> None:
    add("one", "two", "three", "four")
    change(statement)
    assert (verified().intact, verified().first_broken) == (False, broken)


def test_rows_cut_off_the_end_are_missed_only_by_whoever_noted_the_head(db: Engine) -> None:
    add("one", "two", "three")
    noted = verified().head
    add("four")
    assert (verified(noted).intact, verified(noted).found) == (True, True)
    change("DELETE FROM audit WHERE id >= 3")
    assert verified().intact
    assert (verified(noted).intact, verified(noted).found) == (False, False)


def test_a_chain_longer_than_a_page_is_walked_whole(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "CHUNK", 3)
    batch(*map(str, range(9)))
    assert verified().rows == 9
    change("UPDATE audit SET status = 500 WHERE id = 8")
    assert verified().first_broken == 8


def test_a_row_that_was_not_linked_cannot_be_stored(db: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)null"), engine().begin() as connection:
        connection.execute(insert(Audit).values(columns("one")))
