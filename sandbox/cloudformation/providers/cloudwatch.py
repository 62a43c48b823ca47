"""AWS::CloudWatch: alarms and dashboards."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers.provider import Context, Plain, Properties


class Listed(Plain):
    """Deleted by an operation that takes a list of names."""

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call(self.service, str(self.delete_operation), {f"{self.name}s": [ref]})


PROVIDERS = {
    "AWS::CloudWatch::Alarm": Listed(
        service="cloudwatch",
        create_operation="PutMetricAlarm",
        update_operation="PutMetricAlarm",
        delete_operation="DeleteAlarms",
        name="AlarmName",
        name_length=255,
        ref="AlarmName",
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"},
        tags="arn:aws:cloudwatch:{region}:{account}:alarm:{ref}",
    ),
    "AWS::CloudWatch::CompositeAlarm": Listed(
        service="cloudwatch",
        create_operation="PutCompositeAlarm",
        update_operation="PutCompositeAlarm",
        delete_operation="DeleteAlarms",
        name="AlarmName",
        name_length=255,
        ref="AlarmName",
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"},
        tags="arn:aws:cloudwatch:{region}:{account}:alarm:{ref}",
    ),
    "AWS::CloudWatch::Dashboard": Listed(
        service="cloudwatch",
        create_operation="PutDashboard",
        update_operation="PutDashboard",
        delete_operation="DeleteDashboards",
        name="DashboardName",
        name_length=255,
        ref="DashboardName",
        tags="arn:aws:cloudwatch::{account}:dashboard/{ref}",
    ),
}
