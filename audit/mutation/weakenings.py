"""Which properties make up the posture, and what weakens each: a table by type of resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AWS_KEYS = "alias/aws/"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OPEN_DOOR = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}

# Type -> properties whose absence weakens it; a dotted name goes down.
TAKEN_AWAY: Mapping[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "PublicAccessBlockConfiguration",
        "VersioningConfiguration",
        "LoggingConfiguration",
        "LifecycleConfiguration",
        "ObjectLockConfiguration",
    ),
    "AWS::Kinesis::Stream": ("StreamEncryption",),
    "AWS::KinesisFirehose::DeliveryStream": (
        "ExtendedS3DestinationConfiguration.EncryptionConfiguration",
        "ExtendedS3DestinationConfiguration.ErrorOutputPrefix",
        "ExtendedS3DestinationConfiguration.CloudWatchLoggingOptions",
    ),
    "AWS::KMS::Key": ("EnableKeyRotation",),
    "AWS::Logs::LogGroup": ("KmsKeyId", "RetentionInDays"),
    "AWS::SQS::Queue": ("KmsMasterKeyId", "RedrivePolicy"),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::DynamoDB::Table": ("SSESpecification", "PointInTimeRecoverySpecification"),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
    "AWS::SageMaker::Model": ("VpcConfig", "EnableNetworkIsolation"),
    "AWS::SageMaker::EndpointConfig": ("KmsKeyId", "DataCaptureConfig", "DataCaptureConfig.KmsKeyId"),
    "AWS::SageMaker::Endpoint": ("DeploymentConfig.AutoRollbackConfiguration",),
    "AWS::Glue::Job": ("SecurityConfiguration", "Connections", "Timeout"),
    "AWS::Glue::SecurityConfiguration": (
        "EncryptionConfiguration.S3Encryptions",
        "EncryptionConfiguration.CloudWatchEncryption",
        "EncryptionConfiguration.JobBookmarksEncryption",
    ),
    "AWS::Lambda::Function": ("KmsKeyArn", "DeadLetterConfig", "VpcConfig", "LoggingConfig"),
    "AWS::Lambda::Permission": ("SourceArn",),
    "AWS::StepFunctions::StateMachine": ("LoggingConfiguration", "EncryptionConfiguration"),
    "AWS::CloudTrail::Trail": (
        "KMSKeyId",
        "EnableLogFileValidation",
        "IsMultiRegionTrail",
        "AdvancedEventSelectors",
    ),
    "AWS::CloudWatch::Alarm": ("*", "AlarmActions", "TreatMissingData"),
    "AWS::Athena::WorkGroup": (
        "WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration",
        "WorkGroupConfiguration.BytesScannedCutoffPerQuery",
    ),
    "AWS::EC2::VPCEndpoint": ("PolicyDocument", "PrivateDnsEnabled", "SecurityGroupIds", "RouteTableIds"),
    "AWS::EC2::FlowLog": ("*",),
    "AWS::IAM::Role": ("PermissionsBoundary",),
    "AWS::Events::Rule": ("Targets.0.DeadLetterConfig",),
    "AWS::Scheduler::Schedule": ("Target.DeadLetterConfig", "KmsKeyArn"),
    "AWS::EC2::SecurityGroupEgress": ("*",),
    "AWS::EC2::SecurityGroupIngress": ("*",),
}
_FLAG, _KEY, _SHORT, _OLD = "switched off", "AWS's key instead", "shortened", "old version"
# Type -> (kind, property, weaker value). Not where the property is absent or has that value already.
WEAKER: Mapping[str, tuple[tuple[str, str, Any], ...]] = {
    "AWS::S3::Bucket": (
        *(
            (_FLAG, f"PublicAccessBlockConfiguration.{name}", False)
            for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        ),
        (_FLAG, "VersioningConfiguration.Status", "Suspended"),
        (_SHORT, "ObjectLockConfiguration.Rule.DefaultRetention.Days", 1),
    ),
    "AWS::KMS::Key": ((_FLAG, "EnableKeyRotation", False), (_SHORT, "PendingWindowInDays", 7)),
    "AWS::Logs::LogGroup": ((_SHORT, "RetentionInDays", 1),),
    "AWS::Kinesis::Stream": (
        (_KEY, "StreamEncryption.KeyId", f"{AWS_KEYS}kinesis"),
        (_SHORT, "RetentionPeriodHours", 24),
    ),
    "AWS::KinesisFirehose::DeliveryStream": (
        (_FLAG, "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Enabled", False),
        (_FLAG, "ExtendedS3DestinationConfiguration.DynamicPartitioningConfiguration.Enabled", False),
    ),
    "AWS::SQS::Queue": (
        (_KEY, "KmsMasterKeyId", f"{AWS_KEYS}sqs"),
        (_SHORT, "MessageRetentionPeriod", 60),
    ),
    "AWS::SNS::Topic": ((_KEY, "KmsMasterKeyId", f"{AWS_KEYS}sns"),),
    "AWS::SecretsManager::Secret": ((_KEY, "KmsKeyId", f"{AWS_KEYS}secretsmanager"),),
    "AWS::DynamoDB::Table": (
        (_FLAG, "DeletionProtectionEnabled", False),
        (_FLAG, "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", False),
        (_KEY, "SSESpecification.KMSMasterKeyId", f"{AWS_KEYS}dynamodb"),
    ),
    "AWS::SageMaker::Model": ((_FLAG, "EnableNetworkIsolation", False),),
    "AWS::SageMaker::EndpointConfig": (
        (_FLAG, "DataCaptureConfig.EnableCapture", False),
        (_FLAG, "DataCaptureConfig.CaptureOptions", [{"CaptureMode": "Output"}]),
        (_SHORT, "DataCaptureConfig.InitialSamplingPercentage", 0),
    ),
    "AWS::Glue::Job": ((_OLD, "GlueVersion", "2.0"),),
    "AWS::Lambda::Function": ((_OLD, "Runtime", "python3.8"),),
    "AWS::StepFunctions::StateMachine": (
        (_FLAG, "LoggingConfiguration.Level", "OFF"),
        ("execution data logged", "LoggingConfiguration.IncludeExecutionData", True),
    ),
    "AWS::CloudTrail::Trail": (
        (_FLAG, "IsLogging", False),
        (_FLAG, "EnableLogFileValidation", False),
        (_FLAG, "IsMultiRegionTrail", False),
        (_FLAG, "IncludeGlobalServiceEvents", False),
    ),
    "AWS::Athena::WorkGroup": ((_FLAG, "WorkGroupConfiguration.EnforceWorkGroupConfiguration", False),),
    "AWS::EC2::VPCEndpoint": ((_FLAG, "PrivateDnsEnabled", False),),
    "AWS::EC2::FlowLog": (("fewer flows logged", "TrafficType", "ACCEPT"),),
    "AWS::EC2::Subnet": (("public addresses", "MapPublicIpOnLaunch", True),),
    "AWS::IAM::Role": (("boundary replaced", "PermissionsBoundary", ADMINISTRATOR),),
}
# Type -> (kind, property, weaker value), where the property is absent because its default is the safe one.
GIVEN: Mapping[str, tuple[tuple[str, str, Any], ...]] = {
    "AWS::CloudWatch::Alarm": ((_FLAG, "ActionsEnabled", False),),
    "AWS::EC2::SecurityGroup": (("door opened", "SecurityGroupIngress", [OPEN_DOOR]),),
}
