"""A sweep's policy: which run may start next, and which are ruled out by what is known."""

from collections.abc import Sequence
from dataclasses import dataclass

POLICIES = ("exhaustive", "until_plateau")
PLATEAU_DEPTHS = 2
PLATEAU_GAIN = 0.005
PLATEAU = "plateau"  # the reason given to runs that it rules out

WAITING = "queued"
ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped"})
ROUNDING = 1e-9  # 0.905 - 0.900 is a gain of 0.005


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

    @property
    def arm(self) -> str:
        return "scratch" if self.scratch else f"depth:{self.depth}"


@dataclass(frozen=True)
class _Ladder:
    """How far `until_plateau` has climbed: the depth to run now, or where it came to rest."""

    climbing: int | None  # the depth whose runs have not all ended; None = nothing left to climb
    plateau: int | None  # the last depth of the plateau; deeper ones are ruled out


def next_allowed(policy: str, runs: Sequence[Outcome]) -> list[str]:
    """Ids of the waiting runs that may start now, best first."""
    waiting = [run for run in runs if run.state == WAITING]
    if _known(policy) == "exhaustive":
        return [run.id for run in waiting]
    ladder, full = _climb(runs), _full(runs)
    depths_left = any(
        run.state not in ENDED and not _ruled_out(run, ladder) for run in runs if not run.scratch
    )
    allowed = [run for run in waiting if _may_start(run, ladder, full, depths_left)]
    return [run.id for run in sorted(allowed, key=lambda run: -run.fraction)]


def skipped(policy: str, runs: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Waiting runs that the policy rules out now, each with its reason."""
    if _known(policy) == "exhaustive":
        return []
    ladder = _climb(runs)
    return [(run.id, PLATEAU) for run in runs if run.state == WAITING and _ruled_out(run, ladder)]


def _known(policy: str) -> str:
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r}: use {' or '.join(POLICIES)}")
    return policy


def _full(runs: Sequence[Outcome]) -> float:
    """The largest share of the training data in the sweep: the depths are judged on that."""
    return max((run.fraction for run in runs), default=1.0)


def _climb(runs: Sequence[Outcome]) -> _Ladder:
    """Walks the depths on the full data, shallow to deep, as far as they have all ended.

    A depth's headline is the mean over its seeds. A depth of which no run succeeded tells
    nothing: it neither gains nor breaks the row of depths that do not.
    """
    full = _full(runs)
    best, without_gain = None, 0
    for depth in sorted({run.depth for run in runs if not run.scratch}):
        at = [run for run in runs if _rung(run, depth, full)]
        if any(run.state not in ENDED for run in at):
            return _Ladder(depth, None)
        found = [
            run.headline for run in at if run.state == "succeeded" and run.headline is not None
        ]
        if not found:
            continue
        value = sum(found) / len(found)
        gained = best is None or value - best >= PLATEAU_GAIN - ROUNDING
        without_gain = 0 if gained else without_gain + 1
        best = value if best is None else max(best, value)
        if without_gain == PLATEAU_DEPTHS:
            return _Ladder(None, depth)
    return _Ladder(None, None)


def _rung(run: Outcome, depth: int, fraction: float) -> bool:
    return not run.scratch and run.depth == depth and run.fraction == fraction


def _ruled_out(run: Outcome, ladder: _Ladder) -> bool:
    return not run.scratch and ladder.plateau is not None and run.depth > ladder.plateau


def _may_start(run: Outcome, ladder: _Ladder, full: float, depths_left: bool) -> bool:
    """Scratch waits for every depth; a smaller fraction for its depth on the full data."""
    if run.scratch:
        return not depths_left
    if ladder.climbing is None:
        return not _ruled_out(run, ladder)
    if run.fraction == full:
        return run.depth == ladder.climbing
    return run.depth < ladder.climbing
