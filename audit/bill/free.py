"""Types that cost nothing themselves, each with the reason: a type that is in no list is named as unknown."""

from __future__ import annotations

from collections.abc import Mapping

_IAM = "IAM is free"
_VPC = "parts of a network are free; what is paid are endpoints and gateways"
_GLUE = "the catalogue is free up to a million objects and requests a month"
_SAGEMAKER = "a record; what is paid are instances and files"
_CDK = "no resource"
_POLICY = "a policy is part of its resource"

FREE: Mapping[str, str] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "scaling is free, the instances that it adds are not",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "its alarms are made by the service and are not counted",
    "AWS::Athena::NamedQuery": "a saved text",
    "AWS::CDK::Metadata": _CDK,
    "AWS::CloudFormation::CustomResource": _CDK,
    "AWS::CloudFormation::WaitConditionHandle": _CDK,
    "AWS::EC2::FlowLog": "paid as the logs that it writes",
    "AWS::EC2::InternetGateway": _VPC,
    "AWS::EC2::Route": _VPC,
    "AWS::EC2::RouteTable": _VPC,
    "AWS::EC2::SecurityGroup": _VPC,
    "AWS::EC2::SecurityGroupEgress": _VPC,
    "AWS::EC2::SecurityGroupIngress": _VPC,
    "AWS::EC2::Subnet": _VPC,
    "AWS::EC2::SubnetRouteTableAssociation": _VPC,
    "AWS::EC2::VPC": _VPC,
    "AWS::EC2::VPCGatewayAttachment": _VPC,
    "AWS::Events::Rule": "events of AWS's services are free, and so are rules",
    "AWS::Glue::Connection": "paid as the jobs that use it",
    "AWS::Glue::Database": _GLUE,
    "AWS::Glue::SecurityConfiguration": _GLUE,
    "AWS::Glue::Table": _GLUE,
    "AWS::IAM::InstanceProfile": _IAM,
    "AWS::IAM::ManagedPolicy": _IAM,
    "AWS::IAM::Policy": _IAM,
    "AWS::IAM::Role": _IAM,
    "AWS::KMS::Alias": "a name of a key",
    "AWS::Lambda::EventInvokeConfig": "part of its function",
    "AWS::Lambda::LayerVersion": "part of its functions",
    "AWS::Lambda::Permission": _POLICY,
    "AWS::Lambda::Version": "part of its function",
    "AWS::Logs::LogStream": "part of its group",
    "AWS::Logs::ResourcePolicy": _POLICY,
    "AWS::S3::BucketPolicy": _POLICY,
    "AWS::SNS::Subscription": "paid as the messages of its topic",
    "AWS::SNS::TopicPolicy": _POLICY,
    "AWS::SQS::QueuePolicy": _POLICY,
    "AWS::SageMaker::EndpointConfig": "paid as the endpoint that uses it",
    "AWS::SageMaker::Model": _SAGEMAKER,
    "AWS::SageMaker::ModelPackageGroup": _SAGEMAKER,
    "AWS::SecretsManager::ResourcePolicy": _POLICY,
    "AWS::SecretsManager::RotationSchedule": "paid as the function that it calls",
    "AWS::Scheduler::ScheduleGroup": "paid as the calls of its schedules",
}


def is_free(kind: str) -> bool:
    return kind in FREE or kind.startswith("Custom::")  # the function behind it is paid as any other
