"""Figures of single columns: histograms, boxes by class, categories with their labels, terms of texts."""

import numpy as np

from tabular.explore.canvas import (
    BLUE,
    INK,
    ORANGE,
    PALETTE,
    SOFT,
    Drawing,
    bars,
    counts,
    drawing,
    grid,
    light,
    percent,
    short,
)
from tabular.explore.report import Look

HISTOGRAMS, BOXES, CATEGORIES = 16, 8, 6
MOST_BARS = 8
MOST_CLASSES = 10


def histograms(looked: Look) -> Drawing | None:
    names = [name for name in _ranked(looked, "numeric") if looked.found["columns"][name].get("histogram")]
    shown = names[:HISTOGRAMS]
    if not shown:
        return None
    made, axes = grid(len(shown), 4, 1.75)
    for axis, name in zip(axes, shown, strict=True):
        told = looked.found["columns"][name]
        edges = np.array(told["histogram"]["edges"])
        heights = [count or 0 for count in told["histogram"]["counts"]]
        axis.bar(
            edges[:-1], heights, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.3
        )
        axis.axvline(told["quantiles"]["0.5"], color=ORANGE, linewidth=1.5)
        axis.set_title(short(name, 24), fontsize=9)
        if unit := looked.units.get(name):
            axis.set_xlabel(short(unit, 34), fontsize=7.5)
        axis.tick_params(labelsize=7.5)
        counts(axis)
        light(axis)
    for axis in axes[::4]:
        axis.set_ylabel("rows", fontsize=8)
    note = (
        "Line: median. The 5 lowest and highest values are drawn at the edges, bins of fewer than 5 rows not."
    )
    return drawing(made, "histograms of the numeric features", _left_out(note, names, shown))


def boxes(looked: Look) -> Drawing | None:
    """By class; a feature that shifts between classes tells them apart. Without classes one box each."""
    classes = looked.arrays["classes"]
    by_class = looked.found.get("boxes")
    columns = looked.found["columns"]
    names = [name for name in _ranked(looked, "numeric") if columns[name].get("quantiles")]
    shown = names[:BOXES]
    if not shown:
        return None
    labels = [short(str(name), 14) for name in classes[:MOST_CLASSES]] if by_class else [""]
    made, axes = grid(len(shown), 4, 0.75 + 0.17 * max(2, len(labels)))
    for axis, name in zip(axes, shown, strict=True):
        boxes = by_class[name][:MOST_CLASSES] if by_class else [list(columns[name]["quantiles"].values())]
        drawn = [
            (place, {"whislo": box[0], "q1": box[1], "med": box[2], "q3": box[3], "whishi": box[4]})
            for place, box in enumerate(boxes)
            if box is not None
        ]
        if drawn:
            made_boxes = axis.bxp(
                [box for _, box in drawn], positions=[place for place, _ in drawn], widths=0.6,
                orientation="horizontal", showfliers=False, patch_artist=True,
                medianprops={"color": INK, "linewidth": 1.5}, whiskerprops={"color": SOFT},
                capprops={"color": SOFT}, boxprops={"edgecolor": SOFT},
            )  # fmt: skip
            for (place, _), patch in zip(drawn, made_boxes["boxes"], strict=True):
                patch.set_facecolor(PALETTE[place % len(PALETTE)])
                patch.set_alpha(0.75)
        axis.set_yticks(range(len(labels)), labels)
        axis.set_ylim(len(labels) - 0.5, -0.5)
        axis.set_title(short(name, 24), fontsize=9)
        axis.tick_params(labelsize=7.5)
        light(axis, "x")
    note = "Box: middle half, line: median, whiskers: 5th and 95th percentile; by class of the label."
    if not by_class:
        note = "Box: middle half, line: median, whiskers: 5th and 95th percentile."
    if by_class and len(classes) > MOST_CLASSES:
        note += f" The first {MOST_CLASSES} of {len(classes)} classes."
    return drawing(made, "box plots of the numeric features", _left_out(note, names, shown))


def categories(looked: Look) -> Drawing | None:
    found = looked.found
    names = [name for name in _ranked(looked, "categorical") if found["columns"][name]["top"]]
    shown = names[:CATEGORIES]
    if not shown:
        return None
    means = found.get("label_by_category") or {}
    made, axes = grid(len(shown), 3, 2.6)
    for axis, name in zip(axes, shown, strict=True):
        told = found["columns"][name]
        top = told["top"][:MOST_BARS]
        values, shares = [entry["value"] for entry in top], [entry["share"] for entry in top]
        rest = told["distinct"] - len(top)
        if rest:
            values.append(f"{rest} others")
            shares.append(max(0.0, 1 - sum(shares)))
        bars(axis, [short(value, 16) for value in values], shares, [BLUE] * len(top) + [SOFT] * bool(rest))
        axis.set_title(short(name, 24), fontsize=9)
        axis.set_xlabel("share of rows", fontsize=8, color=BLUE)
        percent(axis, "x")
        axis.tick_params(labelsize=7.5)
        told_means = {entry["value"]: entry for entry in means.get(name, [])}
        points = [(at, told_means[value]) for at, value in enumerate(values) if value in told_means]
        if points:
            other = axis.twiny()
            other.errorbar(
                [entry["mean"] for _, entry in points], [at for at, _ in points],
                xerr=[entry["margin"] for _, entry in points], fmt="D", color=ORANGE, markersize=4.5,
                markeredgecolor=INK, markeredgewidth=0.5, capsize=2,
            )  # fmt: skip
            other.tick_params(labelsize=7.5, length=0, colors=ORANGE)
            other.spines["top"].set_visible(True)
            other.spines["top"].set_color(ORANGE)
            other.set_xlabel("mean label", fontsize=8, color="#9a6a00")
            other.tick_params(axis="x", colors="#9a6a00")
            if found["contract"]["problem"] == "binary":
                percent(other, "x")
    note = "Bars: share of rows (lower axis)."
    if means:
        note += " Diamonds: mean label with a 95 % interval (upper axis), of the sample."
    return drawing(made, "the most frequent categories", _left_out(note, names, shown))


def terms(looked: Look) -> Drawing | None:
    columns = looked.found["columns"]
    shown = [name for name in _ranked(looked, "text") if columns[name]["top_terms"]][:6]
    if not shown:
        return None
    made, axes = grid(len(shown), 2, 3.2)
    for axis, name in zip(axes, shown, strict=True):
        told = columns[name]["top_terms"][:12]
        bars(axis, [entry["term"] for entry in told], [entry["share"] for entry in told])
        percent(axis, "x")
        axis.set_xlabel("share of texts that hold the term")
        axis.set_title(short(name))
    return drawing(
        made, "the most frequent terms of the text columns", "Terms of fewer than 5 rows are not told."
    )


def _ranked(looked: Look, kind: str) -> list[str]:
    """Those that know most of the label first; without a label in the contract's order."""
    alone = looked.found.get("alone") or []
    names = [entry["feature"] for entry in alone] if alone else list(looked.kinds)
    return [name for name in names if looked.kinds[name] == kind]


def _left_out(note: str, names: list[str], shown: list[str]) -> str:
    more = len(names) - len(shown)
    return f"{note} Not drawn: {more}, those that know least of the label." if more else note
