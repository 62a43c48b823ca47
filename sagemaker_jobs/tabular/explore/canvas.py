"""How figures look: colour-blind safe (Okabe and Ito), labelled axes, no clock in the file."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, GRID = "#222222", "#6b7280", "#e5e7eb"
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#444444"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, BLACK, YELLOW)
SEQUENTIAL, DIVERGING = "cividis", "PuOr"
WIDTH, DPI = 10.0, 100
LONGEST = 28
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """alt: what it shows, for those who cannot see it; note: how to read it."""

    png: bytes
    alt: str
    note: str = ""


@contextmanager
def style() -> Iterator[None]:
    # Agg needs no screen, and Figure no pyplot, which would keep every figure alive.
    with matplotlib.rc_context(STYLE):
        yield


def figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def grid(count: int, columns: int, row_height: float) -> tuple[Figure, list[Axes]]:
    """`count` axes in rows; what is over stays empty."""
    rows = -(-count // columns)
    made = figure(row_height * rows + 0.2)
    axes = made.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return made, list(axes[:count])


def drawing(made: Figure, alt: str, note: str = "") -> Drawing:
    """The same bytes for the same drawing: no version and no date among its metadata."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(made)
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", metadata={"Software": None})
    return Drawing(png=buffer.getvalue(), alt=alt, note=note)


def short(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def light(axis: Axes, which: str = "y") -> None:
    axis.grid(visible=True, axis=which, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    axis.tick_params(length=0)


def bars(
    axis: Axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str] | str = BLUE
) -> None:
    """Horizontal, the first at the top."""
    places = np.arange(len(names))
    axis.barh(places, values, color=colours, height=0.7)
    axis.set_yticks(places, [short(name) for name in names])
    axis.set_ylim(len(names) - 0.4, -0.6)
    light(axis, "x")
    axis.tick_params(axis="y", colors=INK)


def counts(axis: Axes) -> None:
    """Thousands with commas on the count axis."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def percent(axis: Axes, which: str = "y", digits: int = 0) -> None:
    from matplotlib.ticker import PercentFormatter

    (axis.yaxis if which == "y" else axis.xaxis).set_major_formatter(PercentFormatter(1, decimals=digits))
