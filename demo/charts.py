"""The report's figures: evidence in, PNG bytes out. One colour means one thing in all of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no screen needed; set before pyplot is imported
import matplotlib.dates as mdates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

# Okabe and Ito's palette: tells apart in print and for colour-blind readers.
LIVE, FROZEN, RULE, OBSERVED, BAD, GOOD = "#0072B2", "#D55E00", "#8C8C8C", "#222222", "#CC3311", "#009E73"
KIND_COLOURS = {
    "retraining": LIVE,
    "promotion": GOOD,
    "refusal": BAD,
    "failure": "#882255",
    "alarm": "#E69F00",
    "quarantine": "#CC79A7",
    "fault": "#56B4E9",
}


def png(figure: plt.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    return buffer.getvalue()


def _axes(title: str, *, width: float = 9.0, height: float = 3.4) -> tuple[plt.Figure, plt.Axes]:
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _series(
    months: Sequence[dict[str, Any]], who: str, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values with the ends of their 95 % intervals; NaN where a month has none."""
    cells = [(month.get(who) or {}).get(metric) for month in months]
    rows = [(c["value"], c["low"], c["high"]) if c else (np.nan,) * 3 for c in cells]
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))  # type: ignore[return-value]


def quality_over_months(months: Sequence[dict[str, Any]], metric: str, title: str) -> bytes:
    """Frozen first champion against the model that the loop kept, month by month; the rule as a floor."""
    figure, axes = _axes(title)
    at = np.arange(len(months))
    styles = (
        ("rule", RULE, "rule baseline", ":", "s"),
        ("frozen", FROZEN, "first champion, frozen", "--", "o"),
        ("live", LIVE, "the loop's champion", "-", "o"),
    )
    for who, colour, label, line, marker in styles:
        value, low, high = _series(months, who, metric)
        if np.isnan(value).all():
            continue
        axes.plot(at, value, line, color=colour, marker=marker, markersize=5, label=label, linewidth=1.8)
        axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
    for position, month in enumerate(months):
        if month.get("promoted"):
            axes.axvline(position - 0.5, color=GOOD, linewidth=1.2, alpha=0.8)
            axes.annotate(
                "promotion",
                (position - 0.5, 1.0),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                color=GOOD,
                xytext=(3, -9),
                textcoords="offset points",
            )
    axes.set_xticks(at, [month["month"] for month in months])
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return png(figure)


def rate_over_months(months: Sequence[dict[str, Any]], title: str, unit: str) -> bytes:
    """What was predicted on average against what then happened: the shape of the drift."""
    figure, axes = _axes(title)
    at = np.arange(len(months))
    observed = [np.nan if month["observed"] is None else month["observed"] for month in months]
    axes.bar(at, observed, width=0.55, color="#D9D9D9", label="observed")
    for who, colour, label in (
        ("frozen", FROZEN, "predicted, first champion frozen"),
        ("live", LIVE, "predicted, the loop's champion"),
    ):
        value, _, _ = _series(months, who, "mean_prediction")
        axes.plot(at, value, "o-", color=colour, label=label, markersize=5, linewidth=1.8)
    axes.set_xticks(at, [month["month"] for month in months])
    axes.set_ylabel(unit)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return png(figure)


def timeline(events: Sequence[dict[str, Any]], title: str) -> bytes:
    """One row per kind of event, one mark per event, on the account's clock."""
    kinds = [kind for kind in KIND_COLOURS if any(event["kind"] == kind for event in events)]
    figure, axes = _axes(title, height=0.6 + 0.42 * max(len(kinds), 1))
    for row, kind in enumerate(kinds):
        when = [datetime.fromisoformat(event["time"]) for event in events if event["kind"] == kind]
        axes.scatter(when, [row] * len(when), s=70, color=KIND_COLOURS[kind], zorder=3, edgecolor="white")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.xaxis.set_major_locator(mdates.MonthLocator())
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%b"))
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
    return png(figure)


