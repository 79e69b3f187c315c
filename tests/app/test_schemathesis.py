"""Every operation of the OpenAPI document, asked by a machine that has read nothing else.

Schemathesis makes requests that fit the document and requests that do not, alone and in sequences
(what one reply names is asked for by the next): no answer is a server error, each is one that the
document tells of, with the headers and the body it promises. LAYERTUNE_FUZZ=20 looks longer.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from starlette.types import Receive, Scope, Send

from app.db.session import writing
from app.db.tables import Prediction
from app.main import create_app
from app.storage import files
from models.discovery import tasks
from models.ingest import ingest
from tests.app import rows
from tests.app.predictions.colours import png, running
from tests.app.registry import networks
from tests.models.ingest.uploads import class_folders, written, zipped

LONGER = int(os.environ.get("LAYERTUNE_FUZZ", "1"))
APPLICATION = create_app()


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The application alone; its lifespan is the business of the fixture."""
    if scope["type"] == "http":
        await APPLICATION(scope, receive, send)


# What is sent where a file is asked for: good ones of several kinds, and none at all.
schemathesis.openapi.format(
    "binary", st.sampled_from([png(red=255), networks.bundle(), b"PK\x05\x06" + bytes(18), b"?"])
)  # fmt: skip

schema = schemathesis.openapi.from_dict(APPLICATION.openapi())
schema.app = without_lifespan
schema.config.generation.update(
    max_examples=8 * LONGER, deterministic=True, with_security_parameters=False,
    allow_extra_parameters=False,  # what nobody asked for is passed over, and may be
)  # fmt: skip
RARE = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large, HealthCheck.large_base_example]  # fmt: skip
WITHIN_S = 120  # of the clock: a bundle is tried in a process of its own
PREDICTION = "prd_01k9w3b4c5d6e7f8g9h0j1k2m3"


class World:
    """One of everything in the workspace, and a key that may do everything there."""

    def __init__(self, secret: str, folder: Path) -> None:
        self.headers = {"Authorization": f"Bearer {secret}"}
        pack = folder / "pack.zip"
        ingest(written(folder, zipped(class_folders())), tasks()["classification"], pack)
        dataset = rows.dataset("clinic", pack="packs/seeded.zip")
        files().put_file("packs/seeded.zip", pack)
        sweep, (run, *_) = rows.sweep("clinic", dataset_id=dataset)
        self.known = {
            "dataset_id": dataset, "sweep_id": sweep, "run_id": run, "prediction_id": PREDICTION,
            "model_id": rows.model("clinic", run_id=run, sweep_id=sweep), "name": "classification",
            "case_id": "case_000001", "subject": "subject-1", "task": "polyp",
        }  # fmt: skip
        with writing() as session:
            session.add(
                Prediction(id=PREDICTION, workspace="clinic", created_by="key_test", long=True,
                           state="failed", task="polyp", model_id="mdl_three", reply=None,
                           outputs={})
            )  # fmt: skip

    def aim(self, case: schemathesis.Case) -> None:
        """Lets every other sound request name what is there: by chance none ever would."""
        if case.meta is None or not case.meta.generation.mode.is_positive:
            return
        made = {
            **(case.path_parameters or {}),
            **(case.body if isinstance(case.body, dict) else {}),
        }
        if zlib.crc32(repr(sorted(made.items(), key=str)).encode()) % 2:
            return
        for name, value in self.known.items():
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value
            if isinstance(case.body, dict) and name in case.body and name.endswith("_id"):
                case.body[name] = {**self.known, "model_id": "mdl_three"}[name]


def excluded(case: schemathesis.Case) -> list[Any]:
    """Checks whose question has another answer here, and why."""
    # A request may fit the document and still name what is not there, not now, or of another task.
    named = [positive_data_acceptance]
    if case.operation.path == "/healthz/ready":
        named.append(not_a_server_error)  # no worker is here: 503 is its true answer
    if case.meta is not None and ParameterLocation.HEADER in case.meta.components:
        named.append(negative_data_rejection)  # RFC 7240: a preference not known is ignored
    return named


@pytest.fixture
def world(sqlite: Any, bells: list[tuple[str, str]], tmp_path: Path) -> Iterator[World]:
    with running(bells) as service:
        yield World(service.secrets["admin"], tmp_path)


@schema.parametrize()
@hypothesis.settings(deadline=None, suppress_health_check=RARE)
def test_an_operation_answers_as_documented(case: schemathesis.Case, world: World) -> None:
    world.aim(case)
    reply = case.call(headers=world.headers, timeout=WITHIN_S)
    case.validate_response(reply, headers=world.headers, excluded_checks=excluded(case))


def test_what_one_reply_names_the_next_request_may_ask_for(world: World) -> None:
    machine = schema.as_state_machine()

    class Chained(machine):  # type: ignore[misc, valid-type]
        def get_call_kwargs(self, _: schemathesis.Case) -> dict[str, Any]:
            return {"headers": world.headers, "timeout": WITHIN_S}

        def validate_response(self, response: Any, case: schemathesis.Case, **_: Any) -> None:
            case.validate_response(
                response, headers=world.headers, excluded_checks=excluded(case),
                recorder=self.recorder,
            )  # fmt: skip

    Chained.run(
        settings=hypothesis.settings(
            max_examples=15 * LONGER, stateful_step_count=8, deadline=None, derandomize=True,
            suppress_health_check=RARE, database=None,
        )
    )  # fmt: skip
