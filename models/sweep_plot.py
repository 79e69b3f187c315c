"""The picture of a sweep: the headline against depth, with intervals, scratch and the choice."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.chart import (
    BLUE,
    DPI,
    GREEN,
    INK,
    ONE_AT_A_TIME,
    ORANGE,
    SIZE_INCHES,
    SOFT,
    plain,
    printed,
)

# A headline's short name, and what it measures where the name alone does not say it.
HEADLINES = {
    "agreement": ("agreement", "1 less a line's distance over the thickness"),
    "auc": ("AUC", ""),
    "dice": ("Dice", ""),
    "froc": ("FROC", "mean sensitivity, 0.1 to 1 false positives per frame"),
}
OF_VOLUMES = {
    "froc": ("FROC", "mean sensitivity per embolus, at\n1 to 5 false positives per volume"),
}

Run = Mapping[str, Any]


@dataclass(frozen=True)
class _Headline:
    """The key in a run's validation, its short name, what it measures if that is to be said."""

    key: str
    name: str
    meaning: str


@dataclass(frozen=True)
class _Arm:
    """An arm at one fraction: mean over its seeds, interval, the seeds themselves."""

    name: str
    depth: int
    value: float
    low: float | None
    high: float | None
    seeds: tuple[float, ...]
    parameters: int


def sweep_plot(
    runs: Sequence[Run],
    choice: Mapping[str, Any] | None,
    headline: str,
    kind: Literal["svg", "png"] = "svg",
    *,
    volumes: bool = False,
) -> bytes:
    """SVG or PNG of a sweep, finished or not.

    `headline` and `volumes` are the task's: what is measured of volumes has a wording of its own.

    `runs` are the rows of `GET /v1/sweeps/{id}` (arm, depth, scratch, fraction, state, validation,
    trainable_parameters); `choice` its recommendation, whose `table`, where present, gives the
    intervals of arms with several seeds.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white")
    with ONE_AT_A_TIME:
        _draw(figure, runs, choice, _named(headline, volumes=volumes))
        return printed(figure, kind)


def _draw(
    figure: Figure, runs: Sequence[Run], choice: Mapping[str, Any] | None, headline: _Headline
) -> None:
    left = 0.12 if "\n" in headline.meaning else 0.105
    axes = figure.add_axes((left, 0.15, 0.97 - left, 0.56))
    table = {row["arm"]: row for row in (choice or {}).get("table", [])}
    fractions = sorted({float(run.get("fraction", 1.0)) for run in runs}, reverse=True)
    full = fractions[0] if fractions else 1.0
    depths = _arms(runs, headline.key, full, scratch=False, table=table)
    scratch = _arms(runs, headline.key, full, scratch=True, table=table)
    _frame(axes, runs, headline)
    for arm in scratch:
        _scratch(axes, arm)
    for lighter, fraction in enumerate(fractions[1:4]):
        _fraction(
            axes, _arms(runs, headline.key, fraction, scratch=False, table={}), fraction, lighter
        )
    if depths:
        _depths(axes, depths, choice)
        _shares_alone(axes)
        _parameters(axes, depths)
        _gaps(axes, runs, depths)
        shown, names = axes.get_legend_handles_labels()
        order = sorted(range(len(names)), key=lambda k: not names[k].startswith("depth"))
        axes.legend(
            [shown[k] for k in order], [names[k] for k in order],
            loc="lower center", bbox_to_anchor=(0.5, 1.13), ncols=5, frameon=False, fontsize=8.5,
            labelcolor=INK, handletextpad=0.5, columnspacing=1.4,
        )  # fmt: skip
    else:
        why = _why_empty(runs, headline)
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=SOFT)
    _words(figure, runs, choice)


def _arms(
    runs: Sequence[Run], headline: str, fraction: float, *, scratch: bool, table: Mapping[str, Any]
) -> list[_Arm]:
    """The arms of which a run has succeeded, shallow to deep."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: int(run["depth"])):
        same = bool(run["scratch"]) == scratch and float(run.get("fraction", 1.0)) == fraction
        value = ((run.get("validation") or {}).get(headline) or {}).get("value")
        if same and run["state"] == "succeeded" and value is not None:
            found.setdefault(str(run["arm"]), []).append(run)
    return [_arm(name, rows, headline, table.get(name)) for name, rows in found.items()]


