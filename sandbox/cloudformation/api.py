"""The CloudFormation operations on the wire: moto parses and serialises, our engine answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlparse

from sandbox import account, selftest
from sandbox.cloudformation import custom_resources, describe, operations, parameters
from sandbox.cloudformation.errors import AlreadyExistsError, ValidationError
from sandbox.cloudformation.model import ChangeSet, Keys, Stack, new_id
from sandbox.cloudformation.template import Template

_RESPONSES = "moto.cloudformation.responses:CloudFormationResponse"
_PAGE = 100


def self_test() -> None:
    selftest.check(f"{_RESPONSES}._get_params", "self")
    selftest.check(f"{_RESPONSES}.RESPONSE_KEY_PATH_TO_TRANSFORMER")
    selftest.check(f"{_RESPONSES}.get_access_key", "self")
    selftest.check("moto.core.responses:ActionResult.__init__", "self", "result")
    selftest.check("moto.core.exceptions:ServiceException")


def install() -> None:
    """Answer every CloudFormation operation here; those without an answer are refused by name."""
    from botocore import xform_name
    from moto.cloudformation.responses import CloudFormationResponse as Responses
    from moto.core.responses import ActionResult

    custom_resources.install()
    Responses.RESPONSE_KEY_PATH_TO_TRANSFORMER = {}  # they expect moto's own stacks

    def method(answer: Answer) -> Callable[[Any], Any]:
        return lambda response: ActionResult(answer(Call(response)) or {})

    for operation in account.client("cloudformation").meta.service_model.operation_names:
        setattr(Responses, xform_name(operation), method(_OPERATIONS.get(operation, _refuse(operation))))


def reset() -> None:
    custom_resources.reset()
    operations.reset()


class Call:
    """One request: its parameters, and with whose keys it came."""

    def __init__(self, response: Any) -> None:
        self.parameters: dict[str, Any] = dict(response._get_params())
        self._access_key: str = response.get_access_key()

    def get(self, name: str, default: Any = None) -> Any:
        value = self.parameters.get(name)
        return default if value is None else value

    @property
    def caller(self) -> Keys:
        """The caller's credentials, with which CloudFormation acts where a stack has no role."""
        if self._access_key == account.ROOT_ACCESS_KEY:
            return Keys(account.ROOT_ACCESS_KEY, account.ROOT_SECRET)
        from moto.iam.models import iam_backends
        from moto.sts.models import sts_backends

        role = sts_backends[account.ACCOUNT]["aws"].get_assumed_role_from_access_key(self._access_key)
        if role is not None:
            return Keys(role.access_key_id, role.secret_access_key, role.session_token)
        for user in iam_backends[account.ACCOUNT]["aws"].users.values():
            for key in user.access_keys:
                if key.access_key_id == self._access_key:
                    return Keys(key.access_key_id, key.secret_access_key)
        raise ValidationError(f"no credentials are known for the access key {self._access_key}")

    @property
    def tags(self) -> dict[str, str] | None:
        return {t["Key"]: t["Value"] for t in self.parameters["Tags"]} if "Tags" in self.parameters else None

    def template(self, stack: Stack | None = None) -> Template:
        if body := self.get("TemplateBody"):
            return Template.parse(body)
        if url := self.get("TemplateURL"):
            return Template.parse(_fetch(url, self.caller))
        if self.get("UsePreviousTemplate") and stack is not None and stack.template is not None:
            return stack.template
        raise ValidationError("either Template URL or Template Body must be specified")

    def given(self, template: Template, stack: Stack | None) -> dict[str, str]:
        keep = stack is not None and stack.template is template
        return parameters.given(template, self.get("Parameters", []), stack.given if stack else {}, keep=keep)


Answer = Callable[[Call], Any]


def _refuse(operation: str) -> Answer:
    def answer(_: Call) -> None:
        raise NotImplementedError(f"cloudformation {operation} is not supported by the sandbox")

    return answer


def _fetch(url: str, caller: Keys) -> str:
    """A template that lies in a bucket, read as the caller."""
    parts = urlparse(url)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    if parts.hostname and parts.hostname.endswith(".amazonaws.com") and not parts.hostname.startswith("s3"):
        bucket, key = parts.hostname.split(".s3", 1)[0], unquote(parts.path).lstrip("/")
    answer = account.client("s3", caller).get_object(Bucket=bucket, Key=key)
    return str(answer["Body"].read().decode())


