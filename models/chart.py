"""The look of every chart, and how one becomes bytes.

Drawn with matplotlib's object API: no global figure state, one picture at a time, the same values
give the same bytes.
"""

import io
import threading
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

mpl.rcParams["svg.hashsalt"] = "layertune"  # ids inside an SVG would else differ each time

INK, SOFT, RULE = "#1f2933", "#5f6b76", "#e3e7eb"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito
SIZE_INCHES, DPI = (8.0, 5.0), 144
ONE_AT_A_TIME = threading.Lock()  # matplotlib's font caches are not made for threads


def plain(axes: Axes) -> None:
    """Light rules behind the values, and no frame but the two axes."""
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=9, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8c0c8")


def printed(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """A figure's bytes, the same each time; to be called, as to draw it, with ONE_AT_A_TIME."""
    canvas = FigureCanvasSVG(figure) if kind == "svg" else FigureCanvasAgg(figure)
    metadata = (
        {"Date": None, "Creator": "LayerTune"} if kind == "svg" else {"Software": "LayerTune"}
    )
    buffer = io.BytesIO()
    canvas.print_figure(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()
