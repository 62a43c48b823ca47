"""The policies that are in force now, read from the account's state and compiled once per text.

There is no invalidation to forget: the cache is keyed by the text, so a changed policy is another one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.iam.evaluate import Policy, Principal

_DENY_ALL = Policy("missing permissions boundary", {"Statement": []})


@lru_cache(4096)
def compiled(name: str, text: str | bytes) -> Policy:
    return Policy(name, json.loads(text))


def identity_policies(principal: Principal) -> tuple[Policy, ...]:
    """Inline and attached policies of the role or user (and the user's groups)."""
    holder = _holder(principal)
    if holder is None:
        return ()
    found = _policies_of(holder)
    if principal.kind == "user":
        groups = [g for g in _iam().groups.values() if any(u.arn == principal.arn for u in g.users)]
        for group in groups:
            found += _policies_of(group)
    return tuple(found)


def boundary(principal: Principal) -> Policy | None:
    """The permissions boundary; one that is named but does not exist allows nothing."""
    arn = getattr(_holder(principal), "permissions_boundary_arn", None)
    if not arn:
        return None
    policy = _iam().managed_policies.get(arn)
    return _managed(policy) if policy else _DENY_ALL


def role(arn: str) -> Any:
    """moto's role, or None."""
    name = arn.rsplit("/", 1)[-1]
    return next((r for r in list(_iam().roles.values()) if r.name == name and r.arn == arn), None)


def tags(principal: Principal) -> dict[str, str]:
    """Tags of the role or user."""
    found = getattr(_holder(principal), "tags", None) or {}
    if isinstance(found, dict):
        return {
            key: value["Value"] if isinstance(value, dict) else str(value) for key, value in found.items()
        }
    return {tag["Key"]: tag["Value"] for tag in found}


def identifier(principal: Principal) -> str:
    """The unique id (AROA..., AIDA...)."""
    return str(getattr(_holder(principal), "id", ""))


def role_arn(name: str) -> str | None:
    found = next((r for r in list(_iam().roles.values()) if r.name == name), None)
    return found.arn if found else None


def trust_policy(role_arn: str) -> Policy | None:
    found = role(role_arn)
    return compiled(role_arn, found.assume_role_policy_document) if found else None


def resource_policy(action: str, resource: str) -> tuple[Policy | None, bool]:
    """The resource's own policy, and whether it is authoritative (key and trust policies)."""
    service = action.partition(":")[0]
    if service == "sts":
        return trust_policy(resource) or _DENY_ALL, True
    if service == "kms" and ":key/" in resource:
        policy = _key_policy(resource)
        return policy, policy is not None  # no such key: KMS itself says so
    reader = _READERS.get(service)
    text = reader(resource) if reader else None
    return (compiled(resource, text) if text else None), False


def _iam() -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[ACCOUNT]["aws"]


def _holder(principal: Principal) -> Any:
    if principal.role_arn:
        return role(principal.role_arn)
    if principal.kind == "user":
        return next((u for u in list(_iam().users.values()) if u.arn == principal.arn), None)
    return None


def _policies_of(holder: Any) -> list[Policy]:
    inline = holder.policies
    items = (
        inline.items()
        if isinstance(inline, dict)
        else ((p["policy_name"], p["policy_document"]) for p in inline)
    )
    found = [compiled(f"{holder.name}/{name}", _text(document)) for name, document in items]
    return found + [_managed(policy) for policy in list(holder.managed_policies.values())]


def _managed(policy: Any) -> Policy:
    version = next(v for v in policy.versions if v.is_default)
    return compiled(policy.arn, version.document)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _key_policy(arn: str) -> Policy | None:
    from moto.kms.models import kms_backends

    key = kms_backends[ACCOUNT][regions.of(arn)].keys.get(arn.rsplit("/", 1)[-1])
    return compiled(arn, key.policy) if key else None


def _bucket(resource: str) -> str | bytes | None:
    from moto.s3.models import s3_backends

    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(resource.split(":", 5)[-1].split("/", 1)[0])
    return bucket.policy if bucket else None


def _queue(resource: str) -> str | None:
    from moto.sqs.models import sqs_backends

    queue = sqs_backends[ACCOUNT][regions.of(resource)].queues.get(resource.rsplit(":", 1)[-1])
    return queue.policy if queue else None


def _topic(resource: str) -> str | None:
    from moto.sns.models import sns_backends

    topic = sns_backends[ACCOUNT][regions.of(resource)].topics.get(resource)
    return topic.policy if topic else None


def _function(resource: str) -> str | None:
    from moto.awslambda.models import lambda_backends
    from moto.awslambda_simple.models import lambda_simple_backends

    name = ":".join(resource.split(":")[:7])
    for backends in (lambda_simple_backends, lambda_backends):
        for function in backends[ACCOUNT][regions.of(resource)].list_functions():
            if function.function_arn == name and function.policy and function.policy.statements:
                return json.dumps({"Version": "2012-10-17", "Statement": function.policy.statements})
    return None


def _secret(resource: str) -> str | None:
    from moto.secretsmanager.models import secretsmanager_backends

    secrets = secretsmanager_backends[ACCOUNT][regions.of(resource)].secrets
    found = next((s for s in list(secrets.values()) if s.arn == resource), None)
    return getattr(found, "policy", None)


def _repository(resource: str) -> str | None:
    from moto.ecr.models import ecr_backends

    repository = ecr_backends[ACCOUNT][regions.of(resource)].repositories.get(
        resource.split(":repository/")[-1]
    )
    return repository.policy if repository else None


def _catalogue(_: str) -> str | None:
    from moto.glue.models import glue_backends

    policy = getattr(glue_backends[ACCOUNT][regions.current()], "resource_policy", None) or {}
    return policy.get("PolicyInJson") if isinstance(policy, dict) else None


_READERS: dict[str, Callable[[str], str | bytes | None]] = {
    "s3": _bucket,
    "sqs": _queue,
    "sns": _topic,
    "lambda": _function,
    "secretsmanager": _secret,
    "ecr": _repository,
    "glue": _catalogue,
}