def _create_stack(call: Call) -> Any:
    template = call.template()
    capabilities = operations.need_capabilities(template, call.get("Capabilities", []))
    given = call.given(template, None)
    stack = operations.new_stack(call.get("StackName"), call.caller)
    stack.role_arn, stack.capabilities = call.get("RoleARN"), capabilities
    stack.notifications = call.get("NotificationARNs", [])
    stack.protected, stack.token = (
        bool(call.get("EnableTerminationProtection")),
        call.get("ClientRequestToken"),
    )
    stack.on_failure = call.get("OnFailure", "DO_NOTHING" if call.get("DisableRollback") else "ROLLBACK")
    try:
        operations.create(stack, template, given, call.tags or {})
    except Exception:
        del operations.stacks[stack.id]
        raise
    return {"StackId": stack.id}


def _update_stack(call: Call) -> Any:
    stack = operations.find(call.get("StackName"))
    operations.refuse_broken(stack)
    template = call.template(stack)
    capabilities = operations.need_capabilities(template, call.get("Capabilities", []))
    given = call.given(template, stack)
    tags = stack.tags if call.tags is None else call.tags
    if operations.unchanged(stack, operations.target_of(stack, template, given, tags)):
        raise ValidationError("No updates are to be performed.")
    stack.role_arn, stack.caller = call.get("RoleARN", stack.role_arn), call.caller
    stack.capabilities, stack.token = capabilities, call.get("ClientRequestToken")
    operations.update(stack, template, given, tags)
    return {"StackId": stack.id}


def _delete_stack(call: Call) -> None:
    try:
        stack = operations.find(call.get("StackName"))
    except ValidationError:
        return  # deleting what is not there succeeds
    stack.token, stack.caller = call.get("ClientRequestToken"), call.caller
    stack.role_arn = call.get("RoleARN", stack.role_arn)
    operations.delete(stack, set(call.get("RetainResources", [])))


def _create_change_set(call: Call) -> Any:
    name, kind = call.get("StackName"), call.get("ChangeSetType", "UPDATE")
    # ImportExistingResources is taken as said: what exists already fails to be created, nothing is adopted.
    if kind not in ("CREATE", "UPDATE") or call.get("DeploymentMode"):
        raise NotImplementedError(
            f"change sets of type {kind}, mode {call.get('DeploymentMode')} are not supported"
        )
    stack = operations.living(name) or next((s for s in operations.here() if s.id == name), None)
    if kind == "UPDATE":
        stack = operations.find(name)
        operations.refuse_broken(stack)
        if stack.template is None:
            raise ValidationError(f"Stack:{stack.id} is in REVIEW_IN_PROGRESS state and can not be updated.")
    elif stack is not None and stack.template is not None:
        raise AlreadyExistsError(
            f"Stack [{name}] already exists and cannot be created again with a changeSet."
        )
    template = call.template(stack)
    capabilities = operations.need_capabilities(template, call.get("Capabilities", []))
    given = call.given(template, stack)
    stack = stack or operations.new_stack(name, call.caller)
    change_set = ChangeSet(
        id=new_id("changeSet", call.get("ChangeSetName")),
        name=call.get("ChangeSetName"),
        type=kind,
        template=template,
        given=given,
        tags=stack.tags if call.tags is None else call.tags,
        role_arn=call.get("RoleARN"),
        caller=call.caller,
        capabilities=capabilities,
        description=call.get("Description"),
        on_failure=call.get("OnStackFailure"),
        notifications=call.get("NotificationARNs", []),
    )
    if any(other.name == change_set.name for other in stack.change_sets.values()):
        raise AlreadyExistsError(
            f"ChangeSet {change_set.name} cannot be created due to a mismatch with existing one"
        )
    stack.change_sets[change_set.id] = change_set
    _review(stack, change_set)
    return {"Id": change_set.id, "StackId": stack.id}


def _review(stack: Stack, change_set: ChangeSet) -> None:
    role, caller = stack.role_arn, stack.caller
    stack.role_arn, stack.caller = change_set.role_arn or role, change_set.caller
    try:
        operations.review(stack, change_set)
    except Exception as error:  # AWS makes the change set first and reports what is wrong with it there
        change_set.status, change_set.execution_status, change_set.reason = (
            "FAILED",
            "UNAVAILABLE",
            str(error),
        )
    finally:
        stack.role_arn, stack.caller = role, caller


def _execute_change_set(call: Call) -> None:
    stack, change_set = operations.find_change_set(call.get("ChangeSetName"), call.get("StackName"))
    stack.token = call.get("ClientRequestToken")
    stack.on_failure = change_set.on_failure or ("DO_NOTHING" if call.get("DisableRollback") else "ROLLBACK")
    operations.execute(stack, change_set)


