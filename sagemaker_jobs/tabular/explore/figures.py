"""All figures of the report by name, in the report's order; a figure without data is left out."""

from collections.abc import Callable

from tabular.explore import figures_columns, figures_labels, figures_pairs, figures_time
from tabular.explore.canvas import Drawing, style
from tabular.explore.report import Look

FIGURES: dict[str, Callable[[Look], Drawing | None]] = {
    "time": figures_time.time,
    "missing": figures_time.missing,
    "label": figures_labels.label,
    "learning": figures_labels.learning,
    "alone": figures_labels.alone,
    "histograms": figures_columns.histograms,
    "boxes": figures_columns.boxes,
    "categories": figures_columns.categories,
    "terms": figures_columns.terms,
    "correlation": figures_pairs.correlation,
    "scatter": figures_pairs.scatter,
    "clusters": figures_pairs.clusters,
    "dendrogram": figures_pairs.dendrogram,
    "map": figures_pairs.pca,
}


def draw(looked: Look) -> dict[str, Drawing]:
    with style():
        drawn = {name: make(looked) for name, make in FIGURES.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}
