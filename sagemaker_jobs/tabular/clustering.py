"""How good clusters are: nothing is known to be right, so rows are compared with the rows beside them."""

from typing import Any

import numpy as np

# The silhouette compares every pair of rows: more of them say little more and cost their square.
SAMPLE = 2000


def sampled(rows: int, most: int = SAMPLE) -> np.ndarray:
    """Evenly chosen rows, the same ones for every model that is compared."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int))


def silhouettes(matrix: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(rows,), -1 to 1: how much nearer a row is to its own cluster than to the next (Rousseeuw 1987).

    0 for a row that is alone in its cluster, and for all rows of a single cluster.
    """
    from sklearn.metrics import silhouette_samples

    present = len(np.unique(clusters))
    if not 2 <= present < len(clusters):
        return np.zeros(len(clusters))
    return np.asarray(silhouette_samples(standardised(matrix), clusters), dtype=np.float64)


def row_loss(matrix: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """1 - silhouette, 0 to 2: a loss of each row, so that clusterings meet the same gate as other models."""
    return 1 - silhouettes(matrix, clusters)


def metrics(matrix: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    """silhouette (higher is better), davies_bouldin (lower), calinski_harabasz (higher), sizes by cluster."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    names, counts = np.unique(clusters, return_counts=True)
    result: dict[str, Any] = {
        "clusters": len(names),
        "sizes": {f"{name:g}": int(count) for name, count in zip(names, counts, strict=True)},
        "smallest_share": float(counts.min() / counts.sum()),
        "silhouette": None,
        "davies_bouldin": None,
        "calinski_harabasz": None,
    }
    if 2 <= len(names) < len(clusters):
        space = standardised(matrix)
        result |= {
            "silhouette": float(silhouettes(matrix, clusters).mean()),
            "davies_bouldin": float(davies_bouldin_score(space, clusters)),
            "calinski_harabasz": float(calinski_harabasz_score(space, clusters)),
        }
    return result


def standardised(matrix: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and standard deviation 1, missing values at the mean: no unit outweighs another."""
    values = np.asarray(matrix, dtype=np.float64)
    missing = np.isnan(values)
    known = np.where(missing, 0.0, values)
    count = np.maximum((~missing).sum(axis=0), 1)
    centred = np.where(missing, 0.0, values - known.sum(axis=0) / count)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    return centred / np.where(spread > 0, spread, 1.0)
