"""How good a list of recommendations is: of what a user liked, how much stands at the top of their list.

Ranked are the rows of each user in the hold-out window, not the whole catalogue.
"""

import numpy as np


class Measure:
    """recall and ndcg at k, mean over the users that have something to find; for any weights of the rows.

    relevance  (rows,): above zero is relevant; the gain of the NDCG
    """

    def __init__(self, user: np.ndarray, relevance: np.ndarray, score: np.ndarray, at: int = 10) -> None:
        _, codes = np.unique(user, return_inverse=True)
        self.at, self.codes = at, codes
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
