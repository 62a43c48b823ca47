"""Weakenings of policy statements: a denial or a condition dropped, a wildcard or a principal added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.mutation.mutant import GONE, Mutant, Place, Steps, properties, setting
from audit.policies import RESOURCE_POLICIES, listed

POLICIES = {
    **RESOURCE_POLICIES,
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
}
_OF_IDENTITIES = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
_TRUST, _BUCKET = "AWS::IAM::Role", "AWS::S3::BucketPolicy"
_EVERYBODY = ("*", {"AWS": "*"})


def of_statements(place: Place, entry: Any) -> Iterator[Mutant]:
    name = POLICIES.get(place.type, "")
    document = properties(entry).get(name)
    given = document.get("Statement") if isinstance(document, Mapping) else None
    for number, statement in enumerate(given if isinstance(given, list) else []):
        steps = ("Properties", name, "Statement", number)
        label = _label(statement)
        if statement.get("Effect") == "Deny":
            yield setting("denial dropped", place, steps, GONE, label)
            yield from _loosened(place, steps, statement, label)
            continue
        yield from _conditions(place, steps, statement, label)
        yield from _wider(place, steps, statement, label, entry)


def _label(statement: Mapping[str, Any]) -> str:
    """Stable while other statements come and go: its first action, how many more, its condition keys."""
    actions = [str(each) for each in listed(statement.get("Action"))] or ["NotAction"]
    more = f" +{len(actions) - 1}" if len(actions) > 1 else ""
    keys = [f"{operator} {key}" for operator, key in _keys(statement)]
    return f"{statement.get('Effect')} {actions[0]}{more}" + (f" if {', '.join(keys)}" if keys else "")


def _keys(statement: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = statement.get("Condition")
    blocks = given.items() if isinstance(given, Mapping) else ()
    return [(operator, key) for operator, block in blocks for key in block]


def _conditions(place: Place, steps: Steps, statement: Mapping[str, Any], label: str) -> Iterator[Mutant]:
    if "Condition" in statement:
        yield setting("condition dropped", place, (*steps, "Condition"), GONE, label)
    keys = _keys(statement)
    for operator, key in keys if len(keys) > 1 else []:
        alone = len(statement["Condition"][operator]) == 1
        inner = (*steps, "Condition", operator) + (() if alone else (key,))
        yield setting("condition loosened", place, inner, GONE, f"{label}: without {key}")


def _loosened(place: Place, steps: Steps, statement: Mapping[str, Any], label: str) -> Iterator[Mutant]:
    """A denial that compares with a version of TLS."""
    for operator, key in _keys(statement):
        if key.lower() == "s3:tlsversion":
            yield setting("denial loosened", place, (*steps, "Condition", operator, key), 1.0, label)


def _wider(
    place: Place, steps: Steps, statement: Mapping[str, Any], label: str, entry: Any
) -> Iterator[Mutant]:
    actions = [str(each) for each in listed(statement.get("Action"))]
    service = actions[0].partition(":")[0] if actions else ""
    everything = f"{service}:*"
    if place.type != _TRUST and actions and everything not in actions and "*" not in actions:
        yield setting("action widened", place, (*steps, "Action"), everything, label)
    resources = listed(statement.get("Resource"))
    if place.type in (*_OF_IDENTITIES, "AWS::EC2::VPCEndpoint") and resources != ["*"]:
        yield setting("resource widened", place, (*steps, "Resource"), "*", label)
    whole = _whole_bucket(entry) if place.type == _BUCKET else None
    if whole and resources != [whole] and any("object" in action.lower() for action in actions):
        yield setting("resource widened", place, (*steps, "Resource"), whole, label)
    if place.type not in _OF_IDENTITIES and statement.get("Principal") not in _EVERYBODY:
        yield setting("principal widened", place, (*steps, "Principal"), {"AWS": "*"}, label)


def _whole_bucket(entry: Any) -> Any:
    """All objects of the bucket that the policy is for, as the CDK writes it; None where it is named."""
    bucket = properties(entry).get("Bucket")
    if not isinstance(bucket, Mapping) or "Ref" not in bucket:
        return None
    return {"Fn::Join": ["", [{"Fn::GetAtt": [bucket["Ref"], "Arn"]}, "/*"]]}
