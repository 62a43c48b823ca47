"""What the tests of CloudFormation share: templates from plain dicts, and what became of their stacks."""

from __future__ import annotations

import json
from typing import Any


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def any_queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def any_parameter(value: Any, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **properties}}


def status(client: Any, name: str) -> str:
    return str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def events(client: Any, name: str) -> list[tuple[str, str, str]]:
    """(logical id, status, reason), oldest first."""
    found = client.describe_stack_events(StackName=name)["StackEvents"]
    return [
        (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
        for e in reversed(found)
    ]


def reason(client: Any, name: str, logical_id: str) -> str:
    """Why a resource failed."""
    return next(
        why for who, what, why in reversed(events(client, name)) if who == logical_id and "FAILED" in what
    )


def physical(client: Any, name: str, logical_id: str) -> str:
    found = client.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])
