"""The model card as CreateModelPackage takes it: with what only the gate knows, in one line of text.

Pure: the evaluation's card in, its text out.
"""

import json
from collections.abc import Mapping
from typing import Any

# Characters that ModelCardContent may have.
LARGEST = 100_000
LONGEST_NOTE = 1024


class CardError(ValueError):
    """A card that the registry would not take."""


def completed(card: Mapping[str, Any], *, model: str, data: str, run_id: str, reason: str) -> dict[str, Any]:
    """With the place of model and data, and why the gate let the model pass."""
    found = card["additional_information"]["custom_details"].get("run_id")
    if found != run_id:
        raise CardError(f"the model card below runs/{run_id}/ is of run {found}")
    training = card["training_details"]
    return {
        **card,
        "model_overview": {**card["model_overview"], "model_artifact": [model]},
        "training_details": {
            **training,
            "training_job_details": {**training["training_job_details"], "training_datasets": [data]},
        },
        "evaluation_details": [{**each, "datasets": [data]} for each in card["evaluation_details"]],
        "additional_information": {
            **card["additional_information"],
            "custom_details": {
                **card["additional_information"]["custom_details"],
                "gate": reason[:LONGEST_NOTE],
            },
        },
    }


def text(card: Mapping[str, Any]) -> str:
    """ASCII without a line break, which the API's pattern does not match."""
    line = json.dumps(card, separators=(",", ":"), allow_nan=False)
    if len(line) > LARGEST:
        raise CardError(
            f"the model card has {len(line)} characters, the registry takes {LARGEST}: evaluate leaves "
            "charts out of one that is too large, so look at the texts of the contract's evaluation.card"
        )
    return line
