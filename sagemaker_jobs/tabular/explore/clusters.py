"""Groups of alike rows: k-means with elbow and silhouette, Ward's tree on a few rows, and a map by PCA.

All on one matrix: numbers with the median for what is missing, cut at the 1st and 99th percentile and in
standard deviations; the most frequent categories as 0 and 1, centred. The label takes no part; it is told per
cluster.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from tabular.explore.describe import CLASSES, word_counts
from tabular.explore.numbers import FEWEST, group, hidden
from tabular.explore.sampling import Rows, Sizes

MOST_CLUSTERS = 8
MOST_CATEGORIES = 10
STARTS = 4
SEED = 20
TRAITS = 5
# Kaufman and Rousseeuw's reading of a mean silhouette.
WEAK, REASONABLE = 0.25, 0.5


def analyse(
    problem: str, classes: Sequence[str], rows: Rows, kinds: Mapping[str, str], sizes: Sizes
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What was found, and arrays for the figures. None with too few rows or no column that varies."""
    rows = rows.head(sizes.clusters)
    names, matrix = standardised(rows, kinds)
    if len(rows) < 10 * FEWEST or not names:
        return None, {}
    # One thread: sums in another order give other last digits. Limited is what is loaded by now, hence the
    # import of scikit-learn above.
    with threadpool_limits(limits=1):
        components = _components(names, matrix)
        steps, labels = _k_means(matrix, sizes)
        best = max((step for step in steps if step["silhouette"] is not None), key=lambda s: s["silhouette"])
        chosen = labels[best["k"]]
        tree, told = _tree(matrix[: sizes.linkage], best["k"], chosen[: sizes.linkage])
    found = {
        "rows": len(rows),
        "columns": len(names),
        "steps": steps,
        "elbow": elbow([step["k"] for step in steps], [step["inertia"] for step in steps]),
        "k": best["k"],
        "silhouette": best["silhouette"],
        "reading": reading(best["silhouette"]),
        "clusters": _profiles(problem, classes, rows, kinds, chosen, best["k"]),
        "tree": told,
        "components": components["told"],
    }
    points = slice(0, sizes.points)
    figures = {
        "tree": tree,
        "map": components["map"][points],
        "cluster": chosen[points],
        "label": rows.label[points],
    }
    return found, figures


def standardised(rows: Rows, kinds: Mapping[str, str]) -> tuple[list[str], np.ndarray]:
    """Names and values of the columns that vary."""
    names, columns = [], []
    for name, kind in kinds.items():
        if kind == "categorical":
            codes, values = group(rows.columns[name], MOST_CATEGORIES)
            if len(values) < 2:
                continue
            for number, value in enumerate(values):
                flag = (codes == number).astype(float)
                names.append(f"{name} = {value}")
                columns.append(flag - flag.mean())
            continue
        numbers = word_counts(rows.columns[name]) if kind == "text" else rows.columns[name]
        known = numbers[np.isfinite(numbers)]
        if len(known) < FEWEST:
            continue
        filled = np.where(np.isfinite(numbers), numbers, np.median(known))
        cut = np.clip(filled, *np.quantile(known, [0.01, 0.99]))
        if cut.std() > 0:
            names.append(name)
            columns.append((cut - cut.mean()) / cut.std())
    return names, np.column_stack(columns) if columns else np.empty((len(rows), 0))


def elbow(numbers: Sequence[int], inertia: Sequence[float]) -> int:
    """The k whose inertia lies farthest below the line from the first to the last."""
    x = (np.array(numbers) - numbers[0]) / (numbers[-1] - numbers[0])
    y = (np.array(inertia) - inertia[-1]) / max(inertia[0] - inertia[-1], 1e-12)
    return int(numbers[int(np.argmax(1 - x - y))])


def reading(silhouette: float) -> str:
    if silhouette >= REASONABLE:
        return "clear groups"
    return "groups that overlap" if silhouette >= WEAK else "no clear groups: the data are one cloud"


def _k_means(matrix: np.ndarray, sizes: Sizes) -> tuple[list[dict[str, Any]], dict[int, np.ndarray]]:
    steps, labels = [], {}
    few = matrix[: sizes.silhouette]
    for k in range(1, MOST_CLUSTERS + 1):
        fitted = KMeans(n_clusters=k, n_init=STARTS, random_state=SEED).fit(matrix)
        # Numbered by size, so that the first is the largest.
        order = np.argsort(-np.bincount(fitted.labels_, minlength=k), kind="stable")
        place = np.empty(k, dtype=int)
        place[order] = np.arange(k)
        labels[k] = place[fitted.labels_]
        shown = labels[k][: len(few)]
        separable = 1 < len(np.unique(shown)) < len(few)
        value = float(silhouette_score(few, shown)) if separable else None
        steps.append({"k": k, "inertia": float(fitted.inertia_), "silhouette": value})
    return steps, labels


