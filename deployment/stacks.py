"""What CloudFormation knows of a deployment: its stacks, what is in them, why one does not go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from botocore.exceptions import ClientError

from deployment.errors import AGAIN, StoppedError
from deployment.names import GROUPS, Names
from deployment.place import Place

STACK = "AWS::CloudFormation::Stack"
_POLL_SECONDS = 10
_POLLS = 540  # ninety minutes: an endpoint and the interfaces of a VPC can take most of an hour to go


@dataclass(frozen=True, kw_only=True)
class Stack:
    name: str
    id: str
    status: str
    is_protected: bool
    region: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    logical_id: str
    name: str  # physical id
    type: str
    is_kept: bool  # DeletionPolicy: outlives the stack
    definition: Mapping[str, Any]  # of the template


@dataclass(frozen=True, kw_only=True)
class Failure:
    logical_id: str
    type: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What a deleted stack left behind, as its template says."""

    name: str
    type: str
    deleted: datetime  # when its stack was


def all_names(place: Place) -> list[str]:
    return [found["StackName"] for found in _described(place)]


def present(place: Place, names: Names) -> list[Stack]:
    """Those of the deployment, in the order of deletion."""
    found = {stack["StackName"]: _stack(stack) for stack in _described(place)}
    return [found[name] for group in GROUPS if (name := names.stack(group)) in found]


def present_in_both(place: Place, names: Names) -> list[Stack]:
    """Those of the second Region too, in the order of deletion."""
    second = second_region(place, names)
    found = [*present(place, names), *(present(place.at(second), names) if second else ())]
    order = [names.stack(group) for group in GROUPS]
    return sorted(found, key=lambda stack: order.index(stack.name))


def second_region(place: Place, names: Names) -> str | None:
    """The other Region of the deployment, if it has one; base tells, also for ninety days after its end."""
    base = names.stack("base")
    told = [stack for stack in _described(place) if stack["StackName"] == base]
    if not told:
        ids = [stack["StackId"] for stack in gone(place, names) if stack["StackName"] == base][:1]
        told = [s for i in ids for s in place.client("cloudformation").describe_stacks(StackName=i)["Stacks"]]
    outputs = {o["OutputKey"]: str(o["OutputValue"]) for s in told for o in s.get("Outputs", [])}
    return outputs.get("SecondRegion")


def outputs(place: Place, stacks: Sequence[Stack]) -> dict[str, str]:
    """Of these stacks together, without those that only other stacks use."""
    names = {stack.name for stack in stacks}
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in _described(place)
        if stack["StackName"] in names
        for output in stack.get("Outputs", [])
        if not output["OutputKey"].startswith("ExportsOutput")
    }


def find(place: Place, name: str) -> Stack | None:
    try:
        found = place.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return _stack(found[0])


def at_rest(
    place: Place, name: str, tell: Callable[[str], None], pause: Callable[[float], None]
) -> Stack | None:
    """The stack when nothing works on it any more; an earlier deletion may still be on its way."""
    for attempt in range(_POLLS):
        stack = find(place, name)
        if stack is None or not is_moving(stack.status):
            return stack
        if attempt == 0:
            tell(f"  {name} is {stack.status}: waiting")
        pause(_POLL_SECONDS)
    raise StoppedError(f"{name} did not come to rest in {_POLLS * _POLL_SECONDS // 60} minutes; {AGAIN}")


