"""Each rule finds its bad example, and that only, and leaves the good one alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from audit.findings import Finding
from audit.rules import RULES, check
from audit.rules.definitions import tasks
from audit.rules.frameworks import FRAMEWORKS
from audit.templates import Templates

Resources = dict[str, Any]
GONE = object()
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
ROOT = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
OURS = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
NETWORK = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
ROLE_ARN = {"Fn::GetAtt": ["Role", "Arn"]}


def read(resources: Resources) -> Templates:
    return Templates({"Any": (Path("Any.template.json"), {"Resources": resources})})


def found(resources: Resources) -> list[Finding]:
    return check(read(resources))


def rules(resources: Resources) -> set[str]:
    return {finding.rule for finding in found(resources)}


def but(value: Any, path: str, new: Any = GONE) -> Any:
    """The same with another value at `A.B.0.C`, or without one there."""
    changed = deepcopy(value)
    *steps, last = path.split(".")
    inner = changed
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    if new is GONE:
        del inner[int(last) if isinstance(inner, list) else last]
    elif isinstance(inner, list):
        inner[int(last)] = new
    else:
        inner[last] = new
    return changed


def resource(kind: str, **properties: Any) -> Resources:
    return {"Type": kind, "Properties": properties}


def one(kind: str, **properties: Any) -> Resources:
    """One resource, called X."""
    return {"X": resource(kind, **properties)}


def policy(*statements: Any) -> Resources:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Any, principal: Any, **more: Any) -> Resources:
    return {"Effect": "Allow", "Action": actions, "Principal": principal, "Resource": "*"} | more


def tls(service: str) -> Resources:
    return {
        "Effect": "Deny",
        "Action": f"{service}:*",
        "Principal": "*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def task(action: str, request: Any, **more: Any) -> Resources:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{action}",
        "Parameters": request,
        "TimeoutSeconds": 60,
        "Retry": [{"ErrorEquals": ["States.Timeout"]}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Stop"}],
        **more,
    }


STATES = {
    "Train": task(
        "sagemaker:createTrainingJob.sync",
        {
            "RoleArn": ROLE_ARN,
            "VpcConfig": NETWORK,
            "EnableNetworkIsolation": True,
            "EnableInterContainerTrafficEncryption": True,
            "ResourceConfig": {"InstanceType": "ml.m5.large", "VolumeKmsKeyId": KEY},
            "OutputDataConfig": {"S3OutputPath.$": "$.path", "KmsKeyId": KEY},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    ),
    "Tune": task(
        "sagemaker:createHyperParameterTuningJob.sync",
        {
            "TrainingJobDefinition": {
                "RoleArn": ROLE_ARN,
                "VpcConfig": NETWORK,
                "EnableNetworkIsolation": True,
                "EnableInterContainerTrafficEncryption": True,
                "ResourceConfig": {"VolumeKmsKeyId": KEY},
                "OutputDataConfig": {"KmsKeyId": KEY},
                "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            }
        },
    ),
    "Process": task(
        "sagemaker:createProcessingJob.sync",
        {
            "RoleArn": ROLE_ARN,
            "NetworkConfig": {
                "VpcConfig": NETWORK,
                "EnableNetworkIsolation": True,
                "EnableInterContainerTrafficEncryption": True,
            },
            "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": KEY}},
            "ProcessingOutputConfig": {"KmsKeyId": KEY, "Outputs": []},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    ),
    "Model": task(
        "aws-sdk:sagemaker:createModel",
        {"ExecutionRoleArn": ROLE_ARN, "VpcConfig": NETWORK, "EnableNetworkIsolation": True},
    ),
    "Configure": task(
        "aws-sdk:sagemaker:createEndpointConfig",
        {
            "ProductionVariants": [{"InstanceType": "ml.m5.large"}],
            "KmsKeyId": KEY,
            "DataCaptureConfig": {"EnableCapture": True, "KmsKeyId": KEY},
        },
    ),
    "Score": task(
        "sagemaker:createTransformJob.sync",
        {"TransformResources": {"VolumeKmsKeyId": KEY}, "TransformOutput": {"KmsKeyId": KEY}},
    ),
    "Stop": {"Type": "Fail"},
}
LOG_GROUP = resource("AWS::Logs::LogGroup", KmsKeyId=KEY, RetentionInDays=30)
MACHINE = {
    "Logs": LOG_GROUP,
    "X": resource(
        "AWS::StepFunctions::StateMachine",
        Definition={"StartAt": "Train", "TimeoutSeconds": 7200, "States": STATES},
        LoggingConfiguration={
            "Level": "ALL",
            "IncludeExecutionData": False,
            "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}}}],
        },
    ),
}
STATE = "X.Properties.Definition.States"
LOGGING = "X.Properties.LoggingConfiguration"
MODEL = one("AWS::SageMaker::Model", VpcConfig=NETWORK, EnableNetworkIsolation=True)
CONFIG = one(
    "AWS::SageMaker::EndpointConfig",
    ProductionVariants=[{"InstanceType": "ml.m5.large"}],
    KmsKeyId=KEY,
    DataCaptureConfig={
        "EnableCapture": True,
        "KmsKeyId": KEY,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "InitialSamplingPercentage": 100,
    },
)
SERVED = one(
    "AWS::SageMaker::Endpoint",
    DeploymentConfig={"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}},
)
NOTEBOOK = one(
    "AWS::SageMaker::NotebookInstance",
    DirectInternetAccess="Disabled",
    RootAccess="Disabled",
    KmsKeyId=KEY,
    SubnetId="subnet-1",
)
DOMAIN = one("AWS::SageMaker::Domain", AppNetworkAccessType="VpcOnly", KmsKeyId=KEY)
JOB = one(
    "AWS::Glue::Job",
    Command={"Name": "glueetl"},
    GlueVersion="5.1",
    SecurityConfiguration="jobs",
    Connections={"Connections": ["vpc"]},
    Timeout=60,
    MaxRetries=0,
)
GLUE_SECURITY = one(
    "AWS::Glue::SecurityConfiguration",
    EncryptionConfiguration={
        "S3Encryptions": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": KEY}],
        "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": KEY},
        "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "CSE-KMS", "KmsKeyArn": KEY},
    },
)
CONNECTION = one(
    "AWS::Glue::Connection", ConnectionInput={"PhysicalConnectionRequirements": {"SubnetId": "subnet-1"}}
)
OF_ITSELF = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}
WORKERS = {"Fn::GetAtt": ["G", "GroupId"]}
MEETING = {
    "X": but(
        CONNECTION["X"],
        "Properties.ConnectionInput.PhysicalConnectionRequirements",
        {"SubnetId": "subnet-1", "SecurityGroupIdList": [WORKERS]},
    ),
    "G": resource(
        "AWS::EC2::SecurityGroup", SecurityGroupEgress=[{**OF_ITSELF, "DestinationSecurityGroupId": WORKERS}]
    ),
    "In": resource(
        "AWS::EC2::SecurityGroupIngress", GroupId=WORKERS, SourceSecurityGroupId=WORKERS, **OF_ITSELF
    ),
}
DELIVERY = one(
    "AWS::KinesisFirehose::DeliveryStream",
    DeliveryStreamType="DirectPut",
    DeliveryStreamEncryptionConfigurationInput={"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": KEY},
    ExtendedS3DestinationConfiguration={
        "ErrorOutputPrefix": "errors/",
        "EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": KEY}},
        "CloudWatchLoggingOptions": {"Enabled": True},
    },
)
DESTINATION = "X.Properties.ExtendedS3DestinationConfiguration"
PROCESSED = but(DELIVERY, f"{DESTINATION}.ProcessingConfiguration", {"Enabled": True, "Processors": []})
STREAM = one("AWS::Kinesis::Stream", StreamEncryption={"EncryptionType": "KMS", "KeyId": KEY})
ENDPOINT = one(
    "AWS::EC2::VPCEndpoint",
    VpcEndpointType="Gateway",
    PolicyDocument=policy(
        allow(
            "s3:GetObject",
            "*",
            Condition={"StringEquals": {"aws:PrincipalAccount": "1", "aws:ResourceAccount": "1"}},
            Resource="arn:aws:s3:::data-*",
        )
    ),
)
FLOWS = {
    "X": resource("AWS::EC2::VPC"),
    "F": resource("AWS::EC2::FlowLog", ResourceId={"Ref": "X"}, TrafficType="ALL"),
}
GROUP = one(
    "AWS::EC2::SecurityGroup",
    SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}],
    SecurityGroupEgress=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}],
)
PASS = {
    "Effect": "Allow",
    "Action": ["iam:PassRole"],
    "Resource": [ROLE_ARN],
    "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
}
ROLE = one(
    "AWS::IAM::Role",
    AssumeRolePolicyDocument=policy(
        allow(
            "sts:AssumeRole",
            {"Service": "glue.amazonaws.com"},
            Condition={**OURS, "ArnLike": {"aws:SourceArn": "arn:aws:glue:eu-west-1:1:job/x-*"}},
        )
    ),
    Policies=[{"PolicyDocument": policy(PASS)}],
)
TRUST = "X.Properties.AssumeRolePolicyDocument.Statement.0"
PASSING = "X.Properties.Policies.0.PolicyDocument.Statement.0"
ORGANISATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}


def granted(actions: Any, resources: Any, **condition: Any) -> Resources:
    """A role whose one grant this is."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return but(ROLE, PASSING, {**statement, "Condition": condition} if condition else statement)


