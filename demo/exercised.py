"""What the roles of the stacks did in a run, for the audit of granted versus exercised permissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.story import Story


def write(story: Story, folder: Path) -> Path:
    """exercised.json: calls by role (<stack>/<logical id>) and action; `meant`: tried to be refused."""
    addresses = _addresses(story.account.site.client("cloudformation"))
    meant = {(role.rsplit("/", 1)[-1], action) for role, action, _ in story.told.meant_denials}
    calls = []
    for entry in story.account.ask("exercised"):
        name = entry["principal"].rsplit("/", 1)[-1]
        if name in addresses:
            calls.append(
                {
                    "role": addresses[name],
                    "action": entry["action"],
                    "allowed": entry["allowed"],
                    "denied": entry["denied"],
                    "meant": (name, entry["action"]) in meant,
                }
            )
    path = folder / "exercised.json"
    path.write_text(json.dumps({"format": 1, "calls": calls}, indent=1) + "\n", encoding="utf-8")
    return path


def _addresses(cloudformation: Any) -> dict[str, str]:
    """Physical name of a role -> <stack>/<logical id>, the stack as its template is named: Data, Model."""
    found = {}
    for stack in cloudformation.describe_stacks()["Stacks"]:
        short = stack["StackName"].rsplit("-", 1)[-1].capitalize()
        for page in cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=stack["StackName"]
        ):
            for resource in page["StackResourceSummaries"]:
                if resource["ResourceType"] == "AWS::IAM::Role":
                    found[resource["PhysicalResourceId"]] = f"{short}/{resource['LogicalResourceId']}"
    return found
