"""Stacks and change sets: who may do what when, and the threads that do it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox import account, regions
from sandbox.account import ACCOUNT
from sandbox.cloudformation import exports, parameters
from sandbox.cloudformation.changes import changes
from sandbox.cloudformation.engine import Engine, Target
from sandbox.cloudformation.errors import (
    AlreadyExistsError,
    ChangeSetNotFoundError,
    InsufficientCapabilitiesError,
    TemplateError,
    ValidationError,
)
from sandbox.cloudformation.intrinsics import Scope
from sandbox.cloudformation.model import ChangeSet, Keys, Stack, new_id
from sandbox.cloudformation.template import Template

# A request waits this long for its own work: callers that poll every few seconds then find it done.
PATIENCE_SECONDS = 20.0

stacks: dict[str, Stack] = {}  # by id; deleted ones stay, as AWS keeps them for 90 days
_lock = threading.RLock()


def reset() -> None:
    for stack in list(stacks.values()):
        if stack.worker is not None:
            stack.worker.join(PATIENCE_SECONDS)
    stacks.clear()
    exports.bind(stacks)


def find(name_or_id: str | None) -> Stack:
    """A living stack by name, or any stack by id."""
    for stack in here():
        if stack.id == name_or_id or (stack.name == name_or_id and stack.deleted is None):
            return stack
    raise ValidationError(f"Stack with id {name_or_id} does not exist")


def living(name: str) -> Stack | None:
    return next((s for s in here() if s.name == name and s.deleted is None), None)


def here() -> list[Stack]:
    """The current Region's, deleted ones too."""
    return [stack for stack in list(stacks.values()) if stack.region == regions.current()]


def find_change_set(name_or_id: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
    for stack in here():
        if stack_name is not None and stack_name not in (stack.name, stack.id):
            continue
        for change_set in stack.change_sets.values():
            if change_set.id == name_or_id or (
                change_set.name == name_or_id and stack_name and not stack.deleted
            ):
                return stack, change_set
    raise ChangeSetNotFoundError(f"ChangeSet [{name_or_id}] does not exist")


def new_stack(name: str, caller: Keys) -> Stack:
    with _lock:
        if living(name):
            raise AlreadyExistsError(f"Stack [{name}] already exists")
        stack = Stack(name=name, id=new_id("stack", name), caller=caller)
        stacks[stack.id] = stack
        return stack


def create(stack: Stack, template: Template, given: dict[str, str], tags: dict[str, str]) -> None:
    target = target_of(stack, template, given, tags)
    stack.set_status("CREATE_IN_PROGRESS", "User Initiated")
    _start(stack, lambda: Engine(stack, client_of(stack)).create(target))


def update(stack: Stack, template: Template, given: dict[str, str], tags: dict[str, str]) -> None:
    if stack.template is None:
        raise ValidationError(f"Stack {stack.name} has nothing to update")
    previous = target_of(stack, stack.template, stack.given, stack.tags)
    target = target_of(stack, template, given, tags)
    stack.updated = datetime.now(UTC)
    stack.set_status("UPDATE_IN_PROGRESS", "User Initiated")
    _start(stack, lambda: Engine(stack, client_of(stack)).update(target, previous))


def delete(stack: Stack, retained: set[str]) -> None:
    if stack.deleted or stack.status == "DELETE_IN_PROGRESS":
        return
    if stack.protected:
        raise ValidationError(f"Stack [{stack.id}] cannot be deleted while TerminationProtection is enabled")
    refuse_busy(stack)
    if stack.template is None:  # only change sets, never executed
        stack.deleted = datetime.now(UTC)
        stack.set_status("DELETE_COMPLETE")
        return
    before = stack.status
    stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
    if reason := exports.in_use(stack):
        stack.set_status(before, reason)  # AWS cancels the deletion: the status is what it was
        return
    _start(stack, lambda: Engine(stack, client_of(stack)).delete(retained))


def execute(stack: Stack, change_set: ChangeSet) -> None:
    if change_set.execution_status != "AVAILABLE":
        raise ValidationError(
            f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]"
        )
    refuse_busy(stack)
    change_set.execution_status = "EXECUTE_IN_PROGRESS"
    stack.role_arn = change_set.role_arn or stack.role_arn
    stack.caller, stack.capabilities = change_set.caller, change_set.capabilities
    stack.notifications = change_set.notifications or stack.notifications
    run = create if change_set.type == "CREATE" else update
    run(stack, change_set.template, change_set.given, change_set.tags)
    change_set.execution_status = "EXECUTE_COMPLETE"
    stack.change_sets = {
        change_set.id: change_set
    }  # AWS drops the others: they describe a stack that is no more


def review(stack: Stack, change_set: ChangeSet) -> None:
    """Work out what a change set would do; one without changes cannot be executed."""
    target = target_of(stack, change_set.template, change_set.given, change_set.tags)
    change_set.changes = changes(stack, target)
    if change_set.type == "UPDATE" and not change_set.changes and unchanged(stack, target):
        change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
        change_set.reason = (
            "The submitted information didn't contain changes. "
            "Submit different information to create a change set."
        )


