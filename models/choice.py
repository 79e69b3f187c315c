"""The choice: the shallowest depth that loses next to nothing, said so that it can be judged.

Paper 1.6: recommend the shallowest depth not worse than the best. "Not significantly worse" would
reward small validation parts with shallow answers, as nothing is significant there; so the paired
loss itself must be small, against its standard error and in absolute terms. Absence of
significance is reported beside it and never called equality.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models import stats
from models.findings import Measure
from models.stats import FEW_SUBJECTS, Paired, Replicates, Value
from models.sweep import Outcome

MAX_LOSS = 0.02
MAX_SE = 1.0
SIGNIFICANT = 0.05
WIDE = 0.15  # of an interval on a metric between 0 and 1
ROUNDING = 1e-12
NO_WIDTH = 1e-9


class NothingToChooseError(ValueError):
    """No depth succeeded with a defined headline."""


@dataclass(frozen=True)
class ArmRow:
    """One arm on validation: its value (mean over seeds), and its loss to the best depth.

    loss, se and p are of the pairing with the best depth, None for that depth itself; `seeds` are
    the values of the single runs; `run_id` is the run that stands for the arm, its best seed.
    """

    arm: str
    depth: int
    scratch: bool
    run_id: str
    seeds: tuple[float, ...]
    value: float
    low: float | None
    high: float | None
    loss: float
    se: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Choice:
    """The recommended arm and run, why, and every arm compared."""

    arm: str
    run_id: str
    best: str
    reason: str
    subjects: int
    few_subjects: bool
    not_distinguished: list[dict[str, Any]] = field(default_factory=list)
    table: list[ArmRow] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As JSON: the recommendation of the HTTP contract, with the table beside it."""
        return asdict(self)


@dataclass(frozen=True)
class _Arm:
    name: str
    depth: int
    scratch: bool
    runs: tuple[str, ...]
    seeds: tuple[float, ...]
    replicates: Replicates


def choose(
    measures_by_run: Mapping[str, Sequence[Measure]],
    outcomes: Sequence[Outcome],
    value: Value,
    *,
    max_loss: float = MAX_LOSS,
    max_se: float = MAX_SE,
    resamples: int = stats.RESAMPLES,
    seed: int = 0,
) -> Choice:
    """Recommends the shallowest depth whose paired loss to the best depth is at most `max_se`
    bootstrap standard errors of that loss and at most `max_loss`.

    `value` is `stats.headline(task, labels)`; measures are those on validation, same cases for all.
    Only runs on the largest fraction count; an arm's seeds are averaged. Scratch is compared, and
    recommended only where no depth was asked for. `not_distinguished` lists the arms beside the
    recommended and the best one whose loss to the best has p >= 0.05 (two-sided, not corrected
    for the number of arms).
    Raises NothingToChooseError when no depth can be compared.
    """
    arms = _arms(measures_by_run, outcomes, value, resamples, seed)
    only_scratch = all(run.scratch for run in outcomes)
    depths = [arm for arm in arms if only_scratch or not arm.scratch]
    if not depths:
        raise NothingToChooseError("no depth run of the sweep succeeded with a defined headline")
    best = max(depths, key=lambda arm: (arm.replicates.point, -arm.depth))
    losses = {
        arm.name: stats.compare(best.replicates, arm.replicates) for arm in arms if arm is not best
    }
    enough = [arm for arm in depths if arm is best or _small(losses[arm.name], max_loss, max_se)]
    chosen = min(enough, key=lambda arm: arm.depth)
    subjects = stats.subjects_of(measures_by_run[best.runs[0]])
    said = _Said(chosen, best, arms, losses, outcomes, subjects, max_loss, max_se)
    return Choice(
        arm=chosen.name,
        run_id=_standing(chosen),
        best=best.name,
        reason=said.reason(),
        subjects=subjects,
        few_subjects=subjects < FEW_SUBJECTS,
        not_distinguished=_level(arms, losses, besides=(chosen, best)),
        table=[_row(arm, losses.get(arm.name)) for arm in arms],
    )


def _level(
    arms: Sequence[_Arm], losses: Mapping[str, Paired], besides: tuple[_Arm, _Arm]
) -> list[dict[str, Any]]:
    found = [(arm.name, losses[arm.name].p) for arm in arms if arm not in besides]
    return [{"arm": name, "p": p} for name, p in found if p >= SIGNIFICANT]


def _small(loss: Paired, max_loss: float, max_se: float) -> bool:
    return loss.loss <= max_se * loss.se + ROUNDING and loss.loss <= max_loss + ROUNDING


def _arms(
    measures: Mapping[str, Sequence[Measure]],
    outcomes: Sequence[Outcome],
    value: Value,
    resamples: int,
    seed: int,
) -> list[_Arm]:
    """The arms that can be compared, shallow to deep, scratch last."""
    full = max((run.fraction for run in outcomes), default=1.0)
    runs = [
        run
        for run in outcomes
        if run.state == "succeeded" and run.fraction == full and measures.get(run.id)
    ]
    drawn = stats.replicates({run.id: measures[run.id] for run in runs}, value, resamples, seed)
    found = []
    ordered = sorted(runs, key=lambda run: (run.scratch, run.depth))
    for name in dict.fromkeys(run.arm for run in ordered):
        mine = [run for run in runs if run.arm == name and not np.isnan(drawn[run.id].point)]
        if not mine:
            continue
        found.append(
            _Arm(
                name=name,
                depth=mine[0].depth,
                scratch=mine[0].scratch,
                runs=tuple(run.id for run in mine),
                seeds=tuple(drawn[run.id].point for run in mine),
                replicates=stats.mean([drawn[run.id] for run in mine]),
            )
        )
    return found


