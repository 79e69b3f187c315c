"""The one clock that all processes share, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.auth import Caller, Refusal, Terms, _judged, digest, mint
from app.db import lifecycle
from app.db.clock import Jumps, clock
from app.db.session import reading, writing
from app.db.tables import Dataset
from tests.app import rows

HOUR = timedelta(hours=1)


def test_it_shows_the_moment_in_utc_and_goes_on(db: Engine) -> None:
    before = datetime.now(UTC)
    with reading() as session:
        first = clock(session)
        second = clock(session)
    assert before <= first <= second <= datetime.now(UTC) + timedelta(milliseconds=1)
    assert first.utcoffset() == timedelta(0)


@pytest.mark.parametrize("wrong_by", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_process_whose_own_clock_is_wrong_judges_leases_and_keys_all_the_same(
    db: Engine, monkeypatch: pytest.MonkeyPatch, wrong_by: timedelta
) -> None:
    held, over = (rows.dataset(state="checking") for _ in range(2))
    with writing() as session:
        assert lifecycle.claim(session, Dataset, held, "one", 60) == 1
        assert lifecycle.claim(session, Dataset, over, "one", -1) == 1
        mint(session, "a", "viewer", "default", "lt_good", terms=Terms(clock(session) + HOUR / 2))
        mint(session, "b", "viewer", "default", "lt_over", terms=Terms(clock(session) - HOUR / 2))
    monkeypatch.setattr("app.db.columns.now", lambda: datetime.now(UTC) + wrong_by)
    monkeypatch.setattr("app.db.tables.now", lambda: datetime.now(UTC) + wrong_by)
    with writing() as session:
        assert lifecycle.expired(session) == [(Dataset, over, 1)]
        lifecycle.renew(session, Dataset, held, 1, 60)
        left = session.get_one(Dataset, held).lease_until
        assert left is not None
        assert timedelta(seconds=50) < left - clock(session) <= timedelta(seconds=60)
        assert isinstance(_judged(session, digest("lt_good"))[0], Caller)
        assert isinstance(_judged(session, digest("lt_over"))[0], Refusal)


def test_a_clock_that_is_set_is_noticed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = iter((0.0, 10.0, 11.0, 12.0, 13.0))
    monkeypatch.setattr("app.db.clock.time.monotonic", lambda: next(passed))
    jumps, began = Jumps(), datetime(2026, 11, 25, tzinfo=UTC)
    shown = [0, 10, 3611, 3612, 13]
    seen = [jumps.seen(began + timedelta(seconds=second)) for second in shown]
    assert seen == [False, False, True, False, True]
