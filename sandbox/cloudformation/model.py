"""What CloudFormation keeps: stacks, their resources, events, change sets and exports."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox import account, regions
from sandbox.cloudformation.template import Template


@dataclass
class Resource:
    """One physical resource of a stack."""

    logical_id: str
    type: str
    physical_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    status: str = "CREATE_IN_PROGRESS"
    reason: str | None = None
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class Event:
    id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None
    properties: str | None
    token: str | None
    timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class Output:
    key: str
    value: str
    description: str | None
    export: str | None


@dataclass(frozen=True)
class Keys:
    """Credentials that CloudFormation acts with: the caller's, or a session of the stack's role."""

    access_key: str
    secret_key: str
    token: str | None = None


@dataclass(kw_only=True)
class ChangeSet:
    id: str
    name: str
    type: str  # CREATE or UPDATE
    template: Template
    given: dict[str, str]
    tags: dict[str, str]
    role_arn: str | None
    caller: Keys
    capabilities: list[str]
    description: str | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution_status: str = "AVAILABLE"
    on_failure: str | None = None
    notifications: list[str] = field(default_factory=list)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(kw_only=True)
class Stack:
    name: str
    id: str
    template: Template | None = None
    given: dict[str, str] = field(default_factory=dict)  # parameters as given, SSM names not looked up
    parameters: dict[str, Any] = field(default_factory=dict)  # and what Ref gives for them
    tags: dict[str, str] = field(default_factory=dict)
    role_arn: str | None = None
    caller: Keys
    capabilities: list[str] = field(default_factory=list)
    notifications: list[str] = field(default_factory=list)
    protected: bool = False
    on_failure: str = "ROLLBACK"  # or DELETE, DO_NOTHING
    status: str = "REVIEW_IN_PROGRESS"
    reason: str | None = None
    token: str | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    former: dict[str, Resource] = field(default_factory=dict)  # deleted or skipped; told while the stack goes
    outputs: list[Output] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime | None = None
    deleted: datetime | None = None
    worker: threading.Thread | None = None
    region: str = field(default_factory=regions.current)

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def told(self) -> list[Resource]:
        """The resources that the API lists: of a stack that goes or is gone, those that went before too."""
        going = self.former if self.status.startswith(("DELETE_", "ROLLBACK_")) else {}
        return list({**going, **self.resources}.values())

    @property
    def exports(self) -> dict[str, str]:
        return {output.export: output.value for output in self.outputs if output.export}

    def set_status(self, status: str, reason: str | None = None) -> None:
        self._event(self.name, self.id, "AWS::CloudFormation::Stack", status, reason)
        self.status, self.reason = status, reason

    def set_resource(self, resource: Resource, status: str, reason: str | None = None) -> None:
        resource.status, resource.reason, resource.timestamp = status, reason, datetime.now(UTC)
        self._event(resource.logical_id, resource.physical_id, resource.type, status, reason)

    def _event(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None) -> None:
        self.events.append(
            Event(
                id=f"{logical_id}-{status}-{uuid.uuid4()}",
                logical_id=logical_id,
                physical_id=physical_id,
                type=kind,
                status=status,
                reason=reason,
                properties=None,
                token=self.token,
                timestamp=datetime.now(UTC),
            )
        )


def new_id(kind: str, name: str) -> str:
    return f"arn:aws:cloudformation:{regions.current()}:{account.ACCOUNT}:{kind}/{name}/{uuid.uuid4()}"
