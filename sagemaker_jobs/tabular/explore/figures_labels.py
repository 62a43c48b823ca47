"""Figures of the label: its balance, the learning curve, and how much each feature knows alone."""

import numpy as np

from tabular.explore.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SOFT,
    VERMILION,
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

MOST_FEATURES = 25
COLOURS = {"leak": VERMILION, "suspicious": ORANGE, "plausible": BLUE}


def label(looked: Look) -> Drawing | None:
    told = looked.found["label"]
    if told is None:
        return None
    if told["kind"] == "classes":
        entries = told["classes"]
        made = figure(0.9 + 0.28 * len(entries))
        axis = made.subplots()
        bars(
            axis, [f"class {entry['class']}" for entry in entries], [entry["share"] or 0 for entry in entries]
        )
        for place, entry in enumerate(entries):
            text = f" {entry['share']:.1%}, {entry['rows']:,} rows" if entry["rows"] else " fewer than 5 rows"
            axis.text(entry["share"] or 0, place, text, va="center", fontsize=8.5, color=INK)
        axis.set_xlim(0, max(entry["share"] or 0 for entry in entries) * 1.25)
        percent(axis, "x")
        axis.set_xlabel("share of the labelled training rows of the sample")
        return drawing(made, "share of each class of the label")
    if told["histogram"] is None:
        return None
    made = figure(2.6)
    axis = made.subplots()
    edges = np.array(told["histogram"]["edges"])
    heights = [count or 0 for count in told["histogram"]["counts"]]
    axis.bar(edges[:-1], heights, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    axis.axvline(told["mean"], color=ORANGE, linewidth=2, label=f"mean {told['mean']:.4g}")
    median = told["quantiles"]["0.5"]
    axis.axvline(median, color=INK, linewidth=1.2, linestyle="--", label=f"median {median:.4g}")
    axis.set_xlabel("label")
    axis.set_ylabel("rows")
    counts(axis)
    light(axis)
    axis.legend()
    return drawing(made, "histogram of the label")


def learning(looked: Look) -> Drawing | None:
    told = looked.found.get("sufficiency")
    if not told or not told["points"]:
        return None
    points = told["points"]
    sizes = np.array([point["labels"] for point in points])
    skills = np.array([point["skill"] for point in points])
    spread = np.array([point["sd"] for point in points])
    made = figure(3.2)
    axis = made.subplots()
    axis.errorbar(
        sizes, skills, yerr=spread, color=BLUE, marker="o", capsize=3, linewidth=1.8,
        label=f"measured: mean and standard deviation of {told['repeats']} draws",
    )  # fmt: skip
    curve = told["power_law"]
    end = max(2 * told["labelled"], int(sizes[-1] * 2))
    if curve is not None:
        x = np.geomspace(sizes[0], end, 60)
        y = 1 - curve["floor"] - curve["b"] * x ** -curve["c"]
        axis.plot(x, y, color=ORANGE, linestyle="--", linewidth=1.5, label="power law, read on")
        if curve["floor"] > 0.001 and 1 - curve["floor"] < skills.max() + 0.3:
            axis.axhline(1 - curve["floor"], color=SOFT, linewidth=1, linestyle=":")
            axis.text(
                sizes[0], 1 - curve["floor"], "ceiling of the power law", fontsize=8, color=SOFT, va="bottom"
            )
    axis.axvline(
        told["labelled"], color=GREEN, linewidth=1.5, label=f"labels there are: {told['labelled']:,}"
    )
    axis.axhline(0, color=INK, linewidth=0.8)
    axis.set_xscale("log")
    ticks = [size for place, size in enumerate(sizes) if (len(sizes) - 1 - place) % 2 == 0]
    axis.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axis.minorticks_off()
    axis.set_xlabel("labels learned from (logarithmic)")
    axis.set_ylabel("skill on the validation window")
    axis.set_title(short(f"Verdict: {told['verdict']}", 80))
    light(axis)
    axis.legend(fontsize=8, loc="lower right")
    return drawing(
        made,
        f"learning curve of the reference model; verdict: {told['verdict']}",
        "Skill: 0 knows nothing, 1 is never wrong. Each point doubles the labels of the one before.",
    )


def alone(looked: Look) -> Drawing | None:
    told = looked.found.get("alone")
    if not told:
        return None
    entries = told[:MOST_FEATURES]
    made = figure(0.9 + 0.22 * len(entries))
    axis = made.subplots()
    bars(
        axis, [entry["feature"] for entry in entries], [max(entry["skill"], 0) for entry in entries],
        [COLOURS[entry["verdict"]] for entry in entries],
    )  # fmt: skip
    for at, word in ((0.7, "suspicious"), (0.9, "leak")):
        axis.axvline(at, color=COLOURS[word], linestyle="--", linewidth=1.2)
        axis.text(at, -0.65, word, fontsize=8, color=COLOURS[word], ha="center", va="bottom")
    axis.set_xlim(0, 1)
    axis.set_xlabel("skill of the feature alone")
    more = len(told) - len(entries)
    return drawing(
        made,
        "skill of each feature alone, with the limits beyond which a leak is suspected",
        f"The {more} weakest features are left out." if more else "",
    )
