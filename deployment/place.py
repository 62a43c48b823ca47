"""Where a command works: the account, Region and caller that the environment's credentials lead to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoRegionError

# Deleting calls a service some thousand times: what AWS throttles is asked again, more and more slowly.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10)


@dataclass(frozen=True, kw_only=True)
class Place:
    account: str
    region: str
    caller: str  # ARN
    session: boto3.Session
    _clients: dict[str, Any] = field(default_factory=dict)
    _others: dict[str, Place] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """`aws`, or the one of China or of the US government."""
        return self.caller.split(":")[1]

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service, region_name=self.region, config=_CONFIG)
        return self._clients[service]

    def at(self, region: str) -> Place:
        """The same account and caller in another Region."""
        if region in ("", self.region):
            return self
        if region not in self._others:
            self._others[region] = Place(
                account=self.account, region=region, caller=self.caller, session=self.session
            )
        return self._others[region]

    def environment(self) -> dict[str, str]:
        """For the CDK CLI: the same credentials, and the same Region, for which it has other variables."""
        return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}


def here(region: str = "") -> Place:
    """In the given Region, or in the environment's."""
    # boto3 by itself reads only the older AWS_DEFAULT_REGION, the CDK CLI both.
    session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
    if session.region_name is None:
        raise NoRegionError()
    identity = session.client("sts", config=_CONFIG).get_caller_identity()
    return Place(
        account=identity["Account"], region=session.region_name, caller=identity["Arn"], session=session
    )


def taking_on(site: Place, role_arn: str) -> Place:
    """The same place, looked at with a role, which is taken on again before it ends.

    What is run beside it, by `environment`, keeps the credentials of the environment.
    """
    source = botocore.session.get_session()
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=source.create_client,
        source_credentials=source.get_credentials(),
        role_arn=role_arn,
        extra_args={"RoleSessionName": "looking-about"},
    )
    credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    looking = botocore.session.get_session()
    looking.get_component("credential_provider").insert_before("env", _Given(credentials))
    return replace(
        site, session=boto3.Session(botocore_session=looking, region_name=site.region), _clients={}
    )


class _Given:
    """A provider as botocore asks for one."""

    METHOD = CANONICAL_NAME = "given"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials
