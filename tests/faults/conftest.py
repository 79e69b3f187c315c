"""The stacks to be hurt, and which scenarios are left to `./run faults`."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import fleet as fleets
from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.fleet import Fleet
from tests.faults.scenario import Scenario, Seen


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the long scenarios, and leaves them to `./run faults` unless a marker is asked for or
    a test is named. Marks those that need a fleet, which `./run faults` keeps together.
    """
    for item in items:
        if "fleet" in getattr(item, "fixturenames", ()):
            item.add_marker("fleet")
    long = [item for item in items if any(case.long for case in scenarios_of(item))]
    for item in long:
        item.add_marker("faults")
    named = any("::" in argument for argument in config.args)
    if long and not named and not config.option.markexpr:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def scenarios_of(item: pytest.Item) -> tuple[Scenario, ...]:
    """The scenarios beside a test, or the one it was given as `case`."""
    given = getattr(item, "callspec", None)
    case = None if given is None else given.params.get("case")
    if isinstance(case, Scenario):  # tests elsewhere have cases of other kinds
        return (case,)
    found: tuple[Scenario, ...] = getattr(getattr(item, "function", None), "scenarios", ())
    return found


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Seen:
    """Where a test notes what it saw of its scenario."""
    (scenario,) = scenarios_of(request.node)
    return Seen(scenario)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack") / "var")
    made.start()
    try:
        made.upload()
        yield made
    finally:
        made.client.close()
        if made.runs():
            made.stop()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Fleet]:
    """Single processes on PostgreSQL, Valkey and S3, as compose runs them."""
    with fleets.fleet(tmp_path_factory.mktemp("fleet"), s3_endpoint) as made:
        yield made


@pytest.fixture(scope="session")
def calm_fleet(fleet: Fleet) -> dict[str, Any]:
    """Everything that a short sweep of a fleet makes when nobody troubles it."""
    sweep_id = fleet.sweep()
    assert fleet.ended(sweep_id)["state"] == "succeeded"
    return holds.artefacts(fleet.rows, sweep_id)


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """No harm is left armed for the next test, and no replica that is still on its way back."""
    yield
    for name in {"stack", "fleet"} & set(request.fixturenames):
        request.getfixturevalue(name).harm.clear()
    if "fleet" in request.fixturenames:
        fleet = request.getfixturevalue("fleet")
        fleet.until(fleet.ready, 60)


@pytest.fixture(scope="session")
def undisturbed_short(stack: Stack) -> dict[str, Any]:
    """Everything that a short sweep makes when nobody troubles it."""
    sweep_id = stack.sweep(**SHORT)
    assert stack.ended(sweep_id)["state"] == "succeeded"
    return holds.artefacts(stack.rows, sweep_id)


@pytest.fixture(scope="session")
def undisturbed(stack: Stack) -> dict[str, str]:
    """The weights of a sweep that nobody troubled, by arm."""
    sweep_id = stack.sweep()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    found = stack.weights(sweep_id)
    assert all(name.startswith("weights/") for name in found.values())
    return found
