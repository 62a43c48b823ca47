"""Figures of how a model was found: candidates, the search, the verdict on live traffic. PNG bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

from demo.charts import BAD, FROZEN, GOOD, LIVE, OBSERVED, RULE, _axes, png

PANELS = 5


def candidates(table: dict[str, Any]) -> bytes:
    """The validation loss of each candidate with its interval; the chosen one stands out."""
    lines = table["candidates"]
    figure, axes = _axes(
        f"Validation {_words(table['loss'])} by candidate (lower is better)", height=1.1 + 0.42 * len(lines)
    )
    for row, line in enumerate(lines):
        loss, is_chosen = line["loss"], line["name"] == table["chosen"]
        colour = GOOD if is_chosen else RULE
        if loss["low"] is not None:
            axes.plot(
                [loss["low"], loss["high"]], [row, row], color=colour, linewidth=2.2, solid_capstyle="round"
            )
        axes.plot([loss["value"]], [row], "o", color=colour, markersize=7)
        text = f"{loss['value']:.4g}" + ("  chosen" if is_chosen else "")
        axes.annotate(
            text, (loss["value"], row), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8.5
        )
    axes.set_yticks(range(len(lines)), [f"{line['name']} ({line['family']})" for line in lines], fontsize=9)
    axes.set_ylim(len(lines) - 0.5, -0.6)
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
    return png(figure)


def search(tuning: dict[str, Any]) -> bytes:
    """Each trial's objective in the order of the search, and against each searched hyperparameter."""
    trials = [trial for trial in tuning["trials"] if trial["objective"] is not None]
    names = list(tuning["ranges"])[:PANELS]
    figure, panels = plt.subplots(
        1, 1 + len(names), figsize=(2.2 + 2.0 * len(names), 2.9), sharey=True, squeeze=False
    )
    values = np.array([trial["objective"] for trial in trials])
    colours = [GOOD if trial["best"] else LIVE for trial in trials]
    first = panels[0][0]
    first.scatter([trial["number"] for trial in trials], values, c=colours, s=34, zorder=3)
    down = tuning["objective"]["type"] == "Minimize"
    best = np.minimum.accumulate(values) if down else np.maximum.accumulate(values)
    first.step(
        [trial["number"] for trial in trials],
        best,
        where="post",
        color=FROZEN,
        linewidth=1.4,
        label="best so far",
    )
    first.set_xlabel("trial")
    first.set_ylabel(tuning["objective"]["metric"])
    first.legend(frameon=False, fontsize=8)
    for axes, name in zip(panels[0][1:], names, strict=True):
        asked = tuning["ranges"][name]
        given = [trial["hyperparameters"].get(name) for trial in trials]
        if asked["type"] == "Categorical":
            choices = [str(value) for value in asked["values"]]
            axes.scatter([choices.index(str(value)) for value in given], values, c=colours, s=34, zorder=3)
            axes.set_xticks(range(len(choices)), choices, fontsize=8)
        else:
            axes.scatter([float(value) for value in given], values, c=colours, s=34, zorder=3)
            if asked.get("scale") == "Logarithmic":
                axes.set_xscale("log")
                # Its own labels of a decade or less lie on each other.
                ends = [float(asked["minimum"]), float(asked["maximum"])]
                axes.set_xticks(ends, [f"{end:g}" for end in ends])
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_xlim(ends[0] / 1.2, ends[1] * 1.2)
        axes.set_xlabel(name)
    for axes in panels[0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
        axes.tick_params(labelsize=8)
    figure.suptitle(
        f"{tuning['strategy']} search of {tuning['candidate']}",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )
    figure.tight_layout()
    return png(figure)


def bounds(looks: Sequence[dict[str, Any]]) -> bytes:
    """Gain of the challenger over the champion at each look, with the bounds that hold at all looks."""
    figure, axes = _axes(
        "Challenger against champion on live traffic (gain in loss, higher is better)", height=3.0
    )
    colours = {"promote": GOOD, "roll_back": BAD, "wait": OBSERVED}
    for at, look in enumerate(looks):
        colour = colours[look["verdict"]]
        axes.plot([at], [look["difference"]], "o", color=colour, markersize=7)
        if look["low"] is not None:
            axes.plot(
                [at, at], [look["low"], look["high"]], color=colour, linewidth=2.2, solid_capstyle="round"
            )
        margin = -look["margin"] * look["champion_loss"]
        axes.plot([at - 0.3, at + 0.3], [margin, margin], ":", color=BAD, linewidth=1.4)
        axes.annotate(
            look["verdict"].replace("_", " "),
            (at, look["difference"]),
            xytext=(9, -3),
            textcoords="offset points",
            fontsize=8.5,
            color=colour,
        )
    axes.axhline(0, color=RULE, linewidth=0.9)
    axes.set_xlim(-0.7, max(len(looks) - 0.3, 0.9))
    axes.set_xticks(range(len(looks)), [look["day"] for look in looks], fontsize=8.5)
    axes.set_xlabel(
        "monitoring report; the dotted line is the margin: a bar above it proves the challenger not worse",
        fontsize=9,
    )
    return png(figure)


def _words(name: str) -> str:
    return name.replace("_", " ")
