"""Carries a stack from one template to the next, back when something fails, to nothing when it is deleted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sandbox import faults
from sandbox.cloudformation import exports, schemas
from sandbox.cloudformation.errors import PropertyError, UnsupportedError
from sandbox.cloudformation.intrinsics import Scope
from sandbox.cloudformation.model import Output, Resource, Stack
from sandbox.cloudformation.providers.provider import Context, Provider, ReplacementError, Watched
from sandbox.cloudformation.resources import (
    ResourceError,
    provider_of,
    reason,
    refuse_unread,
    with_stack_tags,
)
from sandbox.cloudformation.template import Template

_REPLACES = "Requested update requires the creation of a new physical resource; hence creating one."
ORDERED = "fault as ordered"
_GONE = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent", "ResourceNotFound")


@dataclass
class Step:
    """What has been done to one resource in this operation, so that it can be undone."""

    kind: str  # created, updated, replaced
    resource: Resource
    before: Resource | None = None
    attempted: dict[str, Any] = field(default_factory=dict)  # properties that an update was to reach


@dataclass
class Target:
    """What a stack is to become."""

    template: Template
    given: dict[str, str]
    parameters: dict[str, Any]
    tags: dict[str, str]
    scope: Scope


@dataclass
class Engine:
    """One operation on one stack; the status of the stack says how it went."""

    stack: Stack
    client: Callable[[str], Any]
    steps: list[Step] = field(default_factory=list)

    def create(self, target: Target) -> None:
        stack = self.stack
        self._adopt(target)
        try:
            for logical_id in target.template.ordered(active := target.scope.active()):
                self._create(logical_id, active[logical_id], target)
            stack.outputs, stack.imports = self._outputs(target)
        except Exception as error:
            self._failed_create(f"{error}")
            return
        stack.set_status("CREATE_COMPLETE")

    def update(self, target: Target, previous: Target) -> None:
        stack = self.stack
        try:
            for logical_id in target.template.ordered(active := target.scope.active()):
                if logical_id in stack.resources:
                    self._update(logical_id, active[logical_id], target)
                else:
                    self._create(logical_id, active[logical_id], target)
            outputs, imports = self._outputs(target)
            exports.check_kept(stack, outputs)
        except Exception as error:
            self._failed_update(f"{error}", previous)
            return
        self._adopt(target)
        stack.outputs, stack.imports = outputs, imports
        stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(target, previous)
        stack.set_status("UPDATE_COMPLETE")

    def delete(self, retained: set[str]) -> None:
        stack = self.stack
        if stack.template is None:
            stack.set_status("DELETE_COMPLETE")
            return
        failed: list[str] = []
        for logical_id in reversed(stack.template.ordered(set(stack.resources))):
            body = stack.template.resources[logical_id]
            if any(logical_id in stack.template.dependencies[other] for other in failed):
                failed.append(logical_id)  # something that stands on it is still there
                continue
            try:
                keep = logical_id in retained or body.get("DeletionPolicy") in (
                    "Retain",
                    "RetainExceptOnCreate",
                )
                self._remove(stack.resources[logical_id], keep=keep)
            except ResourceError:
                failed.append(logical_id)
        if failed:
            broken = [name for name in failed if stack.resources[name].status == "DELETE_FAILED"]
            stack.set_status(
                "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(broken)}]."
            )
        else:
            stack.outputs, stack.imports = [], set()
            stack.set_status("DELETE_COMPLETE")

    def _adopt(self, target: Target) -> None:
        self.stack.template, self.stack.given = target.template, target.given
        self.stack.parameters, self.stack.tags = target.parameters, target.tags

    def _create(self, logical_id: str, body: dict[str, Any], target: Target) -> None:
        resource = Resource(logical_id, body["Type"])
        self.stack.set_resource(resource, "CREATE_IN_PROGRESS")
        with self._reported(resource, "CREATE_FAILED"):
            resource.properties = self._properties(body, target)
            self.stack.resources[logical_id] = resource
            self.steps.append(Step("created", resource))
            self._make(resource, provider_of(resource.type))
        self.stack.set_resource(resource, "CREATE_COMPLETE")
        target.scope.resources[logical_id] = resource

    def _make(self, resource: Resource, provider: Provider) -> None:
        watched, context = Watched(resource.properties), self._context(resource)
        fault = self._fault("create", resource)
        if fault and fault.detail != "late":
            raise UnsupportedError(f"{ORDERED} {fault.detail}".strip())
        try:
            resource.physical_id, resource.attributes = provider.create(context, watched)
            if fault:  # it was made, and did not come to be what it should
                context.begun(resource.physical_id)
                raise UnsupportedError(ORDERED)
        except Exception:
            resource.physical_id = context.made[-1] if context.made else ""
            raise
        refuse_unread(resource, watched)

    def _update(self, logical_id: str, body: dict[str, Any], target: Target) -> None:
        resource = self.stack.resources[logical_id]
        target.scope.resources[logical_id] = resource
        before = copy.copy(resource)
        with self._reported(resource, "UPDATE_FAILED"):
            if body["Type"] != resource.type:
                raise UnsupportedError(
                    f"Update of resource type is not permitted: {resource.type} to {body['Type']}"
                )
            properties = self._properties(body, target)
            if properties == resource.properties:
                return
            replacing = schemas.replacing(resource.type, resource.properties, properties)
            if not replacing:
                self.stack.set_resource(resource, "UPDATE_IN_PROGRESS")
                try:
                    self.steps.append(Step("updated", resource, before, properties))
                    self._change(resource, properties)
                except ReplacementError:
                    self.steps.pop()
                    replacing = ["?"]
            if replacing:
                self._replace(resource, properties)
        self.stack.set_resource(resource, "UPDATE_COMPLETE")

    def _change(self, resource: Resource, properties: dict[str, Any]) -> None:
        watched = Watched(properties)
        if fault := self._fault("update", resource):
            raise UnsupportedError(f"{ORDERED} {fault.detail}".strip())
        ref, changed = provider_of(resource.type).update(
            self._context(resource), resource.physical_id, resource.properties, watched
        )
        refuse_unread(resource, watched)
        if (
            ref != resource.physical_id
        ):  # a custom resource decides this itself; the old one goes in the clean-up
            self.steps[-1].kind = "replaced"
        resource.physical_id, resource.properties = ref, properties
        resource.attributes = {**resource.attributes, **changed}

    def _replace(self, resource: Resource, properties: dict[str, Any]) -> None:
        name = schemas.name_property(resource.type)
        if name and properties.get(name) and properties[name] == resource.properties.get(name):
            raise PropertyError(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {properties[name]} and update the stack again."
            )
        self.stack.set_resource(resource, "UPDATE_IN_PROGRESS", _REPLACES)
        self.steps.append(Step("replaced", resource, copy.copy(resource)))
        resource.properties, resource.physical_id = properties, ""
        self._make(resource, provider_of(resource.type))

    def _clean_up(self, target: Target, previous: Target) -> None:
        """Delete what the new template no longer has, and what was replaced; failing is only an event."""
        stack = self.stack
        active = target.scope.active()
        replaced = {s.resource.logical_id: s.before for s in self.steps if s.kind == "replaced" and s.before}
        for logical_id in reversed(previous.template.ordered(set(previous.template.resources))):
            body = previous.template.resources[logical_id]
            gone = logical_id in stack.resources and logical_id not in active
            old = stack.resources[logical_id] if gone else replaced.get(logical_id)
            if old is None:
                continue
            policy = body.get("DeletionPolicy" if gone else "UpdateReplacePolicy")
            if not gone and old.physical_id == stack.resources[logical_id].physical_id:
                continue
            try:
                self._remove(old, keep=policy in ("Retain", "RetainExceptOnCreate"), forget=gone)
            except ResourceError:
                if gone:
                    stack.resources.pop(logical_id)

    def _failed_create(self, reason: str) -> None:
        stack = self.stack
        if stack.on_failure == "DO_NOTHING":
            stack.set_status("CREATE_FAILED", reason)
            return
        verb = "DELETE" if stack.on_failure == "DELETE" else "ROLLBACK"
        stack.set_status(f"{verb}_IN_PROGRESS", f"{reason} Rollback requested by user.")
        failed = self._undo_created()
        stack.outputs, stack.imports = [], set()
        if failed:
            stack.set_status(
                f"{verb}_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]."
            )
        else:
            stack.set_status(f"{verb}_COMPLETE")

    def _undo_created(self) -> list[str]:
        failed: list[str] = []
        template = self.stack.template
        for step in reversed(self.steps):
            name = step.resource.logical_id
            body = template.resources[name] if template else {}
            if template and any(name in template.dependencies[other] for other in failed):
                failed.append(name)  # something that stands on it is still there
                continue
            try:
                self._remove(step.resource, keep=body.get("DeletionPolicy") == "Retain")
            except ResourceError:
                failed.append(name)
        return failed

    def _failed_update(self, reason: str, previous: Target) -> None:
        """Put back what was changed, then delete what was added; only the first can fail the rollback."""
        stack = self.stack
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        failed, added = [], []
        for step in reversed(self.steps):
            if step.before is None or step.kind == "replaced":
                added.append(copy.copy(step.resource))
            if step.before is not None and not self._restore(step, step.before):
                failed.append(step.resource.logical_id)
        if failed:
            stack.set_status(
                "UPDATE_ROLLBACK_FAILED",
                f"The following resource(s) failed to update: [{', '.join(failed)}].",
            )
            return
        self._adopt(previous)
        stack.set_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        for resource in added:
            with suppress(ResourceError):
                self._remove(resource, keep=False, forget=resource.logical_id not in self._restored())
        stack.set_status("UPDATE_ROLLBACK_COMPLETE")

    def _restored(self) -> set[str]:
        return {step.resource.logical_id for step in self.steps if step.before is not None}

    def _restore(self, step: Step, before: Resource) -> bool:
        resource = step.resource
        self.stack.set_resource(resource, "UPDATE_IN_PROGRESS")
        try:
            if step.kind == "updated":  # even if it failed: how far it came is not known
                with self._reported(resource, "UPDATE_FAILED"):
                    provider_of(resource.type).update(
                        self._context(resource),
                        before.physical_id,
                        step.attempted,
                        Watched(before.properties),
                    )
        except (ResourceError, ReplacementError):
            return False
        vars(resource).update(vars(before))
        self.stack.set_resource(resource, "UPDATE_COMPLETE")
        return True

    def _remove(self, resource: Resource, *, keep: bool, forget: bool = True) -> None:
        stack = self.stack
        if keep:
            stack.set_resource(resource, "DELETE_SKIPPED")
        else:
            stack.set_resource(resource, "DELETE_IN_PROGRESS")
            with self._reported(resource, "DELETE_FAILED"):
                if resource.physical_id:  # else it was never made
                    self._delete(resource)
            stack.set_resource(resource, "DELETE_COMPLETE")
        if forget:
            stack.resources.pop(resource.logical_id, None)
            stack.former[resource.logical_id] = resource

    def _delete(self, resource: Resource) -> None:
        if fault := self._fault("delete", resource):
            raise UnsupportedError(f"{ORDERED} {fault.detail}".strip())
        try:
            provider_of(resource.type).delete(
                self._context(resource), resource.physical_id, Watched(resource.properties)
            )
        except ClientError as error:
            if not any(word in error.response["Error"]["Code"] for word in _GONE):
                raise

    def _fault(self, verb: str, resource: Resource) -> faults.Fault | None:
        """Kind `cloudformation create` and so on, target `<stack>/<logical id>`; detail: the words of the
        failure, or `late`: made first.
        """
        return faults.due(f"cloudformation {verb}", f"{self.stack.name}/{resource.logical_id}")

    def _properties(self, body: dict[str, Any], target: Target) -> dict[str, Any]:
        """Resolved, checked against the type's schema, with the stack's tags."""
        kind = body["Type"]
        if not schemas.is_custom(kind):
            if not schemas.exists(kind):
                raise UnsupportedError(f"Unrecognized resource types: [{kind}]")
            provider_of(kind)
        properties = target.scope.resolve(copy.deepcopy(body.get("Properties") or {}))
        return schemas.check(kind, with_stack_tags(kind, properties, target.tags))

    def _outputs(self, target: Target) -> tuple[list[Output], set[str]]:
        found = []
        for key, body in target.template.section("Outputs").items():
            if not target.scope.holds(body):
                continue
            value = target.scope.resolve(body["Value"])
            name = target.scope.resolve(body["Export"]["Name"]) if "Export" in body else None
            found.append(Output(key=key, value=str(value), description=body.get("Description"), export=name))
        exports.check_new(self.stack, found)
        return found, exports.imported(target.scope)

    def _context(self, resource: Resource) -> Context:
        return Context(
            stack_name=self.stack.name,
            stack_id=self.stack.id,
            logical_id=resource.logical_id,
            resource_type=resource.type,
            client=self.client,
        )

    @contextmanager
    def _reported(self, resource: Resource, status: str) -> Iterator[None]:
        try:
            yield
        except ReplacementError:
            raise
        except Exception as error:
            self.stack.set_resource(resource, status, reason(error))
            verb = status.split("_")[0].lower()
            raise ResourceError(
                f"The following resource(s) failed to {verb}: [{resource.logical_id}]."
            ) from error
