"""Who trains in a run: the contract's candidates with their hyperparameters, and a search for better ones."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from shared.aws import client

from plan_run.request import START, STARTS, HyperparameterError, Request

SEARCHING = ("schedule", "manual")  # triggers of the runs that have time for a search
GOES_ON = "xgboost"  # the family whose model consists of trees that others can be added to


def planned(
    asked: Request, model: Mapping[str, Any], run_id: str, dates: Mapping[str, str]
) -> dict[str, Any]:
    """`candidates` of the plan and, if the contract asks for a search, `tuning`.

    Who sets hyperparameters wants to see what they do: then nothing better is searched. Nor when drift or a
    run that waited asks: there a model is wanted soon, and the next scheduled run searches again.
    """
    if asked.start != STARTS[0] and all(one["family"] != GOES_ON for one in model["candidates"]):
        raise HyperparameterError(
            f"hyperparameters.{START}: got {asked.start!r}, but no candidate of the contract is of the "
            f"family {GOES_ON}, which alone can go on from a model: leave it out"
        )
    candidates = [_candidate(each, asked, run_id, dates) for each in model["candidates"]]
    plan: dict[str, Any] = {"candidates": candidates}
    if model["tuning"] and not asked.hyperparameters and asked.trigger in SEARCHING:
        plan["tuning"] = _tuning(model, candidates, run_id)
    return plan


def _candidate(
    candidate: Mapping[str, Any], asked: Request, run_id: str, dates: Mapping[str, str]
) -> dict[str, Any]:
    own = {
        name: asked.hyperparameters.get(name, str(value))
        for name, value in candidate["hyperparameters"].items()
        if isinstance(value, int | float | str)  # the script takes lists from its contract
    }
    if os.environ["ALGORITHM"] == "script":
        start = asked.start if candidate["family"] == GOES_ON else STARTS[0]
        ours = {"run_id": run_id, "candidate": candidate["name"], START: start, **dates}
        own = {**ours, **own}  # the built-in algorithm refuses what it does not know
    return {"name": candidate["name"], "family": candidate["family"], "hyperparameters": own}


def _tuning(model: Mapping[str, Any], candidates: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    """`hyperparameters`: the same in all trials; `like`: equal for searches that can go on from each other.

    SageMaker asks for the same objective and the same hyperparameters, whether searched or fixed.
    """
    section = model["tuning"]
    [chosen] = [each for each in candidates if each["name"] == section["candidate"]]
    ranges, given = section["ranges"], chosen["hyperparameters"]
    kind = [model["problem"], chosen["family"], sorted({*given, *ranges})]
    like = hashlib.sha256(json.dumps(kind).encode()).hexdigest()[:16]
    prefix = os.environ["ENDPOINT_NAME"].removesuffix("-endpoint")
    return {
        # 32 characters are all that SageMaker allows: of the run's id the part that no other run has.
        "name": f"{prefix}-{run_id.rpartition('-')[2]}",
        "hyperparameters": {name: value for name, value in given.items() if name not in ranges},
        "like": like,
        "parents": _parents(like) if section["warm_start"] else [],
    }


def _parents(like: str) -> list[dict[str, str]]:
    """The last search that came to an end, if this one can go on from it."""
    answer = client("dynamodb").get_item(
        TableName=os.environ["LEDGER_TABLE"], Key={"id": {"S": "tuning#last"}}, ConsistentRead=True
    )
    item = answer.get("Item")
    if item is None or item["like"]["S"] != like:
        return []
    return [{"HyperParameterTuningJobName": item["job"]["S"]}]