INTERFACES = "arn:aws:ec2:eu-west-1:1:network-interface/*"
METRICS = granted("cloudwatch:PutMetricData", "*", StringEquals={"cloudwatch:namespace": "x"})
IN_VPC = granted("ec2:CreateNetworkInterfacePermission", INTERFACES, ArnEquals={"ec2:Vpc": "arn:vpc"})
BELOW = granted("s3:ListBucket", "arn:aws:s3:::shared", StringEquals={"s3:prefix": "mine"})
FOR_LAMBDA = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
OF_FUNCTION = {
    "X": but(
        but(ROLE, f"{TRUST}.Principal", {"Service": "lambda.amazonaws.com"})["X"],
        "Properties.Policies.0.PolicyDocument.Statement",
        [
            {"Effect": "Allow", "Action": [*FOR_LAMBDA], "Resource": INTERFACES},
            {
                "Effect": "Deny",
                "Action": [*FOR_LAMBDA],
                "Resource": "*",
                "Condition": {"Null": {"lambda:SourceFunctionArn": "false"}},
            },
        ],
    )
}
_VPC_ONLY = ("sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds", "sagemaker:NetworkIsolation")
BOUNDARY = {
    "X": resource(
        "AWS::IAM::ManagedPolicy",
        PolicyDocument=policy(
            {
                "Effect": "Allow",
                "Action": ["sagemaker:CreateModel", "s3:GetObject"],
                "Resource": "*",
                "Condition": {"StringEqualsIfExists": {"aws:ResourceAccount": "1"}},
            },
            *(
                {
                    "Effect": "Deny",
                    "Action": ["sagemaker:CreateModel"],
                    "Resource": "*",
                    "Condition": {"Null": {key: "true"}},
                }
                for key in _VPC_ONLY
            ),
            {
                "Effect": "Deny",
                "Action": ["sagemaker:CreateModel"],
                "Resource": "*",
                "Condition": {"Bool": {"sagemaker:NetworkIsolation": "false"}},
            },
        ),
    ),
    "R": but(but(ROLE, "X.Properties.Policies"), "X.Properties.PermissionsBoundary", {"Ref": "X"})["X"],
}
CAP = "X.Properties.PolicyDocument.Statement"
KEY_RESOURCE = one(
    "AWS::KMS::Key",
    EnableKeyRotation=True,
    KeyPolicy=policy(
        allow("kms:*", ROOT), allow("kms:Decrypt", {"Service": "sns.amazonaws.com"}, Condition=OURS)
    ),
)
KEY_STATEMENT = "X.Properties.KeyPolicy.Statement"
FUNCTION = {
    "Logs": LOG_GROUP,
    "X": resource("AWS::Lambda::Function", LoggingConfig={"LogGroup": {"Ref": "Logs"}}),
}
QUEUE = {
    "X": resource("AWS::SQS::Queue", KmsMasterKeyId=KEY),
    "P": resource(
        "AWS::SQS::QueuePolicy",
        Queues=[{"Ref": "X"}],
        PolicyDocument=policy(tls("sqs"), allow("sqs:SendMessage", "*", Condition=OURS)),
    ),
}
TOPIC = {
    "X": resource("AWS::SNS::Topic", KmsMasterKeyId=KEY),
    "P": resource(
        "AWS::SNS::TopicPolicy",
        Topics=[{"Ref": "X"}],
        PolicyDocument=policy(tls("sns"), allow("sns:Publish", {"AWS": "*"}, Condition=OURS)),
    ),
}
BUCKET = {
    "X": resource(
        "AWS::S3::Bucket",
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        VersioningConfiguration={"Status": "Enabled"},
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 30}]},
        BucketEncryption={
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
            ]
        },
    ),
    "P": resource(
        "AWS::S3::BucketPolicy",
        Bucket={"Ref": "X"},
        PolicyDocument=policy(tls("s3"), allow("s3:GetObject", "*", Condition=OURS)),
    ),
}
ENCRYPTION = "X.Properties.BucketEncryption.ServerSideEncryptionConfiguration.0"
OPEN = "P.Properties.PolicyDocument.Statement.1.Condition"
TABLE = one(
    "AWS::DynamoDB::Table",
    SSESpecification={"SSEEnabled": True, "KMSMasterKeyId": KEY},
    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
)
KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
TRAIL = one(
    "AWS::CloudTrail::Trail",
    EnableLogFileValidation=True,
    KMSKeyId=KEY,
    IsMultiRegionTrail=True,
    IsLogging=True,
    AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}],
)
LOCK = "ObjectLockConfiguration.Rule.DefaultRetention.Days"
LOCKED = but(BUCKET, "X.Properties.ObjectLockConfiguration", {"Rule": {"DefaultRetention": {"Days": 30}}})
FILLED = {**BUCKET, "T": but(TRAIL["X"], "Properties.S3BucketName", {"Ref": "X"})}
STORES = {"X": {**BUCKET["X"], **KEPT}, "P": BUCKET["P"], "Y": {**KEY_RESOURCE["X"], **KEPT}}
KEPT_TABLE = {"X": but({**TABLE["X"], **KEPT}, "Properties.DeletionProtectionEnabled", True)}
WORKGROUP = one(
    "AWS::Athena::WorkGroup",
    WorkGroupConfiguration={
        "EnforceWorkGroupConfiguration": True,
        "BytesScannedCutoffPerQuery": 10_000_000,
        "ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": KEY}},
    },
)
ALARM = one(
    "AWS::CloudWatch::Alarm",
    Namespace="AWS/Kinesis",
    MetricName="IncomingRecords",
    Statistic="Sum",
    ComparisonOperator="LessThanThreshold",
    TreatMissingData="breaching",
    AlarmActions=["topic"],
)


