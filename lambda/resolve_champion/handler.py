"""Answers CloudFormation with the promoted model's endpoint configuration, before the first the baseline's.

So deploying the stacks again never puts back an older model. When the stack goes, what the loop made goes
too, since CloudFormation does not know of it.
"""

import json
import os
import traceback
import urllib.request
from collections.abc import Mapping
from typing import Any

from shared.aws import client

from resolve_champion.leftovers import remove

# CloudFormation waits an hour for an answer that does not come: whatever happens, answer.
LONGEST_REASON = 1000


class ChampionError(RuntimeError):
    """The champion parameter cannot be read."""


def handler(event: dict[str, Any], context: Any) -> None:
    answer = {
        "Status": "SUCCESS",
        # Always the same, or CloudFormation would delete the "old" resource after an update.
        "PhysicalResourceId": event.get("PhysicalResourceId") or f"{os.environ['NAME_PREFIX']}champion",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        answer["Data"] = act(event["RequestType"])
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error} (log stream {getattr(context, 'log_stream_name', '?')})"
        answer |= {"Status": "FAILED", "Reason": reason[:LONGEST_REASON]}
    send(event["ResponseURL"], answer)


def act(request_type: str) -> dict[str, Any]:
    if request_type == "Delete":
        removed = remove(os.environ["NAME_PREFIX"], os.environ["MODEL_PACKAGE_GROUP"])
        print(json.dumps({"removed": removed}))
        return {"Removed": len(removed)}
    return {"EndpointConfigName": config_name()}


def config_name() -> str:
    value = client("ssm").get_parameter(Name=os.environ["CHAMPION_PARAMETER"])["Parameter"]["Value"]
    if value == "baseline":
        return os.environ["BASELINE_CONFIG_NAME"]
    try:
        return str(json.loads(value)["endpoint_config_name"])
    except (ValueError, KeyError, TypeError) as error:
        raise ChampionError(
            f"the parameter {os.environ['CHAMPION_PARAMETER']} names no endpoint_config_name ({error!r}): "
            "write what the loop wrote, or the word baseline to start again from the rule"
        ) from error


def send(url: str, answer: Mapping[str, Any]) -> None:
    # The address is signed without a content type: a header would break the signature.
    request = urllib.request.Request(  # noqa: S310  the address comes from CloudFormation
        url, data=json.dumps(answer).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
