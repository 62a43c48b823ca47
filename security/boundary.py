"""The ceiling of every role: it grants nothing, and what it does not name no role can do.

`ACTIONS`, with those of the feature store where there is one, is the union of what the roles are granted (a
test compares both ways). The denials stop SageMaker work that would run outside the VPC, with a way to the
internet, or unencrypted, whoever may write a state machine or a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

# By service, so that a review sees what a new action opens. tests/security/test_boundary.py says what is
# missing.
ACTIONS: dict[str, str] = {
    "athena": (
        "GetNamedQuery GetQueryExecution GetQueryResults GetWorkGroup ListNamedQueries "
        "StartQueryExecution StopQueryExecution"
    ),
    "cloudwatch": "DescribeAlarms PutMetricData",
    "dynamodb": "DeleteItem GetItem PutItem",
    "ec2": (
        "AssignPrivateIpAddresses CreateNetworkInterface CreateNetworkInterfacePermission CreateTags "
        "DeleteNetworkInterface DeleteNetworkInterfacePermission DeleteTags DescribeDhcpOptions "
        "DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups DescribeSubnets "
        "DescribeVpcAttribute DescribeVpcEndpoints DescribeVpcs UnassignPrivateIpAddresses"
    ),
    "ecr": "BatchCheckLayerAvailability BatchGetImage GetAuthorizationToken GetDownloadUrlForLayer",
    "events": "DescribeRule PutRule PutTargets",
    "glue": (
        "BatchCreatePartition BatchStopJobRun BatchUpdatePartition GetConnection GetDatabase GetJobRun "
        "GetJobRuns GetPartition GetPartitions GetSecurityConfiguration GetTable GetTables StartJobRun"
    ),
    "iam": "PassRole",
    "kinesis": "DescribeStream GetRecords GetShardIterator ListShards PutRecords",
    "kms": "CreateGrant Decrypt DescribeKey GenerateDataKey",
    "lambda": "GetFunctionConfiguration InvokeFunction",
    "logs": (
        "AssociateKmsKey CreateLogDelivery CreateLogGroup CreateLogStream DeleteLogDelivery "
        "DescribeLogGroups DescribeLogStreams DescribeResourcePolicies GetLogDelivery ListLogDeliveries "
        "PutLogEvents PutResourcePolicy UpdateLogDelivery"
    ),
    "s3": (
        "AbortMultipartUpload DeleteObject GetBucketLocation GetObject ListBucket "
        "ListBucketMultipartUploads PutObject"
    ),
    "sagemaker": (
        "AddTags CreateEndpointConfig CreateHyperParameterTuningJob CreateModel "
        "CreateModelPackage CreateProcessingJob CreateTrainingJob CreateTransformJob "
        "DeleteEndpointConfig DeleteModel DeleteModelPackage DescribeEndpoint "
        "DescribeHyperParameterTuningJob DescribeProcessingJob DescribeTrainingJob DescribeTransformJob "
        "InvokeEndpoint ListEndpointConfigs ListModelPackages ListModels ListTags "
        "ListTrainingJobsForHyperParameterTuningJob StopHyperParameterTuningJob "
        "StopProcessingJob StopTrainingJob StopTransformJob UpdateEndpoint UpdateModelPackage"
    ),
    "secretsmanager": "DescribeSecret GetSecretValue PutSecretValue UpdateSecretVersionStage",
    "sns": "Publish",
    "sqs": "SendMessage",
    "ssm": "GetParameter PutParameter",
    "states": "StartExecution",
    "xray": "GetSamplingRules GetSamplingTargets PutTelemetryRecords PutTraceSegments",
}

# Where there is a feature store.
FEATURE_STORE: dict[str, str] = {
    "s3": "GetBucketAcl PutObjectAcl",
    "sagemaker": "BatchGetRecord GetRecord PutRecord",
}

# The rights to trials of a search are asked of who starts the search; SageMaker starts the trials itself.
CREATES_IN_VPC = ("CreateHyperParameterTuningJob", "CreateModel", "CreateProcessingJob", "CreateTrainingJob")
CREATES_WITH_VOLUME = (
    "CreateEndpointConfig",
    "CreateHyperParameterTuningJob",
    "CreateProcessingJob",
    "CreateTrainingJob",
    "CreateTransformJob",
)
CREATES_OUTPUT = (
    "CreateHyperParameterTuningJob",
    "CreateProcessingJob",
    "CreateTrainingJob",
    "CreateTransformJob",
)
RUNS = ("CreateHyperParameterTuningJob", "CreateProcessingJob", "CreateTrainingJob")


def preventive_denials() -> list[iam.PolicyStatement]:
    """Keys of one `Null` block are joined by AND: one statement for each thing that must not be missing."""
    missing = {
        "sagemaker:VpcSubnets": CREATES_IN_VPC,
        "sagemaker:VpcSecurityGroupIds": CREATES_IN_VPC,
        "sagemaker:NetworkIsolation": CREATES_IN_VPC,
        "sagemaker:VolumeKmsKey": CREATES_WITH_VOLUME,
        "sagemaker:OutputKmsKey": CREATES_OUTPUT,
        "sagemaker:MaxRuntimeInSeconds": RUNS,
        "sagemaker:InterContainerTrafficEncryption": RUNS,
    }
    switched_off = {
        "sagemaker:NetworkIsolation": CREATES_IN_VPC,
        "sagemaker:InterContainerTrafficEncryption": RUNS,
    }
    return [
        *(_deny(actions, {"Null": {key: "true"}}) for key, actions in missing.items()),
        *(_deny(actions, {"Bool": {key: "false"}}) for key, actions in switched_off.items()),
    ]


def _deny(actions: tuple[str, ...], conditions: dict[str, dict[str, str]]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=[f"sagemaker:{action}" for action in actions],
        resources=["*"],
        conditions=conditions,
    )


class Boundary(iam.ManagedPolicy):
    """`actions`: those of an optional module's roles, which differ from the core's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        actions: Mapping[str, str] | None = None,
        has_feature_store: bool = False,
    ) -> None:
        tables = [actions or ACTIONS, *([FEATURE_STORE] if has_feature_store else [])]
        super().__init__(
            scope,
            construct_id,
            description="The most that a role of this deployment may do; grants nothing by itself",
            statements=[*_ceiling(tables), *preventive_denials()],
        )


def _ceiling(tables: Sequence[Mapping[str, str]]) -> list[iam.PolicyStatement]:
    actions = [
        f"{service}:{action}"
        for table in tables
        for service, names in table.items()
        for action in names.split()
    ]
    elsewhere = [action for action in actions if action.startswith("ecr:")]
    return [
        iam.PolicyStatement(
            actions=[action for action in actions if action not in elsewhere],
            resources=["*"],
            # Data perimeter: resources of this account only, also where a policy would let a role out.
            conditions={"StringEqualsIfExists": {"aws:ResourceAccount": Aws.ACCOUNT_ID}},
        ),
        # SageMaker's own images lie in AWS's accounts.
        *([iam.PolicyStatement(actions=elsewhere, resources=["*"])] if elsewhere else []),
    ]