def is_moving(status: str) -> bool:
    """A stack in review is one that was never made: it waits for a person."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def resources(place: Place, stack: Stack) -> list[Resource]:
    """What is still there of a stack."""
    if stack.status == "REVIEW_IN_PROGRESS":  # it has no template yet
        return []
    cloudformation = place.client("cloudformation")
    body = cloudformation.get_template(StackName=stack.id)["TemplateBody"]
    template = json.loads(body) if isinstance(body, str) else body
    return list(living(template, _listed(place, stack.id)))


def living(template: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]) -> Iterator[Resource]:
    for entry in listed:
        name = entry.get("PhysicalResourceId", "")
        if name and entry["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            definition = template.get("Resources", {}).get(entry["LogicalResourceId"], {})
            yield Resource(
                logical_id=entry["LogicalResourceId"],
                name=name,
                type=entry["ResourceType"],
                is_kept=definition.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate"),
                definition=definition,
            )


def newest_event(place: Place, stack: Stack) -> str:
    """Its id: what comes after it belongs to the next attempt."""
    found = place.client("cloudformation").describe_stack_events(StackName=stack.id)["StackEvents"]
    return str(found[0]["EventId"]) if found else ""


def failures(place: Place, stack: Stack, *, since: str) -> list[Failure]:
    pages = place.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack.id)
    return failures_among((event for page in pages for event in page["StackEvents"]), since)


def refused(place: Place, stack: Stack, *, since: str) -> list[Failure]:
    """What CloudFormation could not make or change, the first first; not what it gave up for that reason."""
    pages = place.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack.id)
    events = takewhile(
        lambda event: event["EventId"] != since, (event for page in pages for event in page["StackEvents"])
    )
    found = [
        Failure(
            logical_id=event["LogicalResourceId"],
            type=event["ResourceType"],
            reason=event["ResourceStatusReason"],
        )
        for event in events
        if event["ResourceStatus"] in ("CREATE_FAILED", "UPDATE_FAILED")
        and event["ResourceType"] != STACK
        and "cancelled" not in event.get("ResourceStatusReason", "cancelled").lower()
    ]
    return found[::-1]


def failures_among(events: Iterable[Mapping[str, Any]], since: str) -> list[Failure]:
    """Newest event first. Not what CloudFormation gave up because something else had failed.

    What it says of the stack itself counts only where it names no resource: a deletion that it refuses.
    """
    found = [
        Failure(
            logical_id=event["LogicalResourceId"],
            type=event["ResourceType"],
            reason=event["ResourceStatusReason"],
        )
        for event in takewhile(lambda event: event["EventId"] != since, events)
        if _tells_failure(event)
    ]
    return [failure for failure in found if failure.type != STACK] or found


def _tells_failure(event: Mapping[str, Any]) -> bool:
    reason = event.get("ResourceStatusReason", "")
    if not reason or "deletion cancelled" in reason.lower():
        return False
    status: str = event["ResourceStatus"]
    return status == "DELETE_FAILED" or (event["ResourceType"] == STACK and status != "DELETE_IN_PROGRESS")


def importers(place: Place, stacks: Sequence[Stack]) -> set[str]:
    """Other people's stacks that import from these: CloudFormation would refuse, when the data is gone."""
    cloudformation, ours = place.client("cloudformation"), {stack.id for stack in stacks}
    pages = cloudformation.get_paginator("list_exports").paginate()
    exports = [e["Name"] for page in pages for e in page["Exports"] if e["ExportingStackId"] in ours]
    found: set[str] = set()
    for name in exports:
        try:
            for page in cloudformation.get_paginator("list_imports").paginate(ExportName=name):
                found.update(page["Imports"])
        except ClientError as error:
            if "not imported by any stack" not in str(error):
                raise
    return found - {stack.name for stack in stacks}


def gone(place: Place, names: Names) -> list[Mapping[str, Any]]:
    """Stacks of the deployment that were deleted; CloudFormation remembers them for ninety days."""
    ours = {names.stack(group) for group in GROUPS}
    pages = (
        place.client("cloudformation")
        .get_paginator("list_stacks")
        .paginate(StackStatusFilter=["DELETE_COMPLETE"])
    )
    return [stack for page in pages for stack in page["StackSummaries"] if stack["StackName"] in ours]


def retained(place: Place, stacks: Sequence[Mapping[str, Any]]) -> list[Retained]:
    """What deleted stacks left behind."""
    return [
        Retained(name=entry["PhysicalResourceId"], type=entry["ResourceType"], deleted=stack["DeletionTime"])
        for stack in stacks
        for entry in _listed(place, stack["StackId"])
        if entry["ResourceStatus"] == "DELETE_SKIPPED"
    ]


def _listed(place: Place, stack_id: str) -> list[dict[str, Any]]:
    pages = place.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return [entry for page in pages for entry in page["StackResourceSummaries"]]


def _described(place: Place) -> Iterator[dict[str, Any]]:
    for page in place.client("cloudformation").get_paginator("describe_stacks").paginate():
        yield from page["Stacks"]


def _stack(found: Mapping[str, Any]) -> Stack:
    return Stack(
        name=found["StackName"],
        id=found["StackId"],
        status=found["StackStatus"],
        is_protected=found.get("EnableTerminationProtection", False),
        region=found["StackId"].split(":")[3],
    )
