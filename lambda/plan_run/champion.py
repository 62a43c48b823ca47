"""Who serves now: the model that the champion parameter names, or the rule baseline."""

import json
from collections.abc import Mapping
from typing import Any

from plan_run.request import PlanError

FIELDS = (
    "run_id",
    "model_name",
    "model_data_url",
    "model_package_arn",
    "endpoint_config_name",
    "baseline_uri",
)


class ChampionError(PlanError):
    """The champion parameter cannot be read."""


def champion(value: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`value` is the parameter's: the word baseline, or what the loop wrote at the last promotion."""
    if value == "baseline":
        return {
            "kind": "baseline",
            "run_id": "baseline",
            "model_name": environment["BASELINE_MODEL_NAME"],
            "model_data_url": environment["BASELINE_MODEL_URL"],
            "model_package_arn": "",
            "endpoint_config_name": environment["BASELINE_CONFIG_NAME"],
            "baseline_uri": "",
        }
    content = _content(value)
    missing = [name for name in FIELDS if not content.get(name)]
    if missing:
        raise ChampionError(
            f"the champion parameter lacks {', '.join(missing)}: write the whole of {', '.join(FIELDS)}, "
            "or the word baseline to start again from the rule"
        )
    return {"kind": "model", **{name: str(content[name]) for name in FIELDS}}


def _content(value: str) -> dict[str, Any]:
    try:
        content = json.loads(value)
    except ValueError as error:
        raise ChampionError(
            f"the champion parameter is not JSON ({error}), allowed: the word baseline or an object"
        ) from error
    if not isinstance(content, dict):
        raise ChampionError(
            f"the champion parameter is {type(content).__name__}, allowed: the word baseline or an object"
        )
    return content
