"""Rows for the lifecycle suite: a data set, a sweep with its runs, a finish, a prediction."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from app import ids
from app.db.session import writing
from app.db.tables import Dataset, Finish, Prediction, Registration, Run, Sweep

MakeSweep = Callable[..., str]


@pytest.fixture
def dataset(db: Engine) -> str:
    """A data set that waits for its check."""
    with writing() as session:
        row = Dataset(
            id=ids.new("ds"), workspace="default", created_by="key_1", state="checking",
            name="polyps", task="classification", upload="uploads/u", upload_sha256="0" * 64,
        )  # fmt: skip
        session.add(row)
    return row.id


@pytest.fixture
def make_sweep(dataset: str) -> MakeSweep:
    """Makes a sweep of depth runs (and `scratch`) that all wait; answers its id."""

    def make(
        depths: int = 3, *, scratch: bool = False, policy: str = "exhaustive",
        budget_minutes: float | None = None,
    ) -> str:  # fmt: skip
        sweep_id = ids.new("swp")
        arms = [(f"depth:{k}", k, False) for k in range(1, depths + 1)]
        arms += [("scratch", depths, True)] if scratch else []
        with writing() as session:
            session.add(
                Sweep(
                    id=sweep_id, workspace="default", created_by="key_1", name="s",
                    dataset_id=dataset, task="classification", backbone="tiny", init="imagenet",
                    policy=policy, recipe={}, seeds=[0], fractions=[1.0],
                    budget_minutes=budget_minutes,
                )
            )  # fmt: skip
            session.flush()
            session.add(Finish(id=sweep_id, state="waiting"))
            for position, (arm, depth, is_scratch) in enumerate(arms):
                session.add(
                    Run(
                        id=ids.new("run"), sweep_id=sweep_id, position=position, state="queued",
                        arm=arm, depth=depth, scratch=is_scratch, fraction=1.0, seed=0,
                    )
                )  # fmt: skip
        return sweep_id

    return make


@pytest.fixture
def prediction(db: Engine) -> str:
    """A prediction that waits for its worker."""
    with writing() as session:
        row = Prediction(
            id=ids.new("prd"), workspace="default", created_by="key_1", state="queued",
            task="classification", model_id="mdl_1",
        )  # fmt: skip
        session.add(row)
    return row.id


@pytest.fixture
def make_registration(make_sweep: MakeSweep) -> Callable[[str, str], str]:
    """Asks for a run of a sweep to be registered; answers the wish's id."""

    def make(sweep_id: str, run_id: str) -> str:
        with writing() as session:
            row = Registration(
                id=ids.new("reg"), workspace="default", created_by="key_1", state="queued",
                sweep_id=sweep_id, run_id=run_id,
            )  # fmt: skip
            session.add(row)
        return row.id

    return make
