"""Synthetic rows of rare classes (SMOTE): raw features between a row and a near one of its class.

Numbers are interpolated, a category is the most frequent of the neighbours', text is the row's own. The raw
row is then prepared like any other, so that bins, circles and products of it are true. Neighbours come from
the row's own fold: target encoding of the synthetic row then reads the label of none of its parents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabular.frame import Frame
from tabular.preparation import imbalance
from tabular.preparation.errors import PreparationError
from tabular.preparation.imputation import spread_out

DEFAULTS = {"neighbours": 5, "sample": 5_000}


def synthetic(
    rows: Frame, kinds: Mapping[str, str], folds: np.ndarray, options: Mapping[str, Any]
) -> tuple[Frame, np.ndarray]:
    """Synthetic rows without key and date, and the fold of each row's parents."""
    random = np.random.default_rng(options.get("seed", imbalance.DEFAULTS["seed"]))
    space = _space(rows, kinds)
    found: list[tuple[Frame, np.ndarray]] = []
    for name, count in imbalance.wanted(
        rows.label, options.get("ratio", imbalance.DEFAULTS["ratio"])
    ).items():
        members = np.flatnonzero(rows.label == name)
        members = members[spread_out(len(members), options.get("sample", DEFAULTS["sample"]))]
        near = _neighbours(space, members, folds, options.get("neighbours", DEFAULTS["neighbours"]), name)
        base = random.integers(len(members), size=count)
        chosen = near[base, random.integers(near.shape[1], size=count)]
        between = random.random(count)
        columns = {
            feature: _column(rows.columns[feature], kind, members, near, base, chosen, between)
            for feature, kind in kinds.items()
        }
        made = Frame(
            key=np.full(count, None, dtype=object),
            date=np.full(count, "", dtype="U10"),
            label=np.full(count, name),
            columns=columns,
        )
        found.append((made, folds[members[base]]))
    frames = [frame for frame, _ in found]
    return _joined(rows, frames, list(kinds)), np.concatenate(
        [np.empty(0, dtype=np.int64), *(fold for _, fold in found)]
    )


def _space(rows: Frame, kinds: Mapping[str, str]) -> np.ndarray:
    """Standardised numbers, missing ones at the mean; another category is one standard deviation away."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts = []
    numbers = [rows.columns[name] for name, kind in kinds.items() if kind == "numeric"]
    if numbers:
        known = [values for values in numbers if not np.isnan(values).all()]
        parts += [np.nan_to_num(StandardScaler().fit_transform(np.column_stack(known)))] if known else []
    for name, kind in kinds.items():
        if kind == "categorical":
            values = np.array(["" if value is None else f"={value}" for value in rows.columns[name].tolist()])
            encoder = OneHotEncoder(sparse_output=False, max_categories=50)
            parts.append(encoder.fit_transform(values.reshape(-1, 1)) * np.sqrt(0.5))
    if not parts:
        raise PreparationError(
            "imbalance smote: no numeric or categorical feature has a value, so no row is near another: "
            "choose oversample"
        )
    return np.hstack(parts)


def _neighbours(
    space: np.ndarray, members: np.ndarray, folds: np.ndarray, count: int, name: float
) -> np.ndarray:
    """(members, neighbours) as rows of the frame; each of the member's own fold, and never itself."""
    from sklearn.neighbors import NearestNeighbors

    found = np.empty((len(members), count), dtype=np.int64)
    for fold in np.unique(folds):
        places = np.flatnonzero(folds[members] == fold)
        if len(places) <= count:
            raise PreparationError(
                f"imbalance smote: class {name:g} has {len(places)} training rows in a fold, more than "
                f"{count} are needed for {count} neighbours: lower `neighbours`, widen the training window, "
                "or choose oversample"
            )
        inside = members[places]
        search = NearestNeighbors(n_neighbors=count + 1, algorithm="kd_tree").fit(space[inside])
        near = search.kneighbors(space[inside], return_distance=False)
        for place, line in zip(places, near, strict=True):
            # A row that equals others may not be its own first neighbour.
            others = [inside[other] for other in line if inside[other] != members[place]]
            found[place] = others[:count]
    return found


def _column(
    values: np.ndarray,
    kind: str,
    members: np.ndarray,
    near: np.ndarray,
    base: np.ndarray,
    chosen: np.ndarray,
    between: np.ndarray,
) -> np.ndarray:
    own = values[members[base]]
    if kind == "text":
        return own
    if kind == "categorical":
        frequent = {
            place: Counter([values[members[place]], *values[near[place]].tolist()]).most_common(1)[0][0]
            for place in np.unique(base).tolist()
        }
        return np.array([frequent[place] for place in base.tolist()], dtype=object)
    moved = own + between * (values[chosen] - own)
    # Where the neighbour has no value, the row keeps its own.
    return np.where(np.isnan(moved), own, moved)


def _joined(rows: Frame, frames: list[Frame], features: Sequence[str]) -> Frame:
    parts = [rows.take(np.empty(0, dtype=np.int64)), *frames]
    return Frame(
        key=np.concatenate([frame.key for frame in parts]),
        date=np.concatenate([frame.date for frame in parts]),
        label=np.concatenate([frame.label for frame in parts]),
        columns={name: np.concatenate([frame.columns[name] for frame in parts]) for name in features},
    )
