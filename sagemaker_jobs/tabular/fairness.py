"""How a model treats the groups of a declared attribute: rates and errors of each, and how far they differ.

The measures contradict each other where base rates differ: which of them matters is for people to say, and
stands in the contract's words. Intervals come from a bootstrap of days, as everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabular import metrics, weighted
from tabular.frame import Frame

MISSING = "(missing)"
MOST_GROUPS = 30
MINIMUM_ROWS = 50
BINS = 10

Rates = dict[str, np.ndarray]

# difference: (rate, or rates of which the larger difference counts)
BINARY = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalised_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity_difference": ("precision",),
    "calibration_difference": ("mean_error",),
    "accuracy_difference": ("accuracy",),
}
NUMBER = {"mean_error_difference": ("mean_error",), "mae_difference": ("mae",), "rmse_difference": ("rmse",)}


class FairnessError(ValueError):
    """An attribute whose groups cannot be compared."""


def report(
    problem: str,
    options: Mapping[str, Any],
    rows: Frame,
    score: np.ndarray,
    threshold: float | None,
    *,
    classes: Sequence[str] = (),
    confidence: float = 0.95,
    replicates: int = metrics.REPLICATES,
) -> dict[str, Any]:
    """
    options  attributes: [{feature, edges?}], minimum_rows: groups with fewer rows are named and left out
    rows     with a column for each attribute
    """
    minimum = int(options.get("minimum_rows", MINIMUM_ROWS))
    table, compared = _table(problem, rows.label, score, threshold, classes)
    days, codes = np.unique(rows.date, return_inverse=True)
    random = np.random.default_rng(0)
    draws = np.array(
        [
            np.bincount(random.integers(0, len(days), len(days)), minlength=len(days))
            for _ in range(replicates)
        ]
    )
    # The first line is the rows as they are.
    draws = np.vstack([np.ones(len(days)), draws])
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    return {
        "minimum_rows": minimum,
        "confidence": confidence,
        "attributes": [
            _attribute(entry, rows, table, compared, codes, draws, minimum, tails)
            for entry in options.get("attributes", ())
        ],
    }


def groups_of(entry: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
    """The group of each row as text: the category, or the range between two edges."""
    name = entry["feature"]
    if values.dtype == object:
        groups = np.array([MISSING if value is None else str(value) for value in values], dtype=object)
    else:
        edges = entry.get("edges")
        if not edges:
            raise FairnessError(
                f"fairness attribute {name} is a number without groups: give edges, for example "
                f"{{feature: {name}, edges: [30, 60]}}"
            )
        bounds = [f"below {edges[0]:g}"]
        bounds += [f"{low:g} to below {high:g}" for low, high in zip(edges, edges[1:], strict=False)]
        bounds.append(f"{edges[-1]:g} and above")
        codes = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
        groups = np.array(bounds, dtype=object)[np.where(np.isnan(values), 0, codes)]
        groups[np.isnan(values)] = MISSING
    count = len(set(groups.tolist()))
    if count > MOST_GROUPS:
        raise FairnessError(
            f"fairness attribute {name} has {count} groups, allowed are {MOST_GROUPS}: choose a coarser one"
        )
    return groups


def _attribute(
    entry: Mapping[str, Any],
    rows: Frame,
    table: Mapping[str, np.ndarray],
    compared: Mapping[str, tuple[str, ...]],
    codes: np.ndarray,
    draws: np.ndarray,
    minimum: int,
    tails: Sequence[float],
) -> dict[str, Any]:
    groups = groups_of(entry, rows.columns[entry["feature"]])
    names, counts = np.unique(groups, return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    kept = [name for name in names.tolist() if sizes[name] >= minimum]
    found = {name: _rates(table, groups == name, codes, draws) for name in kept}
    differences = _differences(found, compared, tails) if len(kept) > 1 else {}
    return {
        "attribute": entry["feature"],
        "groups": [
            {"group": name, "rows": sizes[name]}
            | {rate: _interval(values, tails) for rate, values in found[name].items()}
            for name in kept
        ],
        "left_out": [{"group": name, "rows": sizes[name]} for name in names.tolist() if name not in found],
        "differences": differences,
        "reading": _reading(entry["feature"], kept, differences),
    }


def _table(
    problem: str, label: np.ndarray, score: np.ndarray, threshold: float | None, classes: Sequence[str]
) -> tuple[dict[str, np.ndarray], Mapping[str, tuple[str, ...]]]:
    """Per row: the parts of which rates are made; and which differences are taken."""
    loss = metrics.row_loss(problem, label, score)
    one = np.ones(len(label))
    if problem == "binary":
        act = (score >= (0.5 if threshold is None else threshold)).astype(np.float64)
        bins = weighted.equal_bins(score, BINS)
        table = {"rows": one, "loss": loss, "y": label, "act": act, "hit": act * label, "score": score}
        table |= {f"bin{k}": np.where(bins == k, label - score, 0.0) for k in range(BINS)}
        return table, BINARY
    if problem == "multiclass":
        chosen = score.argmax(axis=1)
        table = {"rows": one, "loss": loss, "right": (chosen == label).astype(np.float64)}
        named = list(classes) or [str(k) for k in range(score.shape[1])]
        for k, name in enumerate(named):
            act, truth = (chosen == k).astype(np.float64), (label == k).astype(np.float64)
            table |= {f"y:{name}": truth, f"act:{name}": act, f"hit:{name}": act * truth}
        rates = {
            kind: tuple(f"{kind}:{name}" for name in named)
            for kind in ("selection_rate", "true_positive_rate", "false_positive_rate")
        }
        return table, {
            "demographic_parity_difference": rates["selection_rate"],
            "equal_opportunity_difference": rates["true_positive_rate"],
            "equalised_odds_difference": rates["true_positive_rate"] + rates["false_positive_rate"],
            "accuracy_difference": ("accuracy",),
        }
    error = score - label
    return {"rows": one, "loss": loss, "error": error, "absolute": np.abs(error), "squared": error**2}, NUMBER


def _rates(
    table: Mapping[str, np.ndarray], inside: np.ndarray, codes: np.ndarray, draws: np.ndarray
) -> Rates:
    """Rates of one group, one value per draw of days; NaN where a rate is not defined."""
    where = codes[inside]
    days = draws.shape[1]
    sums = {
        name: draws @ np.bincount(where, weights=values[inside], minlength=days)
        for name, values in table.items()
    }
    rows = sums["rows"]
    if "act" in sums:
        gaps = np.sum([np.abs(sums[f"bin{k}"]) for k in range(BINS)], axis=0)
        return _choices(sums, rows) | {
            "accuracy": _over(rows - sums["y"] - sums["act"] + 2 * sums["hit"], rows),
            "mean_error": _over(sums["score"] - sums["y"], rows),
            "calibration_error": _over(gaps, rows),
            "loss": _over(sums["loss"], rows),
        }
    if "right" in sums:
        result = {"accuracy": _over(sums["right"], rows), "loss": _over(sums["loss"], rows)}
        for name in [name[2:] for name in sums if name.startswith("y:")]:
            part = {kind: sums[f"{kind}:{name}"] for kind in ("y", "act", "hit")}
            result |= {f"{rate}:{name}": values for rate, values in _choices(part, rows).items()}
        return result
    return {
        "mean_error": _over(sums["error"], rows),
        "mae": _over(sums["absolute"], rows),
        "rmse": np.sqrt(_over(sums["squared"], rows)),
        "loss": _over(sums["loss"], rows),
    }


def _choices(sums: Mapping[str, np.ndarray], rows: np.ndarray) -> Rates:
    return {
        "base_rate": _over(sums["y"], rows),
        "selection_rate": _over(sums["act"], rows),
        "true_positive_rate": _over(sums["hit"], sums["y"]),
        "false_positive_rate": _over(sums["act"] - sums["hit"], rows - sums["y"]),
        "precision": _over(sums["hit"], sums["act"]),
    }


def _differences(
    found: Mapping[str, Rates], compared: Mapping[str, tuple[str, ...]], tails: Sequence[float]
) -> dict[str, Any]:
    """Largest minus smallest rate among the groups, in each draw; and the ratio of selection rates."""
    names = list(found)
    result: dict[str, Any] = {}
    for difference, rates in compared.items():
        tables = [np.stack([found[name][rate] for name in names]) for rate in rates]
        spread = np.max([_largest(table) - _smallest(table) for table in tables], axis=0)
        # The groups at the ends, of the rate that differs most.
        worst = max(tables, key=lambda table: np.nan_to_num(_largest(table) - _smallest(table))[0])[:, 0]
        ends = {}
        if not np.isnan(worst).all():
            ends = {"highest": names[int(np.nanargmax(worst))], "lowest": names[int(np.nanargmin(worst))]}
        result[difference] = _interval(spread, tails) | ends
    if "demographic_parity_difference" in result and "selection_rate" in next(iter(found.values())):
        table = np.stack([found[name]["selection_rate"] for name in names])
        ratio = _over(_smallest(table), _largest(table))
        result["demographic_parity_ratio"] = _interval(ratio, tails)
    return result


def _reading(attribute: str, kept: Sequence[str], differences: Mapping[str, Any]) -> str:
    if len(kept) < 2:
        return f"{attribute} has {len(kept)} group with enough rows: nothing to compare"
    parts = []
    for name, entry in differences.items():
        if entry["value"] is None or "highest" not in entry:
            continue
        parts.append(
            f"{name.replace('_', ' ')} {entry['value']:.3f} ({entry['highest']} over {entry['lowest']})"
        )
    return "; ".join(parts)


def _interval(values: np.ndarray, tails: Sequence[float]) -> dict[str, Any]:
    """The first value is the point, the others are draws."""
    point, drawn = values[0], values[1:][~np.isnan(values[1:])]
    if np.isnan(point) or not len(drawn):
        return {"value": None if np.isnan(point) else float(point), "low": None, "high": None}
    low, high = np.percentile(drawn, tails).tolist()
    return {"value": float(point), "low": low, "high": high}


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _largest(table: np.ndarray) -> np.ndarray:
    """Over the groups, ignoring those without the rate; NaN where fewer than two have it."""
    known = ~np.isnan(table)
    return np.where(known.sum(axis=0) > 1, np.where(known, table, -np.inf).max(axis=0), np.nan)


def _smallest(table: np.ndarray) -> np.ndarray:
    known = ~np.isnan(table)
    return np.where(known.sum(axis=0) > 1, np.where(known, table, np.inf).min(axis=0), np.nan)
