"""AWS::CloudWatch: alarms and dashboards."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers.provider import Context, Plain, Properties


class Listed(Plain):
    """Deleted by an operation that takes a list of names."""

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call(self.service, str(self.delete_operation), {f"{self.name}s": [ref]})


def _alarm(operation: str) -> Listed:
    arn = "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"
    return Listed(
        service="cloudwatch",
        create_operation=operation,
        update_operation=operation,
        delete_operation="DeleteAlarms",
        name="AlarmName",
        name_length=255,
        ref="AlarmName",
        attributes={"Arn": arn},
        tags=arn,
    )


PROVIDERS = {
    "AWS::CloudWatch::Alarm": _alarm("PutMetricAlarm"),
    "AWS::CloudWatch::CompositeAlarm": _alarm("PutCompositeAlarm"),
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
