"""How good a list of recommendations is: of what a user took, how much stands at the top of their list.

Ranked is everything that training knew of, for every user that it knew; the rule's list is the popular one.
"""

from dataclasses import dataclass

import numpy as np

from tabular.frame import Frame

# Pairs of users and items that are scored at most: evenly chosen users stand for the others.
MOST_PAIRS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Every user with every item; and what a user took that training did not know, which no list can hold.

    known       (pairs,): whether the item was known in training
    popularity  (pairs,): how much of the item was taken in training, by all
    """

    frame: Frame
    user: np.ndarray
    relevance: np.ndarray
    popularity: np.ndarray
    known: np.ndarray


def pairs(train: Frame, rows: Frame, user: str, item: str) -> Pairs:
    """Users of `rows` that training knew, with the items of training; relevance is the sum of the label."""
    told = dict.fromkeys(value for value in train.columns[user].tolist() if value is not None)
    taken: dict[tuple[str, str], float] = {}
    for one, what, label in zip(
        rows.columns[user].tolist(), rows.columns[item].tolist(), rows.label.tolist(), strict=True
    ):
        if one in told and what is not None and label > 0:
            taken[one, what] = taken.get((one, what), 0.0) + label
    popular: dict[str, float] = {}
    for what, label in zip(train.columns[item].tolist(), train.label.tolist(), strict=True):
        if what is not None:
            popular[what] = popular.get(what, 0.0) + max(label, 0.0)
    items = sorted(popular)
    users = sorted({one for one, _ in taken})
    most = max(1, MOST_PAIRS // max(len(items), 1))
    if len(users) > most:
        users = [users[place] for place in np.linspace(0, len(users) - 1, most).astype(int)]
    asked = set(users)
    listed = [(one, what) for one in users for what in items]
    listed += sorted((one, what) for one, what in taken if what not in popular and one in asked)
    columns = {
        user: np.array([one for one, _ in listed], dtype=object),
        item: np.array([what for _, what in listed], dtype=object),
    }
    # Whatever else a model reads is missing: a list is made before anything is known of the occasion.
    for name, values in rows.columns.items():
        if name not in columns:
            columns[name] = np.full(len(listed), None if values.dtype == object else np.nan, values.dtype)
    unknown = np.full(len(listed), None, dtype=object)
    frame = Frame(
        key=unknown, date=np.full(len(listed), ""), label=np.full(len(listed), np.nan), columns=columns
    )
    return Pairs(
        frame=frame,
        user=columns[user],
        relevance=np.array([taken.get(pair, 0.0) for pair in listed]),
        popularity=np.array([popular.get(what, 0.0) for _, what in listed]),
        known=np.array([what in popular for _, what in listed], dtype=bool),
    )


class Measure:
    """recall and ndcg at k, mean over the users that have something to find; for any weights of the rows.

    relevance  (rows,): above zero is relevant; the gain of the NDCG
    """

    def __init__(self, user: np.ndarray, relevance: np.ndarray, score: np.ndarray, at: int = 10) -> None:
        _, codes = np.unique(user, return_inverse=True)
        self.at, self.codes, self.user = at, codes, user
        users = int(codes.max()) + 1 if len(codes) else 0
        gain = np.maximum(relevance, 0.0)
        place, ideal = _places(codes, score), _places(codes, gain)
        relevant = gain > 0
        top = place < at
        found = np.bincount(codes, weights=relevant & top, minlength=users)
        wanted = np.bincount(codes, weights=relevant, minlength=users)
        gained = np.bincount(codes, weights=np.where(top, gain / np.log2(place + 2), 0.0), minlength=users)
        best = np.bincount(
            codes, weights=np.where(ideal < at, gain / np.log2(ideal + 2), 0.0), minlength=users
        )
        self.has = wanted > 0
        self.recall = np.divide(found, wanted, out=np.zeros(users), where=self.has)
        self.ndcg = np.divide(gained, best, out=np.zeros(users), where=best > 0)

    def __call__(self, weight: np.ndarray | None = None) -> dict[str, float | None]:
        """`weight` is one of the rows; a user counts with the mean weight of their rows."""
        rows = np.ones(len(self.codes)) if weight is None else weight
        count = np.bincount(self.codes, minlength=len(self.has))
        heavy = np.bincount(self.codes, weights=rows, minlength=len(self.has)) / np.maximum(count, 1)
        heavy = np.where(self.has, heavy, 0.0)
        total = heavy.sum()
        return {
            f"recall_at_{self.at}": float((heavy * self.recall).sum() / total) if total else None,
            f"ndcg_at_{self.at}": float((heavy * self.ndcg).sum() / total) if total else None,
            "users": float(self.has.sum()),
        }


def _places(codes: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The place of each row in the list of its user, from 0; of equal scores the earlier row comes first."""
    order = np.lexsort((np.arange(len(score)), -score, codes))
    starts = np.searchsorted(codes[order], np.arange(int(codes.max()) + 1 if len(codes) else 0))
    places = np.empty(len(score), dtype=np.intp)
    places[order] = np.arange(len(score)) - starts[codes[order]]
    return places
