"""Which access key is whom: root, a user, or a role session with its session policy and network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.account import ACCOUNT, ROOT_ACCESS_KEY
from sandbox.iam.evaluate import Policy, Principal
from sandbox.iam.network import Network

ROOT = Principal(kind="root", arn=f"arn:aws:iam::{ACCOUNT}:root", account=ACCOUNT)
# The roles of `cdk bootstrap`, and only those, deploy; every other role is one that a stack made.
_BOOTSTRAP = re.compile(
    rf":role/cdk-[a-z0-9]+-(deploy|cfn-exec|[a-z]+-publishing|lookup)-role-{ACCOUNT}-[a-z0-9-]+$"
)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A caller. `service` is the AWS service that holds the credentials on the role's behalf, if one does;
    `runs_code`: it hands them to the code it runs; `via`: the service that passes this caller's request on.
    """

    principal: Principal
    name: str = ""
    token: str | None = None
    policy: Policy | None = None
    network: Network | None = None
    service: str = ""
    runs_code: bool = True
    source_arn: str = ""
    via: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def deploys(self) -> bool:
        """True for those who set the account up: they may use actions whose resource is not known here."""
        return (
            self.principal.kind == "root"
            or self.service == "cloudformation.amazonaws.com"
            or _BOOTSTRAP.search(self.principal.role_arn) is not None
        )


_known: dict[str, Session] = {}


def reset() -> None:
    _known.clear()


def remember(access_key: str, session: Session) -> None:
    _known[access_key] = session


def of(access_key: str) -> Session | None:
    """The caller behind a key; None if this account never handed the key out, or took it back."""
    if access_key == ROOT_ACCESS_KEY:
        return Session(principal=ROOT)
    found = _known.get(access_key)
    if found is None:
        found = _assumed(access_key)
        if found is not None:
            _known[access_key] = found
    return found or _user(access_key)


def role_session(role_arn: str, name: str) -> Principal:
    """The principal of a session: on AWS the path of the role is not part of the session's ARN."""
    account = role_arn.split(":")[4]
    arn = f"arn:aws:sts::{account}:assumed-role/{role_arn.rsplit('/', 1)[-1]}/{name}"
    return Principal(kind="role", arn=arn, account=account, role_arn=role_arn)


def with_network(session: Session, network: Network | None) -> Session:
    return replace(session, network=network)


def _assumed(access_key: str) -> Session | None:
    from moto.sts.models import sts_backends

    role: Any = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    if role is None:
        return None
    from sandbox.iam.store import compiled

    return Session(
        principal=role_session(role.role_arn, role.session_name),
        name=role.session_name,
        token=role.session_token,
        policy=compiled(f"session {role.session_name}", role.policy) if role.policy else None,
    )


def _user(access_key: str) -> Session | None:
    """Never remembered: a user's key can be deleted or made inactive."""
    from moto.iam.models import iam_backends

    for user in list(iam_backends[ACCOUNT]["aws"].users.values()):
        for key in user.access_keys:
            if key.access_key_id == access_key and key.status == "Active":
                return Session(
                    principal=Principal(kind="user", arn=user.arn, account=ACCOUNT), name=user.name
                )
    return None
