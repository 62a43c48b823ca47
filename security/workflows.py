"""State machines with their own role, an encrypted definition and history, and a log without payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import JsonNull, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from security import grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ServiceRole, arn

# What Step Functions needs to hand its log over; none of these actions knows resources.
LOG_DELIVERY = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]
# Kind of job, by the name of Step Functions' rule for it -> by its ARN, and by its operations.
LONG_NAMES = {"Tuning": ("hyper-parameter-tuning", "HyperParameterTuning")}
TRACING = [
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
]


class WorkflowPolicy(iam.ManagedPolicy):
    """For Step Functions, shared by all roles of state machines: it hands logs over and writes traces."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description="For the Step Functions service: logs and traces of state machines",
            statements=[iam.PolicyStatement(actions=[*LOG_DELIVERY, *TRACING], resources=["*"])],
        )


class Workflow(Construct):
    """
    role  may log and trace; what the definition calls is granted on top, then `define` makes the machine
    arn   known before the machine exists, because the name is ours: events and triggers refer to it
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        key: kms.IKey,
        logs: LogKeeping,
        watching: iam.IManagedPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name, self._key = name, key
        self.arn = arn("states", f"stateMachine:{name}")
        # With this beginning, log groups do not use up the Region's one resource policy for log delivery.
        self._log_group = PrivateLogGroup(self, "Logs", keeping=logs, name=f"/aws/vendedlogs/states/{name}")
        self.role = ServiceRole(self, "Role", service="states", source_arn=self.arn)
        self.role.add_managed_policy(watching)
        self._use_key()

    def _use_key(self) -> None:
        grants.allow(
            self.role,
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [self._key.key_arn],
            conditions={"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": self.arn}},
        )
        delivery = {"StringEquals": {"kms:EncryptionContext:SourceArn": arn("logs", "*")}}
        grants.allow(self.role, ["kms:GenerateDataKey"], [self._key.key_arn], conditions=delivery)
        self._key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                resources=["*"],  # in a key policy: this key
                conditions=delivery,
            )
        )

    def define(self, definition: Mapping[str, Any]) -> sfn.CfnStateMachine:
        machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=self.name,
            state_machine_type="STANDARD",
            role_arn=self.role.role_arn,
            definition_string=Stack.of(self).to_json_string(_with_nulls(definition)),
            encryption_configuration=sfn.CfnStateMachine.EncryptionConfigurationProperty(
                type="CUSTOMER_MANAGED_KMS_KEY",
                kms_key_id=self._key.key_arn,
                kms_data_key_reuse_period_seconds=300,
            ),
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=self._log_group.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        # Step Functions tries the role when it makes the state machine: its policy must be there.
        machine.node.add_dependency(self.role)
        return machine

    def let_start(self, role: iam.Role) -> None:
        """Start executions; their input is encrypted with the rights of the state machine's own role."""
        grants.allow(role, ["states:StartExecution"], [self.arn])

    def let_invoke(self, *function_arns: str) -> None:
        grants.allow(self.role, ["lambda:InvokeFunction"], list(function_arns))

    def let_run_glue(self, *job_names: str) -> None:
        """Start and wait: Step Functions polls the run, and stops it when the execution is stopped."""
        actions = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"]
        grants.allow(self.role, actions, [arn("glue", f"job/{name}") for name in job_names])

    def let_run_sagemaker(
        self, kind: str, prefix: str, *roles: iam.IRole, policy: str = "Permissions"
    ) -> None:
        """Start and wait for jobs called `prefix`-... of one kind: "Training", "Tuning", "Processing" or
        "Transform".

        Step Functions hears of their end through a rule that it manages itself, one per kind and account.
        """
        resource, name = LONG_NAMES.get(kind, (kind.lower(), kind))
        jobs = arn("sagemaker", f"{resource}-job/{prefix}-*")
        verbs = ("Create", "Describe", "Stop")
        actions = [f"sagemaker:{verb}{name}Job" for verb in verbs]
        tagging = ["sagemaker:AddTags", "sagemaker:ListTags"]
        grants.allow(self.role, [*actions, *tagging], [jobs], policy=policy)
        rule = arn("events", f"rule/StepFunctionsGetEventsForSageMaker{kind}JobsRule")
        managing = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        grants.allow(self.role, managing, [rule], policy=policy)
        if roles:
            self.let_pass(*roles)

    def let_pass(self, *roles: iam.IRole) -> None:
        grants.allow(
            self.role,
            ["iam:PassRole"],
            [role.role_arn for role in roles],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )

    def let_publish(self, topic_arn: str, key: kms.IKey) -> None:
        grants.allow(self.role, ["sns:Publish"], [topic_arn])
        grants.use_key(self.role, key, ["kms:Decrypt", "kms:GenerateDataKey"], through="sns")


def _with_nulls(value: Any) -> Any:
    """The CDK leaves out what is None; in a definition null is a value (`ResultPath`: drop the answer)."""
    match value:
        case None:
            return JsonNull.INSTANCE
        case Mapping():
            return {key: _with_nulls(each) for key, each in value.items()}
        case list() | tuple():
            return [_with_nulls(each) for each in value]
    return value