def watching(resource_id: str, dimension: str, *metrics: str) -> Resources:
    """An alarm on each of the metrics, of the resource."""
    return {
        f"A{number}": resource(
            "AWS::CloudWatch::Alarm",
            MetricName=metric,
            Dimensions=[{"Name": dimension, "Value": {"Ref": resource_id}}],
            TreatMissingData="missing",
            AlarmActions=["topic"],
        )
        for number, metric in enumerate(metrics)
    }


WATCHED = {**FUNCTION, **watching("X", "FunctionName", "Errors", "Throttles")}
OWN_ALARM = but(but(ALARM["X"], "Properties.Namespace", "mine"), "Properties.MetricName", "Drift")
FOLLOWING = {
    "X": OWN_ALARM,
    "Y": OWN_ALARM,
    "R": resource(
        "AWS::Events::Rule",
        EventPattern={
            "source": ["aws.cloudwatch"],
            "resources": [{"Fn::GetAtt": ["X", "Arn"]}, {"Fn::GetAtt": ["Y", "Arn"]}],
        },
    ),
}
PARAMETER = one("AWS::SSM::Parameter", Name="/champion", Value="none yet", Type="String")
SECRET = one("AWS::SecretsManager::Secret", KmsKeyId=KEY)
EVENTS = one("AWS::Events::Rule", Targets=[{"Id": "T", "Arn": "a", "DeadLetterConfig": {"Arn": "q"}}])
PERMISSION = one(
    "AWS::Lambda::Permission",
    Action="lambda:InvokeFunction",
    FunctionName="f",
    Principal="s3.amazonaws.com",
    SourceArn="arn:aws:s3:::b",
    SourceAccount="123456789012",
)
SCHEDULE = one("AWS::Scheduler::Schedule", Target={"Arn": "a", "DeadLetterConfig": {"Arn": "q"}})
DEAD = {
    "X": resource("AWS::SQS::Queue", KmsMasterKeyId=KEY, MessageRetentionPeriod=1_209_600),
    "P": but(QUEUE["P"], "Properties.Queues", [{"Ref": "X"}]),
    "R": but(EVENTS["X"], "Properties.Targets.0.DeadLetterConfig.Arn", {"Fn::GetAtt": ["X", "Arn"]}),
}

TO_TOPIC = {
    "X": resource(
        "AWS::KMS::Key",
        EnableKeyRotation=True,
        KeyPolicy=policy(
            allow(
                "kms:Decrypt",
                {"Service": "events.amazonaws.com"},
                Condition={"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:::t"}},
            )
        ),
    ),
    "T": but(TOPIC["X"], "Properties.KmsMasterKeyId", {"Ref": "X"}),
    "P": but(TOPIC["P"], "Properties.Topics", [{"Ref": "T"}]),
    "R": but(EVENTS["X"], "Properties.Targets.0.Arn", {"Ref": "T"}),
}

TO_EVENTS = one(
    "AWS::SQS::QueuePolicy",
    Queues=["q"],
    PolicyDocument=policy(
        allow(
            "sqs:SendMessage",
            {"Service": "events.amazonaws.com"},
            Condition={
                "ArnLike": {"aws:SourceArn": {"Fn::Sub": "arn:aws:events:*:${AWS::AccountId}:rule/x-*"}}
            },
        )
    ),
)

