"""Figures of columns together: correlation, density of the strongest pairs, clusters, dendrogram, PCA map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from scipy.cluster import hierarchy

from tabular.explore.canvas import (
    BLUE,
    DIVERGING,
    INK,
    ORANGE,
    PALETTE,
    SEQUENTIAL,
    SOFT,
    Drawing,
    drawing,
    figure,
    grid,
    light,
    percent,
    short,
)
from tabular.explore.numbers import FEWEST
from tabular.explore.report import Look

MOST_COLUMNS = 30
SCATTERS = 6
LEAVES = 24


def correlation(looked: Look) -> Drawing | None:
    """The columns of the strongest pairs, alike ones beside each other."""
    pairs = looked.found["correlation"]
    if not pairs:
        return None
    names, matrix = _strengths(pairs)
    made = figure(2.0 + 0.27 * len(names))
    axis = made.subplots()
    shown = axis.imshow(matrix, cmap=DIVERGING, vmin=-1, vmax=1)
    axis.set_xticks(range(len(names)), [short(name, 20) for name in names], rotation=60, ha="right")
    axis.set_yticks(range(len(names)), [short(name, 20) for name in names])
    axis.tick_params(length=0, colors=INK, labelsize=8)
    if len(names) <= 25:
        for (row, at), value in np.ndenumerate(matrix):
            if row != at and abs(value) >= 0.1:
                colour = "white" if abs(value) > 0.65 else INK
                axis.text(
                    at,
                    row,
                    f"{value:.1f}".replace("0.", "."),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=colour,
                )
    made.colorbar(shown, ax=axis, label="strength of relation", fraction=0.035)
    everyone = len({name for pair in pairs for name in (pair["a"], pair["b"])})
    note = (
        "Numbers: Spearman. Categories: Cramer's V. Number and category: eta, of two categories the "
        "point-biserial correlation. Alike columns stand together; values below 0.1 are not written."
    )
    if everyone > len(names):
        note += f" The {len(names)} of {everyone} columns with the strongest pairs."
    return drawing(made, "strength of relation between columns", note)


def _strengths(pairs: Sequence[Mapping[str, Any]]) -> tuple[list[str], np.ndarray]:
    """Of the columns in the strongest pairs, ordered so that alike ones are neighbours."""
    every = dict.fromkeys(name for pair in pairs for name in (pair["a"], pair["b"]))
    names = list(every)[:MOST_COLUMNS]
    matrix = np.eye(len(names))
    for pair in pairs:
        if pair["a"] in names and pair["b"] in names:
            at, other = names.index(pair["a"]), names.index(pair["b"])
            matrix[at, other] = matrix[other, at] = pair["value"]
    if len(names) < 3:
        return names, matrix
    distances = np.clip(1 - np.abs(matrix), 0, None)[np.triu_indices(len(names), 1)]
    order = hierarchy.leaves_list(hierarchy.linkage(distances, method="average"))
    return [names[at] for at in order], matrix[np.ix_(order, order)]


def scatter(looked: Look) -> Drawing | None:
    """Densities, not rows: a cell is drawn from FEWEST rows on."""
    kinds = looked.kinds
    pairs = [
        pair
        for pair in looked.found["correlation"]
        if kinds[pair["a"]] == kinds[pair["b"]] == "numeric" and abs(pair["value"]) < 0.9995
    ][:SCATTERS]
    if not pairs:
        return None
    made, axes = grid(len(pairs), 3, 2.7)
    shown = None
    for axis, pair in zip(axes, pairs, strict=True):
        x, y = looked.train.columns[pair["a"]], looked.train.columns[pair["b"]]
        known = np.isfinite(x) & np.isfinite(y)
        x, y = x[known], y[known]
        x, y = (np.clip(values, *np.quantile(values, [0.005, 0.995])) for values in (x, y))
        cells = int(np.clip(np.sqrt(len(x) / 25), 6, 30))
        shown = axis.hexbin(x, y, gridsize=cells, mincnt=FEWEST, cmap=SEQUENTIAL, bins="log", linewidths=0.1)
        axis.set_title(f"Spearman {pair['value']:+.2f}", fontsize=9)
        axis.set_xlabel(_axis(looked, pair["a"]), fontsize=8)
        axis.set_ylabel(_axis(looked, pair["b"]), fontsize=8)
        axis.tick_params(labelsize=7.5)
    if shown is not None:
        made.colorbar(shown, ax=axes, label="rows in a cell (logarithmic)", fraction=0.02, ticks=[])
    note = "Each cell counts rows, light ones most; cells of fewer than 5 rows are left empty."
    return drawing(made, "density of the strongest pairs of numbers", note)


def clusters(looked: Look) -> Drawing | None:
    told = looked.found["clusters"]
    if told is None:
        return None
    made = figure(2.7)
    left, middle, right = made.subplots(1, 3)
    steps = told["steps"]
    left.plot([step["k"] for step in steps], [step["inertia"] for step in steps], color=BLUE, marker="o")
    left.axvline(told["elbow"], color=ORANGE, linestyle="--", label=f"elbow: {told['elbow']}")
    left.set_title("Elbow")
    left.set_ylabel("inertia (squared distances)")
    left.legend()
    scored = [step for step in steps if step["silhouette"] is not None]
    middle.plot(
        [step["k"] for step in scored], [step["silhouette"] for step in scored], color=BLUE, marker="o"
    )
    middle.axvline(told["k"], color=ORANGE, linestyle="--", label=f"chosen: {told['k']}")
    middle.axhline(0.25, color=SOFT, linewidth=1, linestyle=":")
    middle.set_ylim(0, max(0.5, max(step["silhouette"] for step in scored) * 1.15))
    middle.text(8, 0.255, "below: no clear groups", fontsize=7.5, color=SOFT, ha="right", va="bottom")
    middle.set_title("Silhouette")
    middle.set_ylabel("mean silhouette")
    middle.legend()
    for axis in (left, middle):
        axis.set_xlabel("clusters k")
        axis.set_xticks([step["k"] for step in steps])
        light(axis)
    shares = [entry.get("share") or 0 for entry in told["clusters"]]
    places = np.arange(len(shares))
    right.bar(places, shares, color=[PALETTE[place % len(PALETTE)] for place in places])
    right.set_xticks(places, [str(place + 1) for place in places])
    right.set_xlabel("cluster")
    right.set_ylabel("share of rows")
    right.set_title("Sizes")
    percent(right)
    light(right)
    return drawing(made, "elbow, silhouette over k, and sizes of the clusters")


def dendrogram(looked: Look) -> Drawing | None:
    told = looked.found["clusters"]
    if told is None:
        return None
    tree, k = looked.arrays["tree"], told["k"]
    made = figure(3.0)
    axis = made.subplots()
    heights = tree[:, 2]
    cut = float((heights[-k] + heights[-k + 1]) / 2) if k > 1 else float(heights[-1] * 1.1)
    hierarchy.set_link_color_palette(list(PALETTE))
    hierarchy.dendrogram(
        tree, p=LEAVES, truncate_mode="lastp", ax=axis, color_threshold=cut, above_threshold_color=SOFT,
        show_leaf_counts=True, leaf_rotation=0, leaf_font_size=7.5,
    )  # fmt: skip
    hierarchy.set_link_color_palette(None)
    axis.axhline(cut, color=INK, linestyle="--", linewidth=1)
    axis.text(axis.get_xlim()[1], cut, f"cut into {k} ", fontsize=8, ha="right", va="bottom", color=INK)
    axis.set_ylabel("Ward distance")
    # Leaves are numbers of rows in brackets; a bare number would be the place of a single row.
    labels = [text.get_text() if "(" in text.get_text() else "(1)" for text in axis.get_xticklabels()]
    axis.set_xticks(axis.get_xticks(), labels)
    axis.set_xlabel(f"rows below each branch (of {told['tree']['rows']})")
    light(axis)
    return drawing(made, "dendrogram of the hierarchical clustering, its last merges")


def pca(looked: Look) -> Drawing | None:
    told = looked.found["clusters"]
    if told is None or looked.arrays["map"].shape[1] < 2:
        return None
    points, label = looked.arrays["map"], looked.arrays["label"]
    made = figure(3.5)
    left, middle, right = made.subplots(1, 3, width_ratios=[0.8, 1, 1])
    explained = [entry["explained"] for entry in told["components"]]
    places = np.arange(1, len(explained) + 1)
    left.bar(places, explained, color=BLUE, label="each")
    left.plot(places, np.cumsum(explained), color=ORANGE, marker="o", markersize=3.5, label="together")
    left.set_xticks(places)
    left.set_xlabel("component")
    left.set_title("Explained variance")
    left.set_ylim(0, 1)
    left.legend(loc="upper left")
    percent(left)
    light(left)
    names = [f"cluster {entry['cluster']}" for entry in told["clusters"]]
    _points(middle, points, looked.arrays["cluster"], names)
    middle.set_title("Map, by cluster")
    classes = looked.arrays["classes"]
    right.set_title("Map, by label")
    if looked.found["label"] is None:
        right.set_axis_off()
        right.set_title("")
    elif classes:
        known = ~np.isnan(label)
        _points(right, points[known], label[known].astype(int), [f"class {name}" for name in classes])
    else:
        low, high = np.nanquantile(label, [0.02, 0.98])
        shown = right.scatter(
            *points.T, c=label, s=9, cmap=SEQUENTIAL, alpha=0.75, linewidths=0, vmin=low, vmax=high
        )
        made.colorbar(shown, ax=right, label="label", fraction=0.05)
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    reach = 0.06 * (high - low)
    for axis in (middle, right):
        axis.set_xlabel(f"component 1 ({explained[0]:.0%})")
        axis.set_ylabel(f"component 2 ({explained[1]:.0%})")
        axis.set_xlim(low[0] - reach[0], high[0] + reach[0])
        axis.set_ylim(low[1] - reach[1], high[1] + reach[1])
        axis.tick_params(labelsize=7.5)
    note = (
        f"Up to {len(points):,} rows of the sample; a point is a mixture of all columns, no value can be "
        "read from it."
    )
    return drawing(made, "explained variance, and the rows on their first two components", note)


def _points(axis: object, points: np.ndarray, group: np.ndarray, names: list[str]) -> None:
    """In the order of the rows, not group by group: the last drawn would cover the others."""
    colours = np.array(PALETTE)[group % len(PALETTE)]
    axis.scatter(*points.T, c=colours, s=9, alpha=0.65, linewidths=0)  # type: ignore[attr-defined]
    marks = [
        Line2D([], [], marker="o", linestyle="", color=PALETTE[place % len(PALETTE)], label=short(name, 16))
        for place, name in enumerate(names[: len(PALETTE)])
    ]
    axis.legend(handles=marks, fontsize=7, loc="best", handletextpad=0.1, framealpha=0.8, frameon=True)  # type: ignore[attr-defined]


def _axis(looked: Look, name: str) -> str:
    unit = looked.units.get(name)
    return short(f"{name} ({unit})" if unit else name, 34)
