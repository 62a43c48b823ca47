"""Figures over time: rows and label by day, and what is missing by month."""

from datetime import date, timedelta

import numpy as np

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
from tabular.explore.describe import CLASSES
from tabular.explore.report import Look

MOST_DAYS = 150
MOST_COLUMNS = 30


def time(looked: Look) -> Drawing | None:
    """By day; by week when there are too many days to tell apart. A week counts from the first day."""
    found = looked.found
    step = 1 if len(found["days"]) <= MOST_DAYS else 7
    days = found["days"]
    parts = [days[at : at + step] for at in range(0, len(days), step)]
    start = [date.fromisoformat(part[0]["day"]) for part in parts]
    rows = np.array([sum(day["rows"] for day in part) for part in parts], dtype=float)
    problem = found["contract"]["problem"]
    told = found["label"] is not None and problem != "multiclass"
    made = figure(4.6 if told else 2.6)
    axes = made.subplots(2 if told else 1, 1, sharex=True, squeeze=False).ravel()
    word = "day" if step == 1 else "week"
    axes[0].bar(start, rows, width=timedelta(days=step * 0.9), color=BLUE, align="edge")
    axes[0].set_ylabel(f"rows a {word}")
    axes[0].set_title(f"Rows by {word}")
    counts(axes[0])
    if told:
        known = [[day for day in part if day["label_mean"] is not None] for part in parts]
        number = np.array([sum(day["labelled"] for day in part) for part in known], dtype=float)
        total = np.array([sum(day["labelled"] * day["label_mean"] for day in part) for part in known])
        mean = np.divide(total, number, out=np.full(len(parts), np.nan), where=number > 0)
        axes[1].plot(start, mean, color=ORANGE, linewidth=1.6, marker="o", markersize=2.5)
        if problem == "binary":
            error = 1.96 * np.sqrt(mean * (1 - mean) / np.maximum(number, 1))
            low, high = np.maximum(mean - error, 0), np.minimum(mean + error, 1)
            axes[1].fill_between(start, low, high, color=ORANGE, alpha=0.25, linewidth=0)
            percent(axes[1])
        axes[1].set_ylabel("share of class 1" if problem == "binary" else "mean label")
        axes[1].set_title(f"Label by {word}; that of the hold-out is not looked at")
    for axis in axes:
        light(axis)
        for at, count in zip(start, rows, strict=True):
            if not count:
                axis.axvspan(at, at + timedelta(days=step), color="#f3d9cf", linewidth=0)
    for name, part in found["windows"].items():
        begin = date.fromisoformat(part["start"])
        if name != "train":
            for axis in axes:
                axis.axvline(begin, color=INK, linewidth=0.9, linestyle="--")
        axes[0].annotate(
            {"holdout": "hold-out"}.get(name, name), (begin, 1), xycoords=("data", "axes fraction"),
            xytext=(3, -3), textcoords="offset points", va="top", fontsize=8, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )  # fmt: skip
    import matplotlib.dates as mdates

    locator = mdates.AutoDateLocator(maxticks=10)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    gaps = sum(1 for count in rows if not count)
    note = f"Band: 95 % interval. {gaps} {word}s without rows are tinted." if problem in CLASSES and told else ""
    return drawing(made, f"rows and mean label by {word}, with the windows of the run", note)


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
