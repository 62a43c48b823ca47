"""Credentials as AWS services obtain them: by a role that trusts the service, with where they are used."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox import account, clock, regions
from sandbox.account import ACCOUNT
from sandbox.iam import record, sessions, store
from sandbox.iam.evaluate import Decision, Policies, Principal, Request, decide
from sandbox.iam.network import Network

__all__ = ["Credentials", "Denied", "Network", "TrustDenied", "authorize_service", "service_credentials"]

_minting = threading.Lock()  # moto's list of sessions is not made for threads


class Denied(Exception):
    """A service may not do this to the resource; the resource's policy says so."""


class TrustDenied(Denied):
    """The role does not trust the service under these circumstances."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Temporary keys of one role session."""

    access_key: str
    secret_key: str
    token: str
    role_arn: str
    session: str
    region: str = field(default_factory=regions.current)  # where whoever holds them works

    def environment(self) -> dict[str, str]:
        """What a subprocess needs to call the account as this role, and nothing else."""
        return account.environment(self)

    def client(self, service: str) -> Any:
        return account.client(service, self)


def reset() -> None:
    """Forget every session; their roles are gone."""
    sessions.reset()


def service_credentials(
    role_arn: str,
    service: str,
    *,
    session: str,
    source_arn: str | None = None,
    network: Network | None = None,
    runs_code: bool = True,
) -> Credentials:
    """The role as `service` (lambda.amazonaws.com) assumes it for `source_arn`; TrustDenied if it may not.

    `runs_code` False: the service uses them itself (network interfaces, log lines); Lambda then leaves the
    function's ARN out of the calls, which is how a policy tells the service from the function's own code.
    """
    decision = _service_decision(service, "sts:AssumeRole", role_arn, source_arn, {})
    if not decision.allowed:
        raise TrustDenied(_refusal(service, "sts:AssumeRole", role_arn, source_arn, decision))
    from moto.sts.models import sts_backends

    name = re.sub(r"[^\w+=,.@-]", "-", session)[:64]
    with _minting:
        role = sts_backends[ACCOUNT]["aws"].assume_role(regions.current(), name, role_arn, None, 3600, None)
    principal = sessions.role_session(role_arn, name)
    sessions.remember(
        role.access_key_id,
        sessions.Session(
            principal=principal,
            name=name,
            token=role.session_token,
            network=network,
            service=service,
            runs_code=runs_code,
            source_arn=source_arn or "",
        ),
    )
    return Credentials(
        access_key=role.access_key_id,
        secret_key=role.secret_access_key,
        token=role.session_token,
        role_arn=role_arn,
        session=name,
    )


def authorize_service(
    service: str,
    action: str,
    resource_arn: str,
    *,
    source_arn: str | None = None,
    context: Mapping[str, str] | None = None,
) -> None:
    """A service acts as itself (SNS -> SQS, S3 -> key): the resource's policy must name it; else Denied."""
    decision = _service_decision(service, action, resource_arn, source_arn, context or {})
    if not decision.allowed:
        raise Denied(_refusal(service, action, resource_arn, source_arn, decision))


def service_may(service: str, action: str, resource_arn: str, *, source_arn: str) -> bool:
    """The same question without a line in the record: for deliveries that come with each call of others."""
    return _decided(service, action, resource_arn, source_arn, {}).allowed


def asker(holder: Credentials, *, region: str) -> Callable[..., None]:
    """For a service that uses a role without calling the API: ask(action, resource, more keys), or Denied.

    The same policies decide as for a call, and the record has a line for each.
    """
    principal = sessions.role_session(holder.role_arn, holder.session)
    always: dict[str, object] = {
        "aws:currenttime": clock.now().isoformat(),
        "aws:principalaccount": ACCOUNT,
        "aws:principalarn": holder.role_arn,
        "aws:principalisawsservice": "false",
        "aws:principaltype": "AssumedRole",
        "aws:requestedregion": region,
        "aws:resourceaccount": ACCOUNT,
        "aws:securetransport": "true",
        "s3:resourceaccount": ACCOUNT,
        "s3:tlsversion": "1.3",
    }

    def ask(action: str, resource: str, keys: Mapping[str, object] | None = None) -> None:
        policy, authoritative = store.resource_policy(action, resource)
        decision = decide(
            Request(
                principal=principal, action=action, resource=resource, context={**always, **(keys or {})}
            ),
            Policies(
                identity=store.identity_policies(principal),
                boundary=store.boundary(principal),
                resource=policy,
                authoritative=authoritative,
            ),
        )
        record.add_decision(principal, holder.session, action, resource, decision)
        if not decision.allowed:
            raise Denied(_refusal(principal.label, action, resource, None, decision))

    return ask


def _service_decision(
    service: str, action: str, resource: str, source_arn: str | None, extra: Mapping[str, str]
) -> Decision:
    decision = _decided(service, action, resource, source_arn, extra)
    principal = Principal(kind="service", arn=service)
    record.add_decision(principal, "", action, resource, decision, implied_by=source_arn or "")
    return decision


def _decided(
    service: str, action: str, resource: str, source_arn: str | None, extra: Mapping[str, str]
) -> Decision:
    principal = Principal(kind="service", arn=service)
    context = service_context(service, source_arn if _sends_source(service, action) else None)
    if not _sends_source(service, action):
        context = {key: value for key, value in context.items() if not key.startswith("aws:source")}
    context |= {key.lower(): value for key, value in extra.items()}
    policy, authoritative = store.resource_policy(action, resource)
    return decide(
        Request(principal=principal, action=action, resource=resource, context=context),
        Policies(resource=policy, authoritative=authoritative),
    )


def _sends_source(service: str, action: str) -> bool:
    """False where AWS's guides say so: a policy that asks for the source refuses the service there."""
    takes_on_a_role = service == "cloudtrail.amazonaws.com" and action == "sts:AssumeRole"
    delivers = service == "events.amazonaws.com" and action.startswith(("kms:", "sns:"))
    # S3's guide to replication shows a trust without any; whether it sends one is not said.
    copies = service == "s3.amazonaws.com" and action == "sts:AssumeRole"
    return not takes_on_a_role and not delivers and not copies


def service_context(service: str, source_arn: str | None) -> dict[str, object]:
    """The keys of a call that a service makes as itself, for a resource of this account."""
    context: dict[str, object] = {
        "aws:sourceaccount": ACCOUNT,
        "aws:sourceowner": ACCOUNT,
        "aws:principalisawsservice": "true",
        "aws:principalservicename": service,
        "aws:principalservicenameslist": [service],
        "aws:securetransport": "true",
        "aws:requestedregion": regions.current(),
        "aws:resourceaccount": ACCOUNT,
        "aws:currenttime": clock.now().isoformat(),
    }
    if source_arn:
        context["aws:sourcearn"] = source_arn
    return context


def _refusal(service: str, action: str, resource: str, source_arn: str | None, decision: Decision) -> str:
    missing = f"; keys not in the request: {', '.join(decision.missing)}" if decision.missing else ""
    statement = f" by {decision.policy}#{decision.statement}" if decision.policy else ""
    circumstances = f" for {source_arn}" if source_arn else ""
    return f"{service} may not {action} on {resource}{circumstances}: {decision.reason}{statement}{missing}"
