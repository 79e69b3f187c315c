"""How a model's thickness agrees with people's: difference against mean (Bland and Altman 1986).

Of every case the mean thickness over the columns that both have; the bias and the limits between
which 95 % of such differences lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.chart import (
    BLUE,
    DPI,
    INK,
    ONE_AT_A_TIME,
    ORANGE,
    SIZE_INCHES,
    SOFT,
    plain,
    printed,
)
from models.findings import Measure
from models.metrics import boundaries

Floats = NDArray[np.float64]
ROOM = 0.25  # of the spread of what is drawn, left free around it


@dataclass(frozen=True)
class _Pairs:
    """Cases that can be compared: thickness by both in `unit`, their difference in `fine`."""

    mean: Floats
    difference: Floats
    unit: str
    fine: str
    subjects: int
    left_out: int  # cases without any column that both traced
    unspaced: int  # cases without a spacing, where others have one


def agreement_plot(
    measures: Sequence[Measure], part: str, kind: Literal["svg", "png"] = "svg"
) -> bytes:
    """SVG or PNG of measures as models.metrics.boundaries makes them; `part` names whose they are.

    In millimetres and micrometres for the cases that have a spacing, in pixels if none has.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white")
    pairs = _pairs(measures)
    with ONE_AT_A_TIME:
        axes = figure.add_axes((0.105, 0.15, 0.74, 0.67))
        _frame(axes, pairs)
        if len(pairs.mean):
            _points(axes, pairs)
            _lines(axes, pairs)
        else:
            why = "no case has a column that both traced"
            axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=SOFT)
        _words(figure, pairs, part)
        return printed(figure, kind)


def _pairs(measures: Sequence[Measure]) -> _Pairs:
    rows = np.array([case.scores for case in measures]).reshape(-1, len(boundaries.COLUMNS))
    said, drawn, row_mm = (
        rows[:, boundaries.AT[name]] for name in ("imt_px", "imt_drawn_px", "row_mm")
    )
    known = ~np.isnan(said)
    spaced = ~np.isnan(row_mm)
    in_mm = bool((known & spaced).any())
    shown = known & spaced if in_mm else known
    row = row_mm[shown] if in_mm else np.ones(int(shown.sum()))
    said, drawn = said[shown] * row, drawn[shown] * row
    return _Pairs(
        mean=(said + drawn) / 2,
        difference=(said - drawn) * (boundaries.UM if in_mm else 1.0),
        unit="mm" if in_mm else "px",
        fine="µm" if in_mm else "px",
        subjects=len({case.subject for case, there in zip(measures, shown, strict=True) if there}),
        left_out=int((~known).sum()),
        unspaced=int((known & ~spaced).sum()) if in_mm else 0,
    )


def _frame(axes: Axes, pairs: _Pairs) -> None:
    axes.set_xlabel(f"thickness, mean of model and people, {pairs.unit}", color=INK, fontsize=10)
    axes.set_ylabel(f"model less people, {pairs.fine}", color=INK, fontsize=10)
    plain(axes)


def _points(axes: Axes, pairs: _Pairs) -> None:
    axes.axhline(0.0, color=SOFT, linewidth=0.9, zorder=2)
    axes.plot(
        pairs.mean, pairs.difference, "o", color=BLUE, alpha=0.55, markersize=5.5,
        markeredgecolor="white", markeredgewidth=0.5, zorder=4,
    )  # fmt: skip


def _lines(axes: Axes, pairs: _Pairs) -> None:
    """Bias and limits, each with its value at the right; limits take two cases."""
    told = boundaries.limits(pairs.difference, np.ones((1, len(pairs.difference))))
    bias, low, high = (float(value[0]) for value in told)
    levels = [*pairs.difference.tolist(), 0.0, *(v for v in (low, high) if np.isfinite(v))]
    room = max(ROOM * (max(levels) - min(levels)), 1e-3)
    axes.set_ylim(min(levels) - room, max(levels) + room)
    rows = ((bias, "bias", BLUE, "-"), (high, "+1.96 SD", ORANGE, "--"),
            (low, "-1.96 SD", ORANGE, "--"))  # fmt: skip
    places = _apart([value for value, *_ in rows], 0.075 * float(np.ptp(axes.get_ylim())))
    for (value, name, colour, style), at in zip(rows, places, strict=True):
        if np.isfinite(value):
            axes.axhline(value, color=colour, linewidth=1.4, linestyle=style, zorder=3)
            axes.text(
                1.015, at, f"{name} {value:+.3g}", transform=axes.get_yaxis_transform(),
                color=colour, fontsize=9, va="center",
            )  # fmt: skip


def _apart(values: Sequence[float], least: float) -> list[float]:
    """Places of the words beside bias, upper and lower limit: no nearer than `least`."""
    bias, high, low = values
    return [bias, max(high, bias + least), min(low, bias - least)]


def _words(figure: Figure, pairs: _Pairs, part: str) -> None:
    cases = len(pairs.mean)
    figure.text(
        0.03, 0.955, "Agreement of intima-media thickness", color=INK, fontsize=13, weight="bold",
        va="center",
    )  # fmt: skip
    words = [f"{part} part: {_counted(cases, 'case')} of {_counted(pairs.subjects, 'subject')}"]
    if pairs.left_out:
        words.append(f"{pairs.left_out} without a column that both traced")
    if pairs.unspaced:
        words.append(f"{pairs.unspaced} without a spacing left out")
    figure.text(0.03, 0.915, "; ".join(words), color=SOFT, fontsize=8.5, va="center")
    figure.text(0.97, 0.025, "research use only", color=SOFT, fontsize=8, ha="right")
    figure.text(
        0.03, 0.025, "a point is a case; limits: bias plus and less 1.96 standard deviations",
        color=SOFT, fontsize=8,
    )  # fmt: skip


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
