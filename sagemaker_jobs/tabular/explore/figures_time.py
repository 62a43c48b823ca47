"""Figures over time: rows and label by day, and what is missing by month."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes

from tabular.explore.canvas import (
    BLUE,
    INK,
    ORANGE,
    SEQUENTIAL,
    SOFT,
    Drawing,
    bars,
    counts,
    drawing,
    figure,
    light,
    percent,
    short,
)
from tabular.explore.report import Look

MOST_COLUMNS = 30


def time(looked: Look) -> Drawing | None:
    """By day, or by as many days as rows are told apart in."""
    found = looked.found
    step, entries = found["time"]["days"], found["time"]["periods"]
    start = [date.fromisoformat(entry["start"]) for entry in entries]
    # A mean, since the last period may have fewer days.
    rows = np.array([entry["rows"] / entry["days"] for entry in entries])
    problem = found["contract"]["problem"]
    told = found["label"] is not None and problem != "multiclass"
    made = figure(4.6 if told else 2.6)
    axes = made.subplots(2 if told else 1, 1, sharex=True, squeeze=False).ravel()
    word = {1: "day", 7: "week"}.get(step, "four weeks")
    # Numbers: to a date matplotlib could add whole days only, and a bar of 0.9 would vanish.
    axes[0].bar(mdates.date2num(start), rows, width=step * 0.9, color=BLUE, align="edge")
    axes[0].set_ylabel("rows a day")
    axes[0].set_title("Rows by day" if step == 1 else f"Rows a day, by {word}")
    # Room for the windows' names above the bars.
    axes[0].set_ylim(0, max(rows.max(), 1) * 1.3)
    counts(axes[0])
    if told:
        _label(axes[1], start, found)
        axes[1].set_title(f"Label by {word}; that of the hold-out is not looked at")
    for axis in axes:
        light(axis)
        for at, count in zip(start, rows, strict=True):
            if not count:
                axis.axvspan(at, at + timedelta(days=step), color="#f3d9cf", linewidth=0)
    for place, (name, part) in enumerate(found["windows"].items()):
        begin = date.fromisoformat(part["start"])
        if name != "train":
            for axis in axes:
                axis.axvline(begin, color=INK, linewidth=0.9, linestyle="--")
        axes[0].annotate(
            {"holdout": "hold-out"}.get(name, name), (begin, 1), xycoords=("data", "axes fraction"),
            xytext=(3, -3 - 11 * (place == 2)), textcoords="offset points", va="top", fontsize=8, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )  # fmt: skip
    locator = mdates.AutoDateLocator(maxticks=10)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    gaps = sum(1 for count in rows if not count)
    note = "Band: 95 % interval." if problem == "binary" and told else ""
    if gaps:
        note += f" Tinted: no rows ({gaps})."
    return drawing(made, f"rows and mean label by {word}, with the windows of the run", note)


def _label(axis: Axes, start: list[date], found: Mapping[str, Any]) -> None:
    entries = found["time"]["periods"]
    mean = np.array([np.nan if entry["label_mean"] is None else entry["label_mean"] for entry in entries])
    number = np.array([entry["labelled"] or 1 for entry in entries])
    axis.plot(start, mean, color=ORANGE, linewidth=1.6, marker="o", markersize=2.5)
    binary = found["contract"]["problem"] == "binary"
    if binary:
        error = 1.96 * np.sqrt(mean * (1 - mean) / number)
        low, high = np.maximum(mean - error, 0), np.minimum(mean + error, 1)
        axis.fill_between(start, low, high, color=ORANGE, alpha=0.25, linewidth=0)
        percent(axis)
    axis.set_ylabel("share of class 1" if binary else "mean label")


def missing(looked: Look) -> Drawing | None:
    told = looked.found["missing"]
    columns = [entry for entry in told["columns"] if entry["share"] > 0]
    columns = sorted(columns, key=lambda entry: (-entry["share"], entry["feature"]))[:MOST_COLUMNS]
    if not columns:
        return None
    months = [entry["month"] for entry in told["months"]]
    made = figure(1.3 + 0.24 * len(columns))
    left, right = made.subplots(1, 2, sharey=True, width_ratios=[1, 1.6])
    bars(left, [entry["feature"] for entry in columns], [entry["share"] for entry in columns])
    left.set_title("Missing, of all rows")
    percent(left, "x")
    left.set_xlim(0, 1)
    shares = np.array([entry["by_month"] for entry in columns])
    shown = right.imshow(shares, aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=1)
    right.set_title("… by month")
    right.set_xticks(range(len(months)), [short(month) for month in months], rotation=45, ha="right")
    right.tick_params(length=0)
    if shares.size <= 180:
        for (row, at), share in np.ndenumerate(shares):
            colour = "white" if share < 0.55 else INK
            right.text(at, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color=colour)
    else:
        made.colorbar(shown, ax=right, label="share missing", fraction=0.04)
    right.spines[:].set_color(SOFT)
    return drawing(made, "share of missing values by column, and by column and month")