def _standing(arm: _Arm) -> str:
    """The run that stands for an arm: its best seed on validation, the first of equals."""
    return arm.runs[int(np.argmax(arm.seeds))]


def _row(arm: _Arm, loss: Paired | None) -> ArmRow:
    low, high = stats.bounds(arm.replicates)
    return ArmRow(
        arm=arm.name,
        depth=arm.depth,
        scratch=arm.scratch,
        run_id=_standing(arm),
        seeds=arm.seeds,
        value=arm.replicates.point,
        low=low,
        high=high,
        loss=0.0 if loss is None else loss.loss,
        se=None if loss is None else loss.se,
        p=None if loss is None else loss.p,
    )


@dataclass(frozen=True)
class _Said:
    """The words of a choice: one sentence, then what a careful reader must be told."""

    chosen: _Arm
    best: _Arm
    arms: Sequence[_Arm]
    losses: Mapping[str, Paired]
    outcomes: Sequence[Outcome]
    subjects: int
    max_loss: float
    max_se: float

    def reason(self) -> str:
        found = [self._main(), self._too_much(), self._scratch(), self._width(), self._few()]
        return "; ".join(part for part in [*found, self._absent()] if part)

    def _main(self) -> str:
        depths = [arm for arm in self.arms if not arm.scratch]
        if self.chosen.scratch:
            return f"no depth was asked for: scratch is the only arm, {self._counted()}"
        if len(depths) == 1:
            return f"the only depth there is to choose from, {self._counted()}"
        if self.chosen is not self.best:
            loss = self.losses[self.chosen.name]
            return (
                f"shallowest depth within {self._errors()} of the best ({self.best.name}): "
                f"{_figures(loss)}, {self._counted()}"
            )
        shallower = [arm for arm in depths if arm.depth < self.best.depth]
        if not shallower:
            return f"best on validation and the shallowest depth compared, {self._counted()}"
        near = min(shallower, key=lambda arm: self.losses[arm.name].loss)
        return (
            f"best on validation, and no shallower depth comes within {self._errors()} and "
            f"{self.max_loss:g} of it (nearest: {near.name}, {_figures(self.losses[near.name])}), "
            f"{self._counted()}"
        )

    def _counted(self) -> str:
        return "1 subject" if self.subjects == 1 else f"{self.subjects} subjects"

    def _errors(self) -> str:
        return "one standard error" if self.max_se == 1 else f"{self.max_se:g} standard errors"

    def _too_much(self) -> str | None:
        """A shallower depth that only the absolute bound kept out."""
        for arm in self.arms:
            loss = self.losses.get(arm.name)
            if arm.scratch or loss is None or arm.depth >= self.chosen.depth:
                continue
            if loss.loss <= self.max_se * loss.se:
                return (
                    f"{arm.name} is within {self._errors()} too, "
                    f"but {loss.loss:.3f} is more than the {self.max_loss:g} allowed"
                )
        return None

    def _scratch(self) -> str | None:
        scratch = next((arm for arm in self.arms if arm.scratch), None)
        if scratch is None or scratch.replicates.point <= self.chosen.replicates.point:
            return None
        gain = stats.compare(scratch.replicates, self.chosen.replicates)
        told = (
            "the pre-trained weights do not help here"
            if gain.p < SIGNIFICANT
            else "too little data to tell whether the pre-trained weights help"
        )
        return (
            f"scratch is better on validation ({scratch.replicates.point:.3f} against "
            f"{self.chosen.replicates.point:.3f}, p {gain.p:.2g}): {told}"
        )

    def _width(self) -> str | None:
        low, high = stats.bounds(self.chosen.replicates)
        if low is None or high is None:
            return "no interval: most resamples of the validation part lack a class"
        if high - low <= NO_WIDTH:
            return (
                "validation is too small or too easy to tell the depths apart: "
                "every resample of it gives the same value"
            )
        if high - low <= WIDE:
            return None
        return f"wide interval, {low:.2f} to {high:.2f}: more cases may change the choice"

    def _few(self) -> str | None:
        if self.subjects >= FEW_SUBJECTS:
            return None
        return f"only {self._counted()} on validation (few_subjects): the intervals are rough"

    def _absent(self) -> str | None:
        """Depths that were asked for but not compared, by how they ended."""
        compared = {arm.name for arm in self.arms}
        words = {"failed": "failed", "skipped": "not run", "cancelled": "cancelled"}
        states: dict[str, list[str]] = {}
        for run in self.outcomes:
            known = states.setdefault(words.get(run.state, "not finished"), [])
            if run.arm not in compared and run.arm not in known:
                known.append(run.arm)
        return (
            ", ".join(f"{state}: {' '.join(arms)}" for state, arms in states.items() if arms)
            or None
        )


def _figures(loss: Paired) -> str:
    return f"loss {loss.loss:.3f}, SE {loss.se:.3f}"