def confusion(matrix: dict[str, Any], title: str) -> bytes:
    """Counts and row shares of a confusion matrix; `rows` of a true class, in them the chosen classes."""
    cells = np.array(matrix["rows"], dtype=float)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    count = len(cells)
    is_yes_or_no = count == 2
    side = max(3.4, 0.45 * count)
    figure, axes = plt.subplots(figsize=(side + 0.8, side))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(cells):
        share = shares[row, column]
        if not value and not is_yes_or_no:
            continue
        axes.text(
            column,
            row,
            f"{value:,.0f}\n{share:.0%}" if is_yes_or_no else f"{value:,.0f}",
            ha="center",
            va="center",
            fontsize=11 if is_yes_or_no else 8,
            color="white" if share > 0.55 else OBSERVED,
        )
    names = ["no", "yes"] if matrix["classes"] == ["0", "1"] else matrix["classes"]
    prefixes = ("predicted ", "was ") if is_yes_or_no else ("", "")
    axes.set_xticks(range(count), [f"{prefixes[0]}{name}" for name in names])
    axes.set_yticks(range(count), [f"{prefixes[1]}{name}" for name in names])
    if not is_yes_or_no:
        axes.set(xlabel="chosen", ylabel="true")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return png(figure)


def curves(points: dict[str, dict[str, list[float]]], x: str, y: str, title: str, *, diagonal: bool) -> bytes:
    """One curve per model: candidate, the champion before it, the rule; of several classes one for each of
    the candidate's, against all others.
    """
    styles = {"candidate": (LIVE, "-"), "champion": (FROZEN, "--"), "rule": (RULE, ":")}
    figure, axes = plt.subplots(figsize=(4.2, 3.4))
    by_class = [model for model in points if model.startswith("candidate ")]
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, max(len(by_class), 1)))
    for model, curve in points.items():
        if by_class and model not in by_class:
            continue
        colour, line = (shades[by_class.index(model)], "-") if by_class else styles[model]
        label = {"champion": "champion before"}.get(model, model.removeprefix("candidate "))
        axes.plot(curve[x], curve[y], line, color=colour, linewidth=1.8, label=label)
    if diagonal:
        axes.plot([0, 1], [0, 1], color="#E5E5E5", zorder=0)
    axes.set(xlabel=x.replace("_", " "), ylabel=y.replace("_", " "), xlim=(0, 1), ylim=(0, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, ncols=1 + len(by_class) // 6)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return png(figure)


def drift_map(months: Sequence[dict[str, Any]], limit: float, title: str) -> bytes:
    """Population stability index of each feature in each month against the champion's training rows."""
    names = sorted({name for month in months for name in month.get("psi") or {}})
    values = np.array([[(month.get("psi") or {}).get(name, np.nan) for month in months] for name in names])
    order = np.argsort(-np.nan_to_num(values).max(axis=1)) if len(names) else []
    figure, axes = plt.subplots(figsize=(9.0, 0.9 + 0.27 * max(len(names), 1)))
    shown = np.clip(values[order], 0, 1.0) if len(names) else np.zeros((1, 1))
    image = axes.imshow(shown, aspect="auto", cmap="OrRd", vmin=0, vmax=1.0)
    axes.set_facecolor("#F2F2F2")
    for column in np.flatnonzero(np.isnan(values).all(axis=0)) if len(names) else ():
        axes.text(
            column,
            (len(names) - 1) / 2,
            "no baseline: the rule served",
            rotation=90,
            ha="center",
            va="center",
            fontsize=8.5,
            color=OBSERVED,
        )
    for row, source in enumerate(order):
        for column in range(len(months)):
            value = values[source, column]
            if value >= limit:
                axes.text(
                    column,
                    row,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if value > 0.6 else OBSERVED,
                )
    axes.set_yticks(range(len(names)), [names[i] for i in order], fontsize=8.5)
    axes.set_xticks(range(len(months)), [month["month"] for month in months], fontsize=8.5)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    figure.colorbar(image, ax=axes, fraction=0.025, pad=0.01, label="PSI (1.0 and above: darkest)")
    return png(figure)


def bars(labels: Sequence[str], values: Sequence[float], title: str, unit: str, colour: str = LIVE) -> bytes:
    figure, axes = plt.subplots(figsize=(9.0, 0.8 + 0.3 * max(len(labels), 1)))
    at = np.arange(len(labels))
    axes.barh(at, values, color=colour, height=0.65)
    for position, value in zip(at, values, strict=True):
        axes.annotate(f" {value:,.4g}", (value, position), va="center", fontsize=8.5)
    axes.set_yticks(at, labels, fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return png(figure)