def _tree(matrix: np.ndarray, k: int, flat: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    distances = pdist(matrix)
    tree = hierarchy.linkage(distances, method="ward")
    cut = hierarchy.fcluster(tree, k, criterion="maxclust")
    told = {
        "rows": len(matrix),
        "method": "ward",
        "cophenetic_correlation": float(hierarchy.cophenet(tree, distances)[0]),
        "sizes": sorted((hidden(int(count)) or 0 for count in np.bincount(cut)[1:]), reverse=True),
        "agreement_with_k_means": float(adjusted_rand_score(cut, flat)),
    }
    return tree, told


def _components(names: Sequence[str], matrix: np.ndarray) -> dict[str, Any]:
    count = min(10, *matrix.shape)
    fitted = PCA(n_components=count, svd_solver="full").fit(matrix)
    # The sign of a component is arbitrary: its largest loading is made positive.
    largest = np.abs(fitted.components_).argmax(axis=1)
    sign = np.sign(fitted.components_[np.arange(count), largest])
    loadings = fitted.components_ * sign[:, None]
    told = [
        {
            "component": number + 1,
            "explained": float(fitted.explained_variance_ratio_[number]),
            "loadings": [
                {"column": names[at], "loading": float(loadings[number, at])}
                for at in np.argsort(-np.abs(loadings[number]), kind="stable")[:TRAITS]
            ],
        }
        for number in range(count)
    ]
    return {"told": told, "map": (fitted.transform(matrix) * sign)[:, :2]}


def _profiles(
    problem: str, classes: Sequence[str], rows: Rows, kinds: Mapping[str, str], labels: np.ndarray, k: int
) -> list[dict[str, Any]]:
    """Size, label and the traits in which a cluster differs most; of one with few rows its size alone."""
    found = []
    for number in range(k):
        inside = labels == number
        entry: dict[str, Any] = {
            "cluster": number + 1,
            "rows": hidden(int(inside.sum())),
        }
        if entry["rows"]:
            entry["share"] = float(inside.mean())
            entry["traits"] = _traits(rows, kinds, inside)
            entry["label"] = _label(problem, classes, rows.label[inside])
        found.append(entry)
    return found


def _traits(rows: Rows, kinds: Mapping[str, str], inside: np.ndarray) -> list[dict[str, Any]]:
    """Differences in standard deviations of the column, of numbers or of a category's 0 and 1."""
    found = []
    for name, kind in kinds.items():
        if kind == "categorical":
            codes, values = group(rows.columns[name], MOST_CATEGORIES)
            for number, value in enumerate(values):
                found.append(_trait(f"{name} = {value}", "share", (codes == number).astype(float), inside))
        else:
            numbers = word_counts(rows.columns[name]) if kind == "text" else rows.columns[name]
            found.append(_trait(name, "mean", numbers, inside))
    told = [entry for entry in found if entry is not None]
    return sorted(told, key=lambda entry: (-abs(entry["difference_sd"]), entry["trait"]))[:TRAITS]


def _trait(name: str, kind: str, values: np.ndarray, inside: np.ndarray) -> dict[str, Any] | None:
    known = np.isfinite(values)
    here = values[inside & known]
    if len(here) < FEWEST or values[known].std() == 0:
        return None
    overall = values[known].mean()
    return {
        "trait": name,
        "kind": kind,
        "here": float(here.mean()),
        "overall": float(overall),
        "difference_sd": float((here.mean() - overall) / values[known].std()),
    }


def _label(problem: str, classes: Sequence[str], label: np.ndarray) -> dict[str, Any] | None:
    known = label[~np.isnan(label)]
    if len(known) < FEWEST:
        return None
    if problem != "multiclass":
        return {"mean": float(known.mean()), "rows": len(known)}
    shares = np.bincount(known.astype(int), minlength=len(classes)) / len(known)
    return {
        "rows": len(known),
        "most_frequent": classes[int(shares.argmax())] if problem in CLASSES else None,
        "share": float(shares.max()),
    }
