"""AWS::CloudTrail: trails."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties

_DETAILS = (
    "S3BucketName", "S3KeyPrefix", "SnsTopicName", "IncludeGlobalServiceEvents", "IsMultiRegionTrail",
    "EnableLogFileValidation", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KMSKeyId",
    "IsOrganizationTrail",
)  # fmt: skip
_SELECTORS = ("EventSelectors", "AdvancedEventSelectors")


class Trail:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("TrailName") or context.name(128)
        parameters = {key: properties[key] for key in _DETAILS if key in properties}
        parameters |= tagging.at_creation("cloudtrail", properties.get("Tags"))
        trail = context.call("cloudtrail", "CreateTrail", {**parameters, "Name": name})
        context.begun(name)
        self._selectors(context, name, {}, properties)
        if properties["IsLogging"]:
            context.call("cloudtrail", "StartLogging", {"Name": name})
        return name, {"Arn": trail["TrailARN"], "SnsTopicArn": trail.get("SnsTopicARN", "")}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("TrailName")
        changed = {key: new[key] for key in _DETAILS if key in new}
        if changed != {key: old[key] for key in _DETAILS if key in old}:
            context.call("cloudtrail", "UpdateTrail", {**changed, "Name": ref})
        self._selectors(context, ref, old, new)
        if old["IsLogging"] != new["IsLogging"]:
            context.call("cloudtrail", "StartLogging" if new["IsLogging"] else "StopLogging", {"Name": ref})
        arn = context.arn("cloudtrail", f"trail/{ref}")
        tagging.retag(context, "cloudtrail", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("cloudtrail", "DeleteTrail", {"Name": ref})

    def _selectors(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        wanted = {key: new[key] for key in _SELECTORS if new.get(key)}
        if wanted and wanted != {key: old[key] for key in _SELECTORS if old.get(key)}:
            context.call("cloudtrail", "PutEventSelectors", {"TrailName": name, **wanted})
        if new.get("InsightSelectors") != old.get("InsightSelectors"):
            insights = {"TrailName": name, "InsightSelectors": new.get("InsightSelectors") or []}
            context.call("cloudtrail", "PutInsightSelectors", insights)


PROVIDERS = {"AWS::CloudTrail::Trail": Trail()}
