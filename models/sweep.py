"""A sweep's policy and choice: which arm runs next, which are ruled out, which depth is enough."""

from collections.abc import Sequence
from dataclasses import dataclass

POLICIES = ("exhaustive", "until_plateau")
PLATEAU_DEPTHS = 2
PLATEAU_GAIN = 0.005


@dataclass(frozen=True)
class Outcome:
    """What is known of one run: its arm, its state, and its validation headline once succeeded."""

    id: str
    depth: int
    scratch: bool
    seed: int
    fraction: float
    state: str
    headline: float | None = None


def next_allowed(policy: str, runs: Sequence[Outcome]) -> list[str]:
    """Ids of the waiting runs that may start now, best first."""
    raise NotImplementedError


def skipped(policy: str, runs: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Waiting runs that the policy rules out now, each with its reason."""
    raise NotImplementedError
