"""What the gap between training and validation loss says: too simple, learned by heart, or neither.

The rule baseline is the yardstick. A model that hardly improves on it on rows it was fitted to is biased; one
that loses most of its improvement on rows it has not seen varies with its rows.
"""

from typing import Any

import numpy as np

from tabular import compared
from tabular.contract import ModelContract
from tabular.split import Split

ROWS = 50_000
# A validation loss of three times the training loss is a model that learned its rows by heart.
MAXIMUM_GAP = 3.0
# Below these shares the improvement over the rule is small, and small part of it holds on new rows.
LITTLE = 0.02
MOST = 0.5


def gap(contract: ModelContract, candidate: Any, rule: Any, parts: Split) -> dict[str, Any]:
    """
    train_loss, validation_loss, difference; rule_*: the same of the rule baseline
    explained  share of the rule's training loss that the candidate removes
    kept       share of that improvement that holds on validation rows; None without an improvement
    """
    yardstick = compared.Yardstick(contract=contract, space=candidate, train=parts.train)
    step = max(1, len(parts.train) // ROWS)
    train = parts.train.take(np.arange(0, len(parts.train), step))
    ours, rules = (
        [float(yardstick.of(model, rows).loss.mean()) for rows in (train, parts.validation)]
        for model in (candidate, rule)
    )
    improvement, held = rules[0] - ours[0], rules[1] - ours[1]
    result = {
        "train_loss": ours[0],
        "validation_loss": ours[1],
        "difference": ours[1] - ours[0],
        "rule_train_loss": rules[0],
        "rule_validation_loss": rules[1],
        "explained": improvement / rules[0] if rules[0] else 0.0,
        "kept": held / improvement if improvement > 0 else None,
        "maximum_ratio": float(contract.evaluation.get("maximum_gap", MAXIMUM_GAP)),
    }
    return result | reading(result)


def reading(found: dict[str, Any]) -> dict[str, str]:
    """{verdict, text}: high bias, high variance or balanced, with the figures that say so."""
    explained, kept = found["explained"], found["kept"]
    losses = (
        f"the loss is {found['train_loss']:.4g} on training and {found['validation_loss']:.4g} on new rows"
    )
    against = f"on training rows it removes {explained:.0%} of the rule's loss"
    if found["validation_loss"] > found["maximum_ratio"] * found["train_loss"]:
        ratio = found["validation_loss"] / found["train_loss"] if found["train_loss"] else np.inf
        text = (
            f"{losses}, {ratio:.2g} times as high, allowed is {found['maximum_ratio']:g} times: the model "
            "learned its rows by heart; take fewer or smaller trees, more regularisation, or more rows"
        )
        return {"verdict": "high variance", "text": text}
    if explained < LITTLE or kept is None:
        text = (
            f"{losses}; {against}, hardly more than the rule: the model is too simple, or the features say "
            "too little; add features, or let it grow"
        )
        return {"verdict": "high bias", "text": text}
    if kept < MOST:
        text = (
            f"{losses}; {against}, and {max(kept, 0):.0%} of this holds on new rows: the model follows its "
            "rows too closely; take fewer or smaller trees, more regularisation, or more rows"
        )
        return {"verdict": "high variance", "text": text}
    return {"verdict": "balanced", "text": f"{losses}; {against}, and {kept:.0%} of this holds on new rows"}
