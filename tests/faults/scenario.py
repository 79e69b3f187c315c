"""What the failure table says: scenarios beside their tests, and what was seen of them."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

RESULTS = "FAULTS_RESULTS"  # names the file of JSON lines; without it nothing is written down
Test = TypeVar("Test", bound=Callable[..., Any])

EVERY: dict[str, "Scenario"] = {}  # by name, filled as the test modules are loaded


@dataclass(frozen=True)
class Scenario:
    """One row of the table: we do `do` at `at`; `holds` holds. Long: for ./run faults."""

    do: str
    at: str
    holds: str
    long: bool = True

    @property
    def name(self) -> str:
        return f"{self.do}: {self.at}"

    def __str__(self) -> str:
        return self.name


def told(*scenarios: Scenario) -> Callable[[Test], Test]:
    """The scenarios of a test, where it is not given one as its parameter `case`."""

    def mark(test: Test) -> Test:
        test.scenarios = tuple(each(scenarios))  # type: ignore[attr-defined]
        return test

    return mark


def known(scenario: Scenario) -> Scenario:
    before = EVERY.setdefault(scenario.name, scenario)
    assert before == scenario, f"two scenarios are called {scenario.name!r}"
    return scenario


def each(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios of a test that has several: its parameter `case`."""
    return [known(scenario) for scenario in scenarios]


@dataclass
class Seen:
    """What a test sees of its scenario; `held`, its last line, writes it down."""

    scenario: Scenario
    times: int = 0
    seconds: list[float] = field(default_factory=list)
    _hurt_at: float | None = None

    def hurt(self, at: float | None = None) -> None:
        """The harm is done now, or was at a moment of the wall clock."""
        self.times += 1
        self._hurt_at = time.time() if at is None else at

    def well(self, at: float | None = None) -> None:
        """What was hurt works again, now or since that moment."""
        assert self._hurt_at is not None, "recovered before it was hurt"
        self.seconds.append(round((at or time.time()) - self._hurt_at, 2))
        self._hurt_at = None

    def held(self) -> None:
        if self._hurt_at is not None:
            self.well()
        path = os.environ.get(RESULTS)
        if path:
            row = {
                **asdict(self.scenario), "times": self.times, "seconds": self.seconds,
                "on": round(time.time()),
            }  # fmt: skip
            with Path(path).open("a") as file:
                file.write(json.dumps(row) + "\n")