# Rule -> (bad, good). The bad one breaks this rule alone, the good one none.
CHANGE = {"Category": "Deploy", "Owner": "AWS", "Provider": "CloudFormation", "Version": "1"}
PIPELINE = one(
    "AWS::CodePipeline::Pipeline",
    ArtifactStore={"Type": "S3", "Location": "any", "EncryptionKey": {"Id": KEY, "Type": "KMS"}},
    Stages=[
        {
            "Name": "Source",
            "Actions": [
                {
                    "Name": "Source",
                    "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "Connection"},
                    "Configuration": {"ConnectionArn": "arn"},
                }
            ],
        },
        {"Name": "Sandbox", "Actions": [{"Name": "Try", "ActionTypeId": CHANGE}]},
        {
            "Name": "Production",
            "Actions": [
                {"Name": "Change", "ActionTypeId": CHANGE, "RunOrder": 2},
                {"Name": "Ask", "ActionTypeId": {"Category": "Approval", "Owner": "AWS"}, "RunOrder": 1},
            ],
        },
    ],
)
STAGES = "X.Properties.Stages"
BUILD = one(
    "AWS::CodeBuild::Project",
    Environment={"Image": "aws/codebuild/standard:7.0-26.07.29", "Type": "LINUX_CONTAINER"},
)
EXAMPLES: dict[str, tuple[Resources, Resources]] = {
    "ML-SFN-01": (but(MACHINE, f"{STATE}.Train.Parameters.VpcConfig"), MACHINE),
    "ML-SFN-02": (but(MACHINE, f"{STATE}.Train.Parameters.ResourceConfig.VolumeKmsKeyId"), MACHINE),
    "ML-SFN-03": (but(MACHINE, f"{STATE}.Train.Parameters.OutputDataConfig.KmsKeyId"), MACHINE),
    "ML-SFN-04": (but(MACHINE, f"{STATE}.Train.Parameters.EnableNetworkIsolation", False), MACHINE),
    "ML-SFN-05": (but(MACHINE, f"{STATE}.Train.Parameters.EnableInterContainerTrafficEncryption"), MACHINE),
    "ML-SFN-06": (but(MACHINE, f"{STATE}.Train.Parameters.StoppingCondition"), MACHINE),
    "ML-SFN-07": (but(MACHINE, f"{STATE}.Model.Retry"), MACHINE),
    "ML-SFN-08": (but(MACHINE, f"{STATE}.Model.Catch", []), MACHINE),
    "ML-SFN-09": (but(MACHINE, f"{STATE}.Model.TimeoutSeconds"), MACHINE),
    "ML-SFN-10": (but(MACHINE, f"{STATE}.Train.Parameters.RoleArn", "*"), MACHINE),
    "ML-SFN-11": (but(MACHINE, f"{LOGGING}.Level", "OFF"), MACHINE),
    "ML-SFN-12": (but(MACHINE, f"{LOGGING}.IncludeExecutionData", True), MACHINE),
    "ML-SFN-13": (
        but(MACHINE, f"{LOGGING}.Destinations.0.CloudWatchLogsLogGroup.LogGroupArn", "arn:aws:logs:::x:*"),
        MACHINE,
    ),
    "ML-SFN-14": (but(MACHINE, "X.Properties.Definition"), MACHINE),
    "ML-SFN-15": (but(MACHINE, f"{STATE}.Configure.Parameters.DataCaptureConfig"), MACHINE),
    "ML-SFN-16": (but(MACHINE, "X.Properties.Definition.TimeoutSeconds"), MACHINE),
    "ML-SM-01": (but(MODEL, "X.Properties.VpcConfig"), MODEL),
    "ML-SM-02": (but(MODEL, "X.Properties.EnableNetworkIsolation", "false"), MODEL),
    "ML-SM-03": (but(CONFIG, "X.Properties.KmsKeyId"), CONFIG),
    "ML-SM-04": (but(CONFIG, "X.Properties.DataCaptureConfig"), CONFIG),
    "ML-SM-05": (but(CONFIG, "X.Properties.DataCaptureConfig.KmsKeyId"), CONFIG),
    "ML-SM-06": (but(NOTEBOOK, "X.Properties.DirectInternetAccess"), NOTEBOOK),
    "ML-SM-07": (but(NOTEBOOK, "X.Properties.KmsKeyId"), NOTEBOOK),
    "ML-SM-08": (but(NOTEBOOK, "X.Properties.RootAccess", "Enabled"), NOTEBOOK),
    "ML-SM-09": (but(NOTEBOOK, "X.Properties.SubnetId"), NOTEBOOK),
    "ML-SM-10": (but(DOMAIN, "X.Properties.AppNetworkAccessType", "PublicInternetOnly"), DOMAIN),
    "ML-SM-11": (but(DOMAIN, "X.Properties.KmsKeyId"), DOMAIN),
    "ML-SM-12": (but(CONFIG, "X.Properties.DataCaptureConfig.CaptureOptions.0"), CONFIG),
    "ML-SM-13": (but(SERVED, "X.Properties.DeploymentConfig.AutoRollbackConfiguration"), SERVED),
    "ML-GLUE-01": (but(JOB, "X.Properties.SecurityConfiguration"), JOB),
    "ML-GLUE-02": (but(JOB, "X.Properties.Connections.Connections", []), JOB),
    "ML-GLUE-03": (but(JOB, "X.Properties.Timeout"), JOB),
    "ML-GLUE-04": (but(JOB, "X.Properties.MaxRetries"), JOB),
    "ML-GLUE-05": (
        but(GLUE_SECURITY, "X.Properties.EncryptionConfiguration.S3Encryptions.0.S3EncryptionMode", "SSE-S3"),
        GLUE_SECURITY,
    ),
    "ML-GLUE-06": (
        but(GLUE_SECURITY, "X.Properties.EncryptionConfiguration.CloudWatchEncryption"),
        GLUE_SECURITY,
    ),
    "ML-GLUE-07": (
        but(GLUE_SECURITY, "X.Properties.EncryptionConfiguration.JobBookmarksEncryption.KmsKeyArn"),
        GLUE_SECURITY,
    ),
    "ML-GLUE-08": (
        but(CONNECTION, "X.Properties.ConnectionInput.PhysicalConnectionRequirements"),
        CONNECTION,
    ),
    "ML-GLUE-09": (but(JOB, "X.Properties.GlueVersion", "2.0"), JOB),
    "ML-GLUE-10": (but(MEETING, "In"), MEETING),
    "ML-FH-01": (but(DELIVERY, f"{DESTINATION}.EncryptionConfiguration"), DELIVERY),
    "ML-FH-02": (but(DELIVERY, "X.Properties.DeliveryStreamEncryptionConfigurationInput"), DELIVERY),
    "ML-FH-03": (but(DELIVERY, f"{DESTINATION}.ErrorOutputPrefix"), DELIVERY),
    "ML-FH-04": (but(DELIVERY, f"{DESTINATION}.CloudWatchLoggingOptions.Enabled", False), DELIVERY),
    "ML-FH-05": (
        but(PROCESSED, f"{DESTINATION}.ProcessingConfiguration.Enabled", False),
        PROCESSED,
    ),
    "ML-KIN-01": (but(STREAM, "X.Properties.StreamEncryption.KeyId", "alias/aws/kinesis"), STREAM),
    "ML-NET-01": (but(ENDPOINT, "X.Properties.PolicyDocument"), ENDPOINT),
    "ML-NET-02": (but(ENDPOINT, "X.Properties.PolicyDocument", policy(allow("*", "*"))), ENDPOINT),
    "ML-NET-03": (but(GROUP, "X.Properties.SecurityGroupIngress.0.CidrIp", "0.0.0.0/0"), GROUP),
    "ML-NET-04": (but(GROUP, "X.Properties.SecurityGroupEgress.0.CidrIp", "0.0.0.0/0"), GROUP),
    "ML-NET-05": (but(GROUP, "X.Properties.SecurityGroupEgress"), GROUP),
    "ML-NET-06": (
        but(ENDPOINT, "X.Properties.PolicyDocument.Statement.0.Condition.StringEquals.aws:ResourceAccount"),
        ENDPOINT,
    ),
    "ML-NET-08": (but(ENDPOINT, "X.Properties.PolicyDocument.Statement.0.Resource", "*"), ENDPOINT),
    "ML-NET-07": (but(FLOWS, "F.Properties.TrafficType", "REJECT"), FLOWS),
    "ML-IAM-01": (but(ROLE, f"{TRUST}.Condition"), ROLE),
    "ML-IAM-02": (
        but(but(ROLE, f"{TRUST}.Condition"), f"{TRUST}.Principal", {"AWS": "*"}),
        but(but(ROLE, f"{TRUST}.Principal", {"AWS": "*"}), f"{TRUST}.Condition", ORGANISATION),
    ),
    "ML-IAM-03": (but(ROLE, f"{PASSING}.Resource", "*"), ROLE),
    "ML-IAM-04": (but(ROLE, f"{PASSING}.Condition"), ROLE),
    "ML-IAM-05": (
        but(ROLE, f"{TRUST}.Principal", {"Service": "ec2.amazonaws.com"}),
        but(but(ROLE, f"{TRUST}.Principal", {"Service": "ec2.amazonaws.com"}), f"{TRUST}.Condition"),
    ),
    "ML-IAM-06": (
        {**ROLE, "Y": but(ROLE, "X.Properties.PermissionsBoundary", "arn:b")["X"]},
        but(ROLE, "X.Properties.PermissionsBoundary", "arn:b"),
    ),
    "ML-IAM-07": (
        but(ROLE, f"{TRUST}.Principal", {"AWS": "*"}),
        but(but(ROLE, f"{TRUST}.Principal", {"AWS": "*"}), f"{TRUST}.Condition", ORGANISATION),
    ),
    "ML-IAM-16": (
        {
            "X": but(
                ROLE["X"], "Properties.PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess"
            ),
            "B": BOUNDARY["X"],
            "R": but(BOUNDARY["R"], "Properties.PermissionsBoundary", {"Ref": "B"}),
        },
        BOUNDARY,
    ),
    "ML-IAM-15": (but(ROLE, f"{TRUST}.Condition.ArnLike"), ROLE),
    "ML-IAM-08": (but(METRICS, f"{PASSING}.Condition"), METRICS),
    "ML-IAM-09": (but(BOUNDARY, f"{CAP}.2"), BOUNDARY),
    "ML-IAM-10": (but(BOUNDARY, f"{CAP}.0.Action.1", "s3:*"), BOUNDARY),
    "ML-IAM-11": (but(IN_VPC, f"{PASSING}.Condition"), IN_VPC),
    "ML-IAM-12": (but(BELOW, f"{PASSING}.Condition"), BELOW),
    "ML-IAM-13": (
        but(OF_FUNCTION, "X.Properties.Policies.0.PolicyDocument.Statement.1.Action.1"),
        OF_FUNCTION,
    ),
    "ML-IAM-14": (but(BOUNDARY, f"{CAP}.0.Condition"), BOUNDARY),
    "ML-KMS-01": (but(KEY_RESOURCE, "X.Properties.EnableKeyRotation"), KEY_RESOURCE),
    "ML-KMS-02": (
        but(but(KEY_RESOURCE, f"{KEY_STATEMENT}.1.Condition"), f"{KEY_STATEMENT}.1.Principal", "*"),
        but(KEY_RESOURCE, f"{KEY_STATEMENT}.1.Principal", "*"),
    ),
    "ML-KMS-03": (but(KEY_RESOURCE, f"{KEY_STATEMENT}.0.Principal", {"AWS": ROLE_ARN}), KEY_RESOURCE),
    "ML-KMS-04": (but(KEY_RESOURCE, f"{KEY_STATEMENT}.1.Condition"), KEY_RESOURCE),
    "ML-KMS-05": (but(TO_TOPIC, f"{KEY_STATEMENT}.0.Condition", OURS), TO_TOPIC),
    "ML-KMS-06": (
        {"X": but(KEY_RESOURCE["X"], "Properties.PendingWindowInDays", 7), "Y": KEY_RESOURCE["X"]},
        {"X": but(KEY_RESOURCE["X"], "Properties.PendingWindowInDays", 30), "Y": KEY_RESOURCE["X"]},
    ),
    "ML-LOG-01": (but({"X": LOG_GROUP}, "X.Properties.KmsKeyId"), {"X": LOG_GROUP}),
    "ML-LOG-02": (but({"X": LOG_GROUP}, "X.Properties.RetentionInDays"), {"X": LOG_GROUP}),
    "ML-LOG-03": (but(FUNCTION, "X.Properties.LoggingConfig"), FUNCTION),
    "ML-LOG-04": (
        {"X": but(LOG_GROUP, "Properties.RetentionInDays", 1), "Y": LOG_GROUP},
        {"X": LOG_GROUP, "Y": LOG_GROUP},
    ),
    "ML-SQS-01": (but(QUEUE, "X.Properties.KmsMasterKeyId", "alias/aws/sqs"), QUEUE),
    "ML-SQS-02": (but(QUEUE, "P.Properties.PolicyDocument.Statement.0.Effect", "Allow-not"), QUEUE),
    "ML-SQS-03": (but(QUEUE, OPEN), QUEUE),
    "ML-SQS-04": (but(DEAD, "X.Properties.MessageRetentionPeriod"), DEAD),
    "ML-SNS-01": (but(TOPIC, "X.Properties.KmsMasterKeyId"), TOPIC),
    "ML-SNS-02": (but(TOPIC, "P.Properties.Topics", ["arn:aws:sns:::another"]), TOPIC),
    "ML-SNS-03": (but(TOPIC, OPEN), TOPIC),
    "ML-S3-01": (but(BUCKET, "X.Properties.PublicAccessBlockConfiguration.BlockPublicAcls", False), BUCKET),
    "ML-S3-02": (but(BUCKET, "P.Properties.Bucket", "another"), BUCKET),
    "ML-S3-03": (but(BUCKET, "X.Properties.VersioningConfiguration.Status", "Suspended"), BUCKET),
    "ML-S3-04": (
        but(BUCKET, f"{ENCRYPTION}.ServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"}),
        BUCKET,
    ),
    "ML-S3-05": (but(BUCKET, OPEN), BUCKET),
    "ML-S3-06": (but(BUCKET, "X.Properties.LifecycleConfiguration"), BUCKET),
    "ML-S3-07": (but(LOCKED, f"X.Properties.{LOCK}", 1), LOCKED),
    "ML-S3-08": (but(FILLED, "X.Properties.LifecycleConfiguration.Rules.0.ExpirationInDays"), FILLED),
    "ML-ATH-01": (
        but(WORKGROUP, "X.Properties.WorkGroupConfiguration.BytesScannedCutoffPerQuery"),
        WORKGROUP,
    ),
    "ML-KEEP-01": (but(STORES, "X.UpdateReplacePolicy", "Delete"), STORES),
    "ML-KEEP-02": (but(KEPT_TABLE, "X.Properties.DeletionProtectionEnabled", False), KEPT_TABLE),
    "ML-DDB-01": (but(TABLE, "X.Properties.SSESpecification"), TABLE),
    "ML-DDB-02": (but(TABLE, "X.Properties.PointInTimeRecoverySpecification"), TABLE),
    "ML-SEC-01": (but(PARAMETER, "X.Properties.Name", "/database/password"), PARAMETER),
    "ML-SEC-02": (but(SECRET, "X.Properties.KmsKeyId"), SECRET),
    "ML-IAM-17": (but(PERMISSION, "X.Properties.SourceArn"), PERMISSION),
    "ML-EVB-01": (but(EVENTS, "X.Properties.Targets.0.DeadLetterConfig"), EVENTS),
    "ML-EVB-02": (but(SCHEDULE, "X.Properties.Target.DeadLetterConfig"), SCHEDULE),
    "ML-EVB-03": (
        but(TO_EVENTS, "X.Properties.PolicyDocument.Statement.0.Condition", OURS),
        TO_EVENTS,
    ),
    "ML-CT-01": (but(TRAIL, "X.Properties.EnableLogFileValidation"), TRAIL),
    "ML-CT-02": (but(TRAIL, "X.Properties.KMSKeyId"), TRAIL),
    "ML-CT-03": (but(TRAIL, "X.Properties.IsMultiRegionTrail", False), TRAIL),
    "ML-CT-04": (but(TRAIL, "X.Properties.IsLogging", False), TRAIL),
    "ML-CT-05": (but(TRAIL, "X.Properties.AdvancedEventSelectors"), TRAIL),
    "ML-CW-01": (but(ALARM, "X.Properties.AlarmActions"), ALARM),
    "ML-CW-02": (but(ALARM, "X.Properties.ActionsEnabled", False), ALARM),
    "ML-CW-03": (but(ALARM, "X.Properties.TreatMissingData", "notBreaching"), ALARM),
    "ML-CW-04": (but(WATCHED, "A1"), WATCHED),
    "ML-CD-01": (but(PIPELINE, f"{STAGES}.0.Actions.0.Configuration.OAuthToken", "x"), PIPELINE),
    "ML-CD-02": (but(PIPELINE, "X.Properties.ArtifactStore.EncryptionKey"), PIPELINE),
    "ML-CD-03": (but(PIPELINE, f"{STAGES}.2.Actions.1"), PIPELINE),
    "ML-CD-04": (but(BUILD, "X.Properties.Environment.Image", "aws/codebuild/standard:7.0"), BUILD),
    "ML-CW-05": (
        but(FOLLOWING, "R.Properties.EventPattern.resources", [{"Fn::GetAtt": ["Y", "Arn"]}]),
        FOLLOWING,
    ),
}
# Findings about a policy stand at the policy, not at what it protects.
AT_THE_POLICY = {"ML-SQS-03", "ML-SNS-03", "ML-S3-05"}


