"""What a look at a deployment stands on: its stacks, their outputs, its clock, and the analysts' role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployment import stacks
from deployment.errors import explained
from deployment.names import Names, names_for
from deployment.place import Place
from deployment.stacks import Resource, Stack

METRICS_PER_CALL = 500  # GetMetricData takes no more


class NothingToSeeError(RuntimeError):
    """What was asked for is not deployed; the message says how to get it."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """
    rows   label and text, for people
    facts  the same for programs; plain JSON
    bad    what rings or failed; empty when all is well
    """

    title: str
    rows: Sequence[tuple[str, str]]
    facts: Any
    bad: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Unread:
    title: str
    why: str  # and how to get it


@dataclass(frozen=True, kw_only=True)
class Metric:
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"
    period: int = 300  # seconds


@dataclass(frozen=True, kw_only=True)
class Series:
    """Oldest first; an instant is the begin of its period."""

    times: Sequence[datetime]
    values: Sequence[float]

    @property
    def last(self) -> float | None:
        return self.values[-1] if self.values else None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """`at`: the account's time, which is that of this machine everywhere but in the embedded account."""

    place: Place
    names: Names
    stacks: Sequence[Stack]
    outputs: Mapping[str, str]
    at: datetime
    _resources: dict[str, list[Resource]] = field(default_factory=dict)

    def output(self, name: str) -> str:
        if name not in self.outputs:
            raise NothingToSeeError(
                f"no stack has the output {name}; fix: cdk deploy --all -c profile={self.names.profile}"
            )
        return self.outputs[name]

    def of_type(self, kind: str) -> list[str]:
        """Physical ids of the resources of a CloudFormation type, in all stacks."""
        return [resource.name for resource in self.resources(kind)]

    def resources(self, kind: str) -> list[Resource]:
        for stack in self.stacks:
            if stack.name not in self._resources:
                self._resources[stack.name] = stacks.resources(self.place, stack)
        return [each for found in self._resources.values() for each in found if each.type == kind]

    @property
    def is_paused(self) -> bool:
        """A whole stack of operations without the model's endpoint: what `make pause` leaves."""
        return "EndpointName" in self.outputs and not self.of_type("AWS::SageMaker::Endpoint")

    @cached_property
    def analyst(self) -> boto3.Session:
        """Whose role may read reports and what was set aside: the buckets are closed to administrators."""
        given = self.place.client("sts").assume_role(
            RoleArn=self.output("AnalystRoleArn"), RoleSessionName="status"
        )["Credentials"]
        return boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=self.place.region,
        )

    def series(
        self, metrics: Mapping[str, Metric], *, back: timedelta, until: datetime | None = None
    ) -> dict[str, Series]:
        """What CloudWatch measured in the window that ends at `until` (default: now), by the given names.

        The window begins at a midnight (UTC), so that a period of a day is a day of the calendar.
        """
        names, end = list(metrics), until or self.at
        begin = datetime.combine((end - back).date(), time.min, UTC)
        found: dict[str, Series] = {}
        for first in range(0, len(names), METRICS_PER_CALL):
            some = names[first : first + METRICS_PER_CALL]
            parts: dict[str, list[tuple[datetime, float]]] = {name: [] for name in some}
            queries = [_query(f"m{number}", metrics[name]) for number, name in enumerate(some)]
            pages = self.place.client("cloudwatch").get_paginator("get_metric_data")
            for page in pages.paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end):
                for result in page["MetricDataResults"]:
                    name = some[int(result["Id"][1:])]
                    parts[name] += zip(result["Timestamps"], result["Values"], strict=True)
            for name, points in parts.items():
                times = sorted((_aware(time), value) for time, value in points)
                found[name] = Series(times=[time for time, _ in times], values=[value for _, value in times])
        return found


def deployed(place: Place, profile: str, at: datetime | None) -> Deployment:
    names = names_for(profile, stacks.all_names(place))
    found = stacks.present(place, names)
    if not found:
        raise NothingToSeeError(
            f"account {place.account} has no stack of profile {profile} in {place.region}; "
            f"fix: cdk deploy --all -c profile={profile}, or give the credentials, Region and profile "
            "that it was deployed with"
        )
    return Deployment(
        place=place,
        names=names,
        stacks=found,
        outputs=stacks.outputs(place, found),
        at=at or datetime.now(UTC),
    )


def look(title: str, eye: Callable[[], Section]) -> Section | Unread:
    """Whatever cannot be read leaves the rest readable."""
    try:
        return eye()
    except NothingToSeeError as error:
        return Unread(title=title, why=str(error))
    except (BotoCoreError, ClientError) as error:
        return Unread(title=title, why=explained(error))


def ago(moment: datetime, now: datetime) -> str:
    """In the unit a person would use: 40 s, 12 min, 5 h, 3 days."""
    return f"{spell((now - moment).total_seconds())} ago"


def spell(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _query(number: str, metric: Metric) -> dict[str, Any]:
    return {
        "Id": number,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": text} for name, text in metric.dimensions.items()],
            },
            "Period": metric.period,
            "Stat": metric.statistic,
        },
    }


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