def _arm(name: str, rows: Sequence[Run], headline: str, known: Mapping[str, Any] | None) -> _Arm:
    measured = [row["validation"][headline] for row in rows]
    low = high = None
    if known is not None:
        low, high = known.get("low"), known.get("high")
    elif len(rows) == 1:
        low, high = measured[0].get("low"), measured[0].get("high")
    seeds = tuple(float(found["value"]) for found in measured)
    parameters = int(rows[0].get("trainable_parameters") or 0)
    return _Arm(name, int(rows[0]["depth"]), float(np.mean(seeds)), low, high, seeds, parameters)


def _frame(axes: Axes, runs: Sequence[Run], headline: _Headline) -> None:
    deepest = max((int(run["depth"]) for run in runs), default=1)
    axes.set_xlim(0.4, deepest + 0.6)
    axes.set_xticks(range(1, deepest + 1))
    axes.set_xlabel("depth: layers tuned, counted from the output", color=INK, fontsize=10)
    axes.set_ylabel(f"validation {headline.name}", color=INK, fontsize=10)
    lines = len(headline.meaning.splitlines())
    axes.yaxis.set_label_coords(-0.07 - 0.02 * lines, 0.5)
    axes.text(
        -0.057 - 0.01 * lines, 0.5, headline.meaning, transform=axes.transAxes, rotation=90,
        ha="center", va="center", color=SOFT, fontsize=7.5,
    )  # fmt: skip
    plain(axes)


def _shares_alone(axes: Axes) -> None:
    """Where all that is drawn lies between 0 and 1: no tick beyond, and no room for one."""
    if axes.dataLim.y0 < 0 or axes.dataLim.y1 > 1:
        return
    low, high = axes.get_ylim()
    low, high = max(low, -0.05), min(high, 1.05)
    seen = [at for at in axes.get_yticks() if max(low, 0.0) <= round(at, 9) <= min(high, 1.0)]
    axes.set_yticks(seen)
    axes.set_ylim(low, high)


def _named(headline: str, *, volumes: bool) -> _Headline:
    words = HEADLINES | (OF_VOLUMES if volumes else {})
    return _Headline(headline, *words.get(headline, (headline.replace("_", " "), "")))


def _why_empty(runs: Sequence[Run], headline: _Headline) -> str:
    done = any(run["state"] == "succeeded" and not run["scratch"] for run in runs)
    if not done:
        return "no depth has finished yet"
    return f"depths have finished, but the validation part does not determine {headline.name}"


def _gaps(axes: Axes, runs: Sequence[Run], drawn: Sequence[_Arm]) -> None:
    """At the foot of a depth without a value: why it has none. One that still waits has nothing."""
    known = {arm.depth for arm in drawn}
    states = {int(run["depth"]): str(run["state"]) for run in runs if not run["scratch"]}
    for depth, state in states.items():
        if depth not in known and state != "queued":
            word = "no value" if state == "succeeded" else state
            axes.text(
                depth, 0.015, word, transform=axes.get_xaxis_transform(), ha="center",
                color=SOFT, fontsize=7.5,
            )  # fmt: skip


def _errors(arms: Sequence[_Arm]) -> np.typing.NDArray[np.float64]:
    """[2, n] distances to the interval's ends, none where there is no interval."""
    below = [0.0 if arm.low is None else max(arm.value - arm.low, 0.0) for arm in arms]
    above = [0.0 if arm.high is None else max(arm.high - arm.value, 0.0) for arm in arms]
    return np.array([below, above])