def unchanged(stack: Stack, target: Target) -> bool:
    """True if an update would do nothing at all."""
    old = stack.template.content if stack.template else {}
    skipped = ("Description", "Metadata")
    same = {k: v for k, v in old.items() if k not in skipped} == {
        k: v for k, v in target.template.content.items() if k not in skipped
    }
    return same and stack.parameters == target.parameters and stack.tags == target.tags


def refuse_busy(stack: Stack) -> None:
    if stack.busy:
        raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def refuse_broken(stack: Stack) -> None:
    """What cannot be updated any more; it can only be deleted."""
    refuse_busy(stack)
    if stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def need_capabilities(template: Template, given: list[str]) -> list[str]:
    """Refuse a template with IAM resources unless the caller said that it knows."""
    iam = [body for body in template.resources.values() if body["Type"].startswith("AWS::IAM::")]
    names = ("RoleName", "ManagedPolicyName", "UserName", "GroupName", "InstanceProfileName")
    named = any(name in (body.get("Properties") or {}) for body in iam for name in names)
    allowed = {"CAPABILITY_NAMED_IAM"} if named else {"CAPABILITY_NAMED_IAM", "CAPABILITY_IAM"}
    if iam and not allowed & set(given):
        raise InsufficientCapabilitiesError(f"Requires capabilities : [{min(allowed, key=len)}]")
    return given


def target_of(stack: Stack, template: Template, given: dict[str, str], tags: dict[str, str]) -> Target:
    client = client_of(stack)
    resolved = parameters.resolved(template, given, lambda name: _ssm(client, name))
    scope = Scope(
        template=template,
        parameters=resolved,
        pseudo={
            "AWS::AccountId": ACCOUNT,
            "AWS::NotificationARNs": stack.notifications,
            "AWS::Partition": "aws",
            "AWS::Region": regions.current(),
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        },
        export=exports.value,
        dynamic=lambda service, rest: _dynamic(client, service, rest),
        zones=lambda: [
            zone["ZoneName"] for zone in client("ec2").describe_availability_zones()["AvailabilityZones"]
        ],
    )
    _check_rules(template, scope)
    return Target(template, given, resolved, tags, scope)


def client_of(stack: Stack) -> Callable[[str], Any]:
    """Clients of the stack's role, which CloudFormation assumes at the first call; else the caller's own."""
    session: list[Any] = []

    def client(service: str) -> Any:
        if not session:
            session.append(_session(stack))
        return account.client(service, session[0])

    return client


def _session(stack: Stack) -> Any:
    if stack.role_arn is None:
        return stack.caller
    from sandbox.iam.identity import service_credentials

    return service_credentials(stack.role_arn, "cloudformation.amazonaws.com", session="AWSCloudFormation")


def _start(stack: Stack, work: Callable[[], None]) -> None:
    def run() -> None:
        try:
            work()
        except Exception as error:  # a defect of the engine must not leave a stack in progress for ever
            verb = stack.status.split("_")[0]
            stack.set_status(f"{verb}_FAILED", f"defect of the sandbox: {type(error).__name__}: {error}")
            raise
        finally:
            if stack.status == "DELETE_COMPLETE":
                stack.deleted = datetime.now(UTC)

    stack.worker = threading.Thread(
        target=regions.carried(run), name=f"cloudformation-{stack.name}", daemon=True
    )
    stack.worker.start()
    stack.worker.join(PATIENCE_SECONDS)


def _check_rules(template: Template, scope: Scope) -> None:
    for name, rule in template.section("Rules").items():
        if "RuleCondition" in rule and not scope.resolve(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not scope.resolve(assertion["Assert"]):
                text = assertion.get("AssertDescription", "assertion failed")
                raise ValidationError(f"Template error: rule {name}: {text}")


def _ssm(client: Callable[[str], Any], name: str) -> str:
    found = client("ssm").get_parameters(Names=[name], WithDecryption=False)["Parameters"]
    if not found:
        raise ValidationError(f"Unable to fetch parameters [{name}] from parameter store for this account.")
    return str(found[0]["Value"])


def _dynamic(client: Callable[[str], Any], service: str, rest: str) -> str:
    if service != "secretsmanager":
        return str(
            client("ssm").get_parameter(Name=rest, WithDecryption=service == "ssm-secure")["Parameter"][
                "Value"
            ]
        )
    parts = rest.split(":")
    cut = 7 if rest.startswith("arn:") else 1
    secret, (kind, key, stage, version, *_) = ":".join(parts[:cut]), [*parts[cut:], "", "", "", ""]
    if kind not in ("", "SecretString"):
        raise TemplateError(f"dynamic reference {rest}: {kind} is not supported, allowed: SecretString")
    query = {"VersionStage": stage, "VersionId": version}
    value = client("secretsmanager").get_secret_value(
        SecretId=secret, **{name: text for name, text in query.items() if text}
    )["SecretString"]
    if not key:
        return str(value)
    import json

    return str(json.loads(value)[key])