def _delete_change_set(call: Call) -> None:
    name = call.get("StackName")
    if name is not None:
        operations.find(name)
    for stack in operations.here():
        for change_set in list(stack.change_sets.values()):
            if change_set.id == call.get("ChangeSetName") or (
                change_set.name == call.get("ChangeSetName") and name in (stack.name, stack.id)
            ):
                del stack.change_sets[change_set.id]


def _describe_change_set(call: Call) -> Any:
    stack, change_set = operations.find_change_set(call.get("ChangeSetName"), call.get("StackName"))
    return describe.change_set(stack, change_set)


def _list_change_sets(call: Call) -> Any:
    stack = operations.find(call.get("StackName"))
    return {"Summaries": [describe.change_set_summary(stack, c) for c in stack.change_sets.values()]}


def _describe_stacks(call: Call) -> Any:
    if name := call.get("StackName"):
        return {"Stacks": [describe.stack(operations.find(name))]}
    return {"Stacks": [describe.stack(stack) for stack in operations.here() if stack.deleted is None]}


def _list_stacks(call: Call) -> Any:
    wanted = call.get("StackStatusFilter")
    found = [s for s in operations.here() if not wanted or s.status in wanted]
    return _page("StackSummaries", [describe.summary(stack) for stack in found], call)


def _describe_stack_events(call: Call) -> Any:
    stack = operations.find(call.get("StackName"))
    return _page("StackEvents", [describe.event(stack, event) for event in reversed(stack.events)], call)


def _describe_stack_resource(call: Call) -> Any:
    stack, name = operations.find(call.get("StackName")), call.get("LogicalResourceId")
    if name not in stack.resources:
        raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")
    return {"StackResourceDetail": describe.resource_detail(stack, stack.resources[name])}


def _describe_stack_resources(call: Call) -> Any:
    physical = call.get("PhysicalResourceId")
    if name := call.get("StackName"):
        candidates = [operations.find(name)]
    else:
        candidates = [s for s in operations.here() if s.deleted is None]
        candidates = [s for s in candidates if any(r.physical_id == physical for r in s.resources.values())]
        if not candidates:
            raise ValidationError(f"Stack for {physical} does not exist")
    logical = call.get("LogicalResourceId")
    found = [
        describe.resource(stack, resource)
        for stack in candidates
        for resource in stack.told
        if logical in (None, resource.logical_id)
    ]
    return {"StackResources": found}


def _list_stack_resources(call: Call) -> Any:
    stack = operations.find(call.get("StackName"))
    found = [describe.resource_summary(resource) for resource in stack.told]
    return _page("StackResourceSummaries", found, call)


def _get_template(call: Call) -> Any:
    if name := call.get("ChangeSetName"):
        template: Template | None = operations.find_change_set(name, call.get("StackName"))[1].template
    else:
        template = operations.find(call.get("StackName")).template
    body = template.body if template else "{}"
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def _get_template_summary(call: Call) -> Any:
    stack = operations.find(call.get("StackName")) if call.get("StackName") else None
    template = stack.template if stack and stack.template else call.template(stack)
    return describe.template(template)


def _update_termination_protection(call: Call) -> Any:
    stack = operations.find(call.get("StackName"))
    stack.protected = bool(call.get("EnableTerminationProtection"))
    return {"StackId": stack.id}


def _page(key: str, items: list[Any], call: Call) -> dict[str, Any]:
    start = int(call.get("NextToken", 0))
    page: dict[str, Any] = {key: items[start : start + _PAGE]}
    if start + _PAGE < len(items):
        page["NextToken"] = str(start + _PAGE)
    return page


_OPERATIONS: dict[str, Answer] = {
    "CreateChangeSet": _create_change_set,
    "CreateStack": _create_stack,
    "DeleteChangeSet": _delete_change_set,
    "DeleteStack": _delete_stack,
    "DescribeChangeSet": _describe_change_set,
    "DescribeStackEvents": _describe_stack_events,
    "DescribeStackResource": _describe_stack_resource,
    "DescribeStackResources": _describe_stack_resources,
    "DescribeStacks": _describe_stacks,
    "ExecuteChangeSet": _execute_change_set,
    "GetTemplate": _get_template,
    "GetTemplateSummary": _get_template_summary,
    "ListChangeSets": _list_change_sets,
    "ListExports": lambda call: _page("Exports", describe.exported(), call),
    "ListImports": lambda call: describe.importing(call.get("ExportName")),
    "ListStackResources": _list_stack_resources,
    "ListStacks": _list_stacks,
    "UpdateStack": _update_stack,
    "UpdateTerminationProtection": _update_termination_protection,
    "ValidateTemplate": lambda call: describe.template(call.template()),
}