def _depths(axes: Axes, arms: Sequence[_Arm], choice: Mapping[str, Any] | None) -> None:
    x, y = [arm.depth for arm in arms], [arm.value for arm in arms]
    axes.plot(x, y, color=BLUE, linewidth=1.3, alpha=0.55, zorder=3)
    axes.errorbar(
        x, y, yerr=_errors(arms), fmt="o", color=BLUE, markersize=6, elinewidth=1.4, capsize=3,
        label="depth, 95 % interval", zorder=4,
    )  # fmt: skip
    for arm in arms:
        if len(arm.seeds) > 1:
            axes.plot(
                [arm.depth] * len(arm.seeds), arm.seeds, "_", color=INK, markersize=9, zorder=5
            )
    if choice is None:
        return
    near = {row["arm"] for row in choice.get("not_distinguished", [])} | {choice.get("best")}
    level = [arm for arm in arms if arm.name in near and arm.name != choice.get("arm")]
    if level:
        axes.plot(
            [arm.depth for arm in level], [arm.value for arm in level], "o", color=BLUE, zorder=5,
            markerfacecolor="white", markersize=6, markeredgewidth=1.6, linestyle="none",
            label="not told apart from the best",
        )  # fmt: skip
    for arm in arms:
        if arm.name == choice.get("arm"):
            axes.axvline(arm.depth, color=GREEN, linewidth=12, alpha=0.12, zorder=1)
            axes.plot(
                arm.depth, arm.value, marker="D", color=GREEN, markersize=10, zorder=6,
                markeredgecolor="white", markeredgewidth=1.2, linestyle="none",
                label=f"recommended: {arm.name}",
            )  # fmt: skip


def _scratch(axes: Axes, arm: _Arm) -> None:
    axes.axhline(
        arm.value, color=ORANGE, linewidth=1.5, linestyle=(0, (5, 3)), zorder=2,
        label="from scratch",
    )  # fmt: skip
    if arm.low is not None and arm.high is not None:
        axes.axhspan(arm.low, arm.high, color=ORANGE, alpha=0.10, linewidth=0, zorder=0)


def _fraction(axes: Axes, arms: Sequence[_Arm], fraction: float, lighter: int) -> None:
    if arms:
        axes.plot(
            [arm.depth for arm in arms], [arm.value for arm in arms], color=SOFT, linewidth=1.1,
            marker="sv^"[lighter], markersize=4.5, alpha=0.75 - 0.15 * lighter, zorder=2,
            label=f"{fraction * 100:g} % of training",
        )  # fmt: skip


def _parameters(axes: Axes, arms: Sequence[_Arm]) -> None:
    """A second label for each depth, above the plot: how many parameters it tunes."""
    top = axes.secondary_xaxis("top")
    top.set_xticks([arm.depth for arm in arms], [_count(arm.parameters) for arm in arms])
    top.tick_params(colors=SOFT, labelsize=8, length=0, pad=2)
    top.spines["top"].set_visible(False)
    top.set_xlabel("parameters tuned", color=SOFT, fontsize=8, labelpad=4)


def _count(parameters: int) -> str:
    if parameters >= 1_000_000:
        return f"{parameters / 1e6:.3g} M"
    return f"{parameters / 1e3:.3g} k" if parameters >= 1000 else str(parameters or "")


def _words(figure: Figure, runs: Sequence[Run], choice: Mapping[str, Any] | None) -> None:
    done = sum(run["state"] == "succeeded" for run in runs)
    title, below = f"{done} of {len(runs)} runs finished", ""
    if choice is not None:
        title = f"Recommended: {choice['arm']}"
        below = str(choice.get("reason") or "")
    figure.text(0.03, 0.955, title, color=INK, fontsize=13, weight="bold", va="center")
    lines = textwrap.wrap(below, 118)
    shown = [*lines[:1], textwrap.shorten(" ".join(lines[1:]), 118, placeholder=" …")]
    figure.text(0.03, 0.925, "\n".join(shown), color=SOFT, fontsize=8.5, va="top", linespacing=1.35)
    figure.text(0.97, 0.025, "research use only", color=SOFT, fontsize=8, ha="right")
    over = (
        "few subjects and the cases of each" if (choice or {}).get("few_subjects") else "subjects"
    )
    source = f"intervals: bootstrap over {over}, validation part"
    figure.text(0.03, 0.025, source, color=SOFT, fontsize=8)