def test_every_rule_has_its_examples() -> None:
    assert set(EXAMPLES) == {rule.id for rule in RULES}
    assert len(RULES) == len(EXAMPLES)


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_bad_example_breaks_this_rule_alone(rule_id: str) -> None:
    findings = found(EXAMPLES[rule_id][0])
    address = "Any/P" if rule_id in AT_THE_POLICY else "Any/X"
    assert [(each.rule, each.address) for each in findings] == [(rule_id, address)]
    assert findings[0].message
    assert findings[0].fix


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_good_example_breaks_none(rule_id: str) -> None:
    assert found(EXAMPLES[rule_id][1]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_says_why_and_how(rule: Any) -> None:
    assert re.fullmatch(r"ML-[A-Z0-9]+-\d\d", rule.id)
    assert rule.title[0].isupper()
    assert rule.rationale.endswith(".")
    assert rule.fix.endswith(".")
    for control in rule.controls:
        assert any(framework.knows(control) for framework in FRAMEWORKS), control


ALLOWED = "P.Properties.PolicyDocument.Statement.1"
DENIED = "P.Properties.PolicyDocument.Statement.0"
TUNED = f"{STATE}.Tune.Parameters.TrainingJobDefinition"
PROCESSED = f"{STATE}.Process.Parameters"
LOG_DELIVERY = allow("s3:PutObject", {"Service": "logging.s3.amazonaws.com"}, Condition=OURS)
FOREIGN_KEY = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/aws/s3"}


def nested(kind: str, **around: Any) -> Resources:
    """A bare task (neither Retry nor Catch) in a Map or Parallel state."""
    inner = {"States": {"Inner": task("aws-sdk:glue:getJob", {})}}
    del inner["States"]["Inner"]["Retry"], inner["States"]["Inner"]["Catch"]
    held = {"Branches": [inner]} if kind == "Parallel" else {kind: inner}
    state = {"Type": "Parallel" if kind == "Parallel" else "Map", **held, **around}
    return but(MACHINE, f"{STATE}.Outer", state)


def written(text: Any, **properties: Any) -> Resources:
    """The machine with its definition as text."""
    machine = but(MACHINE, "X.Properties.Definition")
    machine["X"]["Properties"] |= {"DefinitionString": text, **properties}
    return machine


def pipeline(**steps: Any) -> Resources:
    """Training by request of `Train`, behind a condition."""
    inner = [{"Name": name, "Type": "Training", "Arguments": request} for name, request in steps.items()]
    condition = {"Name": "Is", "Type": "Condition", "Arguments": {"IfSteps": inner, "ElseSteps": []}}
    body = json.dumps({"Steps": [condition]})
    return one("AWS::SageMaker::Pipeline", PipelineDefinition={"PipelineDefinitionBody": body})


def asked(request: Any, **more: Any) -> Resources:
    """The machine's one training task with another request."""
    return but(MACHINE, f"{STATE}.Train", task("sagemaker:createTrainingJob", request, **more))


BARE = json.dumps(
    {"TimeoutSeconds": 9, "States": {"Train": task("sagemaker:createModel", {"ExecutionRoleArn": "${Role}"})}}
)


@pytest.mark.parametrize(
    ("rule_id", "resources", "is_found"),
    [
        pytest.param("ML-SFN-01", but(MACHINE, f"{TUNED}.VpcConfig"), True, id="tuning without VPC"),
        pytest.param(
            "ML-SFN-01", but(MACHINE, f"{PROCESSED}.NetworkConfig"), True, id="processing without network"
        ),
        pytest.param(
            "ML-SFN-01", but(MACHINE, f"{STATE}.Model.Parameters.VpcConfig"), True, id="model without VPC"
        ),
        pytest.param("ML-SFN-01", asked({"VpcConfig.$": "$.network"}), False, id="VPC at run time"),
        pytest.param("ML-SFN-01", asked({"VpcConfig": "{% $network %}"}), False, id="VPC by JSONata"),
        pytest.param("ML-SFN-01", written(BARE), True, id="definition as text"),
        pytest.param(
            "ML-SFN-01",
            written({"Fn::Join": ["", [BARE[:20], BARE[20:]]]}),
            True,
            id="definition joined",
        ),
        pytest.param(
            "ML-SFN-14",
            written(BARE, DefinitionSubstitutions={"Role": 'a"b'}),
            False,
            id="definition with substitutions",
        ),
        pytest.param("ML-SFN-14", written("no JSON"), True, id="definition is no JSON"),
        pytest.param("ML-SFN-14", written("[]"), True, id="definition is no object"),
        pytest.param(
            "ML-SFN-02",
            asked({"ResourceConfig": {"InstanceType": "ml.g5.xlarge"}}),
            False,
            id="disk in the machine takes no key",
        ),
        pytest.param(
            "ML-SFN-02",
            but(MACHINE, f"{STATE}.Score.Parameters.TransformResources"),
            True,
            id="transform without volume key",
        ),
        pytest.param(
            "ML-SFN-02",
            but(MACHINE, f"{STATE}.Configure.Parameters.KmsKeyId", "alias/aws/sagemaker"),
            True,
            id="AWS's key is not our own",
        ),
        pytest.param(
            "ML-SFN-03",
            but(MACHINE, f"{PROCESSED}.ProcessingOutputConfig"),
            False,
            id="no output needs no key",
        ),
        pytest.param(
            "ML-SFN-03",
            but(MACHINE, f"{STATE}.Score.Parameters.TransformOutput.KmsKeyId"),
            True,
            id="transform output without key",
        ),
        pytest.param(
            "ML-SFN-03",
            but(MACHINE, f"{STATE}.Configure.Parameters.DataCaptureConfig.KmsKeyId"),
            True,
            id="captures without key",
        ),
        pytest.param(
            "ML-SFN-04",
            but(MACHINE, f"{PROCESSED}.NetworkConfig.EnableNetworkIsolation"),
            True,
            id="processing not isolated",
        ),
        pytest.param(
            "ML-SFN-06", but(MACHINE, f"{STATE}.Score.TimeoutSeconds"), True, id="transform without end"
        ),
        pytest.param("ML-SFN-06", but(MACHINE, f"{TUNED}.StoppingCondition"), True, id="tuning without end"),
        pytest.param("ML-SFN-07", nested("Parallel"), True, id="bare task in a branch"),
        pytest.param("ML-SFN-07", nested("Parallel", Retry=[{}]), False, id="branches are tried again"),
        pytest.param("ML-SFN-08", nested("ItemProcessor"), True, id="bare task in a map"),
        pytest.param("ML-SFN-08", nested("Iterator", Catch=[{}]), False, id="map is caught"),
        pytest.param(
            "ML-SFN-09",
            but(but(MACHINE, f"{STATE}.Model.TimeoutSeconds"), f"{STATE}.Model.TimeoutSecondsPath", "$.t"),
            False,
            id="time limit at run time",
        ),
        pytest.param("ML-SFN-10", asked({"RoleArn.$": "$.role"}), True, id="role from the input"),
        pytest.param("ML-SFN-10", asked({"RoleArn": "{% $states.input.role %}"}), True, id="role by JSONata"),
        pytest.param("ML-SFN-10", asked({}), True, id="the input is the request"),
        pytest.param("ML-SFN-10", asked({"Deep": [{"RoleArn": "*"}]}), True, id="role deep in a request"),
        pytest.param("ML-SFN-01", pipeline(Train={"RoleArn": "r"}), True, id="pipeline without VPC"),
        pytest.param(
            "ML-SFN-01", pipeline(Train={"VpcConfig": {"Get": "Parameters.V"}}), False, id="VPC by parameter"
        ),
        pytest.param(
            "ML-SFN-10", pipeline(Train={"RoleArn": {"Get": "Parameters.R"}}), True, id="role by parameter"
        ),
        pytest.param("ML-SFN-07", pipeline(Train={}), False, id="steps of pipelines are no states"),
        pytest.param("ML-SFN-11", but(MACHINE, LOGGING), True, id="no logging at all"),
        pytest.param(
            "ML-SM-03",
            but(CONFIG, "X.Properties", {"ProductionVariants": [{"InstanceType": "ml.m5d.large"}]}),
            False,
            id="endpoint with disks in its machines",
        ),
        pytest.param(
            "ML-SM-04",
            but(CONFIG, "X.Properties", {"ProductionVariants": [{"ServerlessConfig": {}}]}),
            False,
            id="serverless cannot capture",
        ),
        pytest.param(
            "ML-SM-04",
            but(CONFIG, "X.Properties.DataCaptureConfig.EnableCapture", False),
            True,
            id="capture switched off",
        ),
        pytest.param(
            "ML-GLUE-03",
            but(but(JOB, "X.Properties.Timeout"), "X.Properties.Command.Name", "gluestreaming"),
            False,
            id="streaming job runs on",
        ),
        pytest.param(
            "ML-FH-02",
            but(
                but(DELIVERY, "X.Properties.DeliveryStreamEncryptionConfigurationInput"),
                "X.Properties.DeliveryStreamType",
                "KinesisStreamAsSource",
            ),
            False,
            id="the source stream has the key",
        ),
        pytest.param(
            "ML-FH-01",
            one(
                "AWS::KinesisFirehose::DeliveryStream",
                HttpEndpointDestinationConfiguration={"S3Configuration": {"BucketARN": "b"}},
            ),
            True,
            id="bucket of another destination",
        ),
        pytest.param(
            "ML-NET-01",
            one("AWS::EC2::VPCEndpoint", VpcEndpointType="GatewayLoadBalancer"),
            False,
            id="load balancer's endpoint takes no policy",
        ),
        pytest.param(
            "ML-NET-03",
            one("AWS::EC2::SecurityGroupIngress", GroupId="sg", CidrIpv6="::/0", IpProtocol="-1"),
            True,
            id="ingress as a resource, version 6",
        ),
        pytest.param(
            "ML-NET-04",
            one("AWS::EC2::SecurityGroupEgress", GroupId="sg", CidrIp="0.0.0.0/0", IpProtocol="-1"),
            True,
            id="egress as a resource",
        ),
        pytest.param(
            "ML-IAM-01",
            but(
                but(ROLE, f"{TRUST}.Condition"),
                f"{TRUST}.Principal",
                {"Service": "ec2.amazonaws.com"},
            ),
            False,
            id="EC2 names no source",
        ),
        pytest.param(
            "ML-IAM-01",
            but(ROLE, f"{TRUST}.Condition", {"StringEqualsIfExists": {"aws:SourceAccount": "1"}}),
            True,
            id="a source if there is one",
        ),
        pytest.param(
            "ML-IAM-01",
            but(ROLE, f"{TRUST}.Condition", {"ArnLike": {"AWS:SOURCEARN": "arn:aws:glue:::job/x"}}),
            False,
            id="keys know no case",
        ),
        pytest.param(
            "ML-EVB-03",
            one("AWS::Lambda::Permission", Principal="events.amazonaws.com", SourceAccount="1"),
            True,
            id="function that asks for the account",
        ),
        pytest.param(
            "ML-EVB-03",
            {"X": but(TO_EVENTS["X"], "Type", "AWS::SNS::TopicPolicy")},
            True,
            id="topic that asks for the rule",
        ),
        pytest.param(
            "ML-EVB-03",
            {
                "X": but(
                    but(TO_EVENTS["X"], "Type", "AWS::SNS::TopicPolicy"),
                    "Properties.PolicyDocument.Statement.0.Condition",
                )
            },
            False,
            id="topic that asks for nothing",
        ),
        pytest.param(
            "ML-EVB-03",
            one("AWS::Lambda::Permission", Principal="s3.amazonaws.com", SourceAccount="1"),
            False,
            id="S3 sends the account",
        ),
        pytest.param("ML-IAM-03", but(ROLE, f"{PASSING}.Action", "iam:*"), False, id="all of IAM, one role"),
        pytest.param(
            "ML-IAM-03",
            but(but(ROLE, f"{PASSING}.Action", "*"), f"{PASSING}.Resource", "arn:aws:iam::1:role/*"),
            True,
            id="administrator passes every role",
        ),
        pytest.param(
            "ML-KMS-01",
            but(but(KEY_RESOURCE, "X.Properties.EnableKeyRotation"), "X.Properties.KeySpec", "RSA_2048"),
            False,
            id="asymmetric keys cannot rotate",
        ),
        pytest.param(
            "ML-KMS-03",
            but(KEY_RESOURCE, f"{KEY_STATEMENT}.0.Principal", {"AWS": "123456789012"}),
            False,
            id="account by its number",
        ),
        pytest.param(
            "ML-KMS-04",
            but(
                KEY_RESOURCE,
                f"{KEY_STATEMENT}.1.Condition",
                {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:::log-group:x"}},
            ),
            False,
            id="tied by the encryption context",
        ),
        pytest.param(
            "ML-KMS-05",
            but(but(TO_TOPIC, f"{KEY_STATEMENT}.0.Condition", OURS), "R.Properties.Targets.0.Arn", "q"),
            False,
            id="a topic that no rule sends to",
        ),
        pytest.param(
            "ML-LOG-03",
            {
                "X": resource("AWS::Lambda::Function"),
                "L": but(LOG_GROUP, "Properties.LogGroupName", {"Fn::Sub": "/aws/lambda/${X}"}),
            },
            False,
            id="default log group, declared",
        ),
        pytest.param(
            "ML-S3-05",
            but(BUCKET, f"{ALLOWED}.Condition", {"Bool": {"aws:SecureTransport": "true"}}),
            True,
            id="TLS does not narrow",
        ),
        pytest.param(
            "ML-S3-05",
            but(BUCKET, f"{ALLOWED}.Condition", {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
            True,
            id="all but some are many",
        ),
        pytest.param(
            "ML-S3-02",
            but(BUCKET, f"{DENIED}.Condition.StringEquals", {"aws:PrincipalAccount": "1"}),
            True,
            id="a denial that another condition narrows",
        ),
        pytest.param(
            "ML-S3-02",
            but(BUCKET, f"{DENIED}.Condition", {"BoolIfExists": {"aws:SecureTransport": False}}),
            False,
            id="a denial if the key is there",
        ),
        pytest.param(
            "ML-S3-05",
            but(BUCKET, f"{ALLOWED}.Condition", {"StringLike": {"aws:PrincipalOrgID": ["o-1", "*"]}}),
            True,
            id="a star beside a value does not narrow",
        ),
        pytest.param(
            "ML-S3-05",
            but(BUCKET, f"{ALLOWED}.Condition", {"StringLike": {"aws:PrincipalArn": ["*"]}}),
            True,
            id="a star does not narrow",
        ),
        pytest.param(
            "ML-S3-05",
            but(BUCKET, ALLOWED, {"Effect": "Allow", "Action": "s3:*", "NotPrincipal": {"AWS": "1"}}),
            True,
            id="all principals but one",
        ),
        pytest.param(
            "ML-S3-04",
            but(
                but(BUCKET, f"{ENCRYPTION}.ServerSideEncryptionByDefault.SSEAlgorithm", "AES256"),
                ALLOWED,
                LOG_DELIVERY,
            ),
            False,
            id="receiver of access logs takes no key",
        ),
        pytest.param(
            "ML-S3-04",
            but(BUCKET, f"{ENCRYPTION}.ServerSideEncryptionByDefault", FOREIGN_KEY),
            True,
            id="S3's key is not our own",
        ),
        pytest.param(
            "ML-DDB-02",
            one("AWS::DynamoDB::GlobalTable", Replicas=[{"Region": "eu-west-1"}]),
            True,
            id="replica without recovery",
        ),
        pytest.param(
            "ML-SEC-01",
            but(PARAMETER, "X.Properties.Value", "{{resolve:secretsmanager:db:SecretString:p}}"),
            True,
            id="secret resolved into plain text",
        ),
        pytest.param(
            "ML-SEC-01",
            one("AWS::SSM::Parameter", Name="/db/password", Value="arn:aws:secretsmanager:::secret:x"),
            False,
            id="where the secret lies is none",
        ),
        pytest.param("ML-SEC-01", one("AWS::SSM::Parameter"), False, id="parameter without anything"),
    ],
)
def test_variants(rule_id: str, resources: Resources, is_found: bool) -> None:
    assert (rule_id in rules(resources)) is is_found


ODD = ["<Any/P>", "?", None, 7, True, [], ["?"], [["?"]], {}, {"?": {"?": []}}]


def spots(value: Any, *at: str) -> Iterator[str]:
    """Every place in a structure that `but` can name."""
    yield ".".join(at)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        # What stands in an intrinsic is CloudFormation's own form, which it checks itself.
        if not re.search(r"[.:]|^Ref$", str(key)):
            yield from spots(each, *at, str(key))


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_odd_shapes_are_no_crash(rule_id: str) -> None:
    good = EXAMPLES[rule_id][1]
    rule = next(rule for rule in RULES if rule.id == rule_id)
    places = [spot for spot in spots(good) if spot.count(".") >= 2]
    for place in places:
        for odd in ODD:
            findings = list(rule.check(read(but(good, place, odd))))
            assert {finding.rule for finding in findings} <= {rule_id}, (place, odd)
    assert places


# Found in our own stacks, to be mended there: (rule, construct path).
def test_our_own_stacks_keep_the_rules(audited: dict[str, Templates]) -> None:
    for profile, templates in audited.items():
        assert check(templates) == [], profile


def test_rules_have_something_to_look_at_in_our_stacks(audited: dict[str, Templates]) -> None:
    """Else the test above would pass on empty templates."""
    for templates in audited.values():
        actions = {task.action for task in tasks(templates)}
        assert {"sagemaker:createTrainingJob", "sagemaker:createModel", "glue:startJobRun"} <= actions
        assert len(templates.of("AWS::KMS::Key", "AWS::EC2::VPCEndpoint", "AWS::S3::Bucket")) > 15


def test_worst_findings_come_first() -> None:
    findings = found({**but(BUCKET, OPEN), **but({"K": TRAIL["X"]}, "K.Properties.KMSKeyId")})
    assert [finding.rule for finding in findings] == ["ML-S3-05", "ML-CT-02"]


# -- delivery


def builds(may: str, *, resource: str = "arn:aws:iam::<AccountId>:role/cdk-any-deploy-role-1-2") -> Resources:
    """A pipeline whose last build has a role that may do this, with nobody asked before it."""
    statement = {"Effect": "Allow", "Action": may, "Resource": resource}
    trust = allow("sts:AssumeRole", {"Service": "codebuild.amazonaws.com"}, Condition=OURS)
    del trust["Resource"]
    built = {
        "Name": "Build",
        "ActionTypeId": {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild"},
        "Configuration": {"ProjectName": {"Ref": "B"}},
    }
    return {
        **but(PIPELINE, f"{STAGES}", [*PIPELINE["X"]["Properties"]["Stages"][:1], {"Actions": [built]}]),
        "B": {**BUILD["X"], "Properties": {**BUILD["X"]["Properties"], "ServiceRole": ROLE_ARN}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": policy(trust),
                "Policies": [{"PolicyName": "own", "PolicyDocument": policy(statement)}],
            },
        },
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        pytest.param(builds("sts:AssumeRole"), True, id="takes on the role that deploys"),
        pytest.param(builds("sts:AssumeRole", resource="*"), True, id="takes on any role"),
        pytest.param(builds("cloudformation:UpdateStack", resource="*"), True, id="changes stacks itself"),
        pytest.param(
            builds("sts:AssumeRole", resource="arn:aws:iam::1:role/cdk-any-lookup-role-1-2"),
            False,
            id="only looks",
        ),
        pytest.param(builds("s3:GetObject", resource="*"), False, id="deploys nothing"),
    ],
)
def test_a_build_that_may_deploy_is_a_deployment(resources: Resources, expected: bool) -> None:
    assert ("ML-CD-03" in rules(resources)) is expected


def test_a_yes_before_the_sandbox_is_none_for_production() -> None:
    early = but(PIPELINE, f"{STAGES}.2.Actions.1")
    asked = PIPELINE["X"]["Properties"]["Stages"][2]["Actions"][1]
    actions = early["X"]["Properties"]["Stages"][1]["Actions"]
    early["X"]["Properties"]["Stages"][1]["Actions"] = [asked, {**actions[0], "RunOrder": 2}]
    assert "ML-CD-03" in rules(early)


def test_an_oauth_source_is_told_by_its_owner_too() -> None:
    old = but(PIPELINE, f"{STAGES}.0.Actions.0.ActionTypeId.Owner", "ThirdParty")
    assert rules(old) == {"ML-CD-01"}


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(f"public.ecr.aws/any/image@sha256:{'0' * 64}", id="a digest"),
        pytest.param({"Ref": "Parameter"}, id="said at deployment"),
    ],
)
def test_an_image_that_does_not_move_or_is_not_known_is_no_finding(image: Any) -> None:
    assert rules(but(BUILD, "X.Properties.Environment.Image", image)) == set()
