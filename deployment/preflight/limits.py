"""Quotas: what the templates need against what the account has, or a new one would."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from botocore.exceptions import ClientError

from audit import quotas
from audit.quotas import Need, Quota
from audit.templates import Templates
from deployment import errors, stacks
from deployment.names import Names
from deployment.place import Place
from deployment.preflight.findings import Problem, Severity

AREA = "quotas"
_PERMISSION = "servicequotas:ListServiceQuotas"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """
    value          as applied to the account, or what a new one has
    origin         "" for the account's own figure, else whose it is
    is_adjustable  False: no request helps
    """

    code: str
    value: float
    region: str
    origin: str = ""
    is_adjustable: bool = True


def offline(templates: Templates, region: str) -> Iterator[Problem]:
    """Against what a new account has, as far as the table knows."""
    for need in quotas.needs(templates):
        quota = quotas.table().get(need.key)
        if quota is None:
            yield unknown(need.name, f"needs {_number(need.most)}; the table does not know this quota")
            continue
        yield from judged(need, _default(quota, region), used=0)


@dataclass(kw_only=True)
class Limits:
    place: Place
    names: Names
    _asked: dict[tuple[str, str], Mapping[str, Limit]] = field(default_factory=dict)

    def problems(self, templates: Templates) -> Iterator[Problem]:
        own = self._own()
        refused: set[str] = set()
        for need in quotas.needs(templates):
            try:
                limit = self._limit(need)
            except ClientError as error:
                if errors.is_about_credentials(error):
                    raise
                if need.service not in refused:
                    refused.add(need.service)
                    yield unknown(
                        f"quotas of {need.service}",
                        f"{error.response['Error']['Code']}: the caller needs {_PERMISSION}; instead, what a "
                        "new account has is taken",
                    )
                yield from self._supposed(need)
                continue
            if limit is None:
                yield self._missing(need)
                continue
            try:
                used = self._used(need, own)
            except ClientError as error:
                if errors.is_about_credentials(error):
                    raise
                used = 0
                yield unknown(
                    f"use of {need.name!r} by others",
                    f"{error.response['Error']['Code']}: allow the caller {error.operation_name}, or look "
                    "by hand",
                )
            yield from judged(need, limit, used=used)

    def _supposed(self, need: Need) -> Iterator[Problem]:
        """Against what a new account has: this one may have been given more, so nothing is sure."""
        if known := quotas.table().get(need.key):
            for problem in judged(need, _default(known, self.place.region), used=0):
                yield replace(problem, severity=Severity.MAY)

    def _limit(self, need: Need) -> Limit | None:
        known = quotas.table().get(need.key)
        region = (known.region if known else "") or self.place.region
        found = self._listed(need.service, region).get(need.name)
        # Of a quota that nobody has changed, some services list nothing but the default.
        by_default = known is not None and not need.name.startswith("ml.")
        return found or (_default(known, region) if known and by_default else None)

    def _listed(self, service: str, region: str) -> Mapping[str, Limit]:
        if (service, region) not in self._asked:
            client = self.place.session.client("service-quotas", region_name=region)
            pages = client.get_paginator("list_service_quotas").paginate(ServiceCode=service)
            self._asked[(service, region)] = {
                entry["QuotaName"]: Limit(
                    code=entry["QuotaCode"],
                    value=entry["Value"],
                    region=region,
                    is_adjustable=entry.get("Adjustable", True),
                )
                for page in pages
                for entry in page["Quotas"]
            }
        return self._asked[(service, region)]

    def _missing(self, need: Need) -> Problem:
        if need.name.startswith("ml."):
            kind = need.name.split()[0]
            return Problem(
                area="region",
                severity=Severity.STOPS if need.first else Severity.LATER,
                what=kind,
                got=f"SageMaker lists no quota {need.name!r} in {self.place.region}: the type is not offered "
                "there; choose another type in settings.py, or another Region",
            )
        return unknown(need.name, f"needs {_number(need.most)}; the account lists no such quota")

    def _own(self) -> Counter[str]:
        """Resources of this deployment that are there already: they are in what the account has in use."""
        found = stacks.present(self.place, self.names)
        return Counter(
            resource.type for stack in found for resource in stacks.resources(self.place, stack)
        ) + Counter({"AWS::CloudFormation::Stack": len(found)})

    def _used(self, need: Need, own: Counter[str]) -> float:
        """By others, where it can be counted in a call or two."""
        if need.service == "sagemaker" and need.name.endswith("for endpoint usage"):
            return self._hosted()[need.name.split()[0]]
        if need.name == "Number of instances across active endpoints":
            return self._hosted().total()
        count = _COUNTS.get(need.counts)
        return max(0, count(self.place) - own[need.counts]) if count else 0

    def _hosted(self) -> Counter[str]:
        """Instances behind endpoints of others, by type."""
        sagemaker = self.place.client("sagemaker")
        found: Counter[str] = Counter()
        for page in sagemaker.get_paginator("list_endpoints").paginate():
            for entry in page["Endpoints"]:
                if self.names.begins(entry["EndpointName"]):
                    continue
                endpoint = sagemaker.describe_endpoint(EndpointName=entry["EndpointName"])
                name = endpoint["EndpointConfigName"]
                config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
                for variant in config["ProductionVariants"]:
                    found[variant.get("InstanceType", "")] += variant.get("InitialInstanceCount", 0)
        return found


def judged(need: Need, limit: Limit, *, used: float) -> Iterator[Problem]:
    """Nothing where there is enough, scaling included."""
    free = limit.value - used
    if free >= need.most:
        return
    severity = Severity.STOPS if free < need.first else Severity.LATER if free < need.amount else Severity.MAY
    in_use = f", {_number(used)} of it in use" if used else ""
    wants = _number(need.amount) + (
        f", {_number(need.ceiling)} scaled out" if need.ceiling > need.amount else ""
    )
    origin = f" ({limit.origin})" if limit.origin else ""
    command = (
        f"aws service-quotas request-service-quota-increase --service-code {need.service} "
        f"--quota-code {limit.code} --desired-value {math.ceil(need.most + used)}"
        + (f" --region {limit.region}" if limit.region else "")
    )
    yield Problem(
        area=AREA,
        severity=severity,
        what=need.name,
        got=f"got {_number(limit.value)}{in_use}{origin}, needed {wants}: {need.why}"
        + ("" if limit.is_adjustable else "; AWS raises it for nobody: change settings.py"),
        command=command if limit.is_adjustable else "",
    )


def unknown(what: str, got: str) -> Problem:
    return Problem(area=AREA, severity=Severity.UNKNOWN, what=what, got=got)


def _default(quota: Quota, region: str) -> Limit:
    return Limit(
        code=quota.code,
        value=quota.default,
        region=quota.region or region,
        origin=f"a new account, {quota.date}",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def _pages(service: str, operation: str, listed: str) -> Callable[[Place], int]:
    def count(place: Place) -> int:
        pages = place.client(service).get_paginator(operation).paginate()
        return sum(len(page[listed]) for page in pages)

    return count


def _summed(key: str) -> Callable[[Place], int]:
    def count(place: Place) -> int:
        return int(place.client("iam").get_account_summary()["SummaryMap"].get(key, 0))

    return count


# Type -> how many the account has in all.
_COUNTS: Mapping[str, Callable[[Place], int]] = {
    "AWS::EC2::SecurityGroup": _pages("ec2", "describe_security_groups", "SecurityGroups"),
    "AWS::EC2::VPC": _pages("ec2", "describe_vpcs", "Vpcs"),
    "AWS::IAM::ManagedPolicy": _summed("Policies"),
    "AWS::IAM::Role": _summed("Roles"),
    "AWS::S3::Bucket": lambda place: len(place.client("s3").list_buckets()["Buckets"]),
    "AWS::StepFunctions::StateMachine": _pages("stepfunctions", "list_state_machines", "stateMachines"),
}
