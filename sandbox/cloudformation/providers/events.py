"""AWS::Events and AWS::Scheduler: rules, schedules and their groups."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties

_MAX_TARGETS = 10  # per PutTargets


class Rule:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("Name") or context.name(64)
        rule = {**properties.without("Targets", "Tags", "Name"), "Name": name}
        rule |= tagging.at_creation("events", properties.get("Tags"))
        arn = context.call("events", "PutRule", rule)["RuleArn"]
        context.begun(name)
        self._targets(context, name, {}, properties)
        return name, {"Arn": arn, "RuleName": name}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Name")
        before = {key: value for key, value in old.items() if key not in ("Targets", "Tags", "Name")}
        after = new.without("Targets", "Tags", "Name")
        if before != after:
            context.call("events", "PutRule", {**after, "Name": ref})
        self._targets(context, ref, old, new)
        arn = context.arn("events", f"rule/{ref}")
        tagging.retag(context, "events", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        self._targets(context, ref, properties, {**properties, "Targets": []})
        context.call("events", "DeleteRule", {"Name": ref, **_bus(properties)})

    def _targets(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        before = {target["Id"]: target for target in old.get("Targets") or []}
        after = {target["Id"]: target for target in new.get("Targets") or []}
        gone = [key for key in before if key not in after]
        changed = [target for key, target in after.items() if before.get(key) != target]
        if gone:
            context.call("events", "RemoveTargets", {"Rule": name, **_bus(new), "Ids": gone})
        for start in range(0, len(changed), _MAX_TARGETS):
            targets = changed[start : start + _MAX_TARGETS]
            answer = context.call("events", "PutTargets", {"Rule": name, **_bus(new), "Targets": targets})
            if failed := answer.get("FailedEntries"):
                raise RuntimeError(f"target {failed[0]['TargetId']}: {failed[0].get('ErrorMessage')}")


def _bus(properties: Properties) -> dict[str, str]:
    return {"EventBusName": properties["EventBusName"]} if properties.get("EventBusName") else {}


PROVIDERS = {
    "AWS::Events::Rule": Rule(),
    "AWS::Scheduler::Schedule": Plain(
        service="scheduler",
        create_operation="CreateSchedule",
        update_operation="UpdateSchedule",
        delete_operation="DeleteSchedule",
        name="Name",
        ref="Name",
        attributes={"Arn": ".ScheduleArn"},
        delete_extra=("GroupName",),
    ),
    "AWS::Scheduler::ScheduleGroup": Plain(
        service="scheduler",
        create_operation="CreateScheduleGroup",
        delete_operation="DeleteScheduleGroup",
        name="Name",
        ref="Name",
        attributes={"Arn": ".ScheduleGroupArn"},
        tags="arn:aws:scheduler:{region}:{account}:schedule-group/{ref}",
    ),
}
