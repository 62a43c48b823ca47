"""Why CloudFormation could not delete a stack, and how long it is worth trying again."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployment.errors import AGAIN, StoppedError
from deployment.place import Place
from deployment.stacks import Failure, Resource

_HELD = ("dependencyviolation", "dependent object", "has dependencies", "is currently in use")


class Hindrance(enum.Enum):
    OBJECTS = "objects"  # something was written while the stack went
    INTERFACES = "interfaces"  # Lambda and SageMaker give theirs back late
    OTHER = "other"


# Seconds before each further attempt. Lambda takes up to forty minutes to give an interface back.
PAUSES = {
    Hindrance.OBJECTS: (5, 30, 60, 120, 300),
    Hindrance.INTERFACES: (30, 60, 120, 240, *[300] * 7),
    Hindrance.OTHER: (30,),  # AWS answers the odd call with a fault of its own
}


def hindrance(failures: Sequence[Failure]) -> Hindrance:
    """What has to be waited for; with anything unknown among the failures, waiting long is pointless."""
    kinds = {_kind(failure) for failure in failures}
    for kind in (Hindrance.OTHER, Hindrance.INTERFACES):
        if kind in kinds or not kinds:
            return kind
    return Hindrance.OBJECTS


def _kind(failure: Failure) -> Hindrance:
    reason = failure.reason.lower()
    if failure.type == "AWS::S3::Bucket" and "not empty" in reason:
        return Hindrance.OBJECTS
    if failure.type.startswith("AWS::EC2::") and any(words in reason for words in _HELD):
        return Hindrance.INTERFACES
    return Hindrance.OTHER


def described(failures: Sequence[Failure]) -> str:
    return "; ".join(f"{each.logical_id}: {each.reason}" for each in failures) or "see what the CLI said"


@dataclass(kw_only=True)
class Patience:
    """For one stack: waits before the next attempt, or gives up."""

    place: Place
    stack_name: str
    tell: Callable[[str], None]
    pause: Callable[[float], None]
    _used: dict[Hindrance, int] = field(default_factory=dict)

    def wait(self, failures: Sequence[Failure], resources: Sequence[Resource]) -> None:
        kind = hindrance(failures)
        self.tell(f"  {self.stack_name} is not gone: {described(failures)}")
        if kind is not Hindrance.INTERFACES:
            self._next(kind, failures)
            return
        networks = [resource.name for resource in resources if resource.type == "AWS::EC2::VPC"]
        while True:
            left = interfaces(self.place, networks)
            for each in left:
                self.tell(f"    still there: {each}")
            self._next(kind, failures, left)
            # Those of VPC endpoints go with their endpoint, at the next attempt and not by waiting.
            if all(each.is_of_endpoint for each in interfaces(self.place, networks)):
                return

    def _next(self, kind: Hindrance, failures: Sequence[Failure], left: Sequence[Interface] = ()) -> None:
        used = self._used.get(kind, 0)
        if used == len(PAUSES[kind]):
            held = f"; still there: {', '.join(str(each) for each in left)}" if left else ""
            raise StoppedError(
                f"{self.stack_name} could not be deleted: {described(failures)}{held}; "
                f"fix: {_FIX[kind]}, then {AGAIN}"
            )
        seconds = PAUSES[kind][used]
        self._used[kind] = used + 1
        self.tell(f"    tries again in {seconds} s")
        self.pause(seconds)


_FIX = {
    Hindrance.OBJECTS: "find out who still writes there, and stop it",
    Hindrance.INTERFACES: "delete what somebody else made in the VPC (GuardDuty makes an endpoint and a "
    "group of its own), or give Lambda and SageMaker another hour",
    Hindrance.OTHER: "remove the cause",
}


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A network interface, with what AWS says of it."""

    id: str
    description: str
    status: str
    is_of_endpoint: bool

    def __str__(self) -> str:
        return f"{self.id} ({self.description or 'no description'}, {self.status})"


def interfaces(place: Place, networks: Sequence[str]) -> list[Interface]:
    """Those in these VPCs."""
    if not networks:
        return []
    pages = place.client("ec2").get_paginator("describe_network_interfaces")
    found = pages.paginate(Filters=[{"Name": "vpc-id", "Values": list(networks)}])
    return [
        Interface(
            id=each["NetworkInterfaceId"],
            description=each.get("Description", ""),
            status=each["Status"],
            is_of_endpoint=each["InterfaceType"] == "vpc_endpoint",
        )
        for page in found
        for each in page["NetworkInterfaces"]
    ]
