"""Model cards of model packages: refused where the registry would refuse them, shown with the package."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from sandbox.engines.jobs import refuse

SCHEMA = Path(__file__).with_name("model_card.schema.json")
STATES = ("Draft", "PendingReview", "Approved", "Archived")
LARGEST = 100_000


def checked(card: dict[str, Any]) -> dict[str, Any]:
    """The request's ModelCard, if its content follows the schema of model package model cards."""
    status, content = card.get("ModelCardStatus"), card.get("ModelCardContent")
    if status not in STATES:
        raise refuse(f"ModelCardStatus is {status}; allowed: {', '.join(STATES)}")
    if content is None:
        return card
    if len(content) > LARGEST:
        raise refuse(f"ModelCardContent has {len(content)} characters; allowed: {LARGEST}")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise refuse(f"ModelCardContent is not JSON ({error})") from error
    mistake = next(iter(sorted(_validator().iter_errors(document), key=lambda each: str(each.path))), None)
    if mistake is not None:
        place = ".".join(str(part) for part in mistake.absolute_path) or "the card"
        raise refuse(f"ModelCardContent does not follow the schema at {place}: {mistake.message[:300]}")
    return card


def changed(before: dict[str, Any] | None, card: dict[str, Any]) -> dict[str, Any]:
    """What an update makes of a package's card."""
    if before and before.get("ModelCardStatus") == "Archived" and "ModelCardContent" in card:
        raise refuse("Model Card is in Archived state")
    return checked({**(before or {}), **card})


@functools.cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
