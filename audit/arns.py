"""What CloudFormation gives for names: ARNs by type, pseudo parameters, what Ref is."""

from __future__ import annotations

from collections.abc import Mapping

PSEUDO = {
    "AWS::AccountId": "<AccountId>",
    "AWS::Region": "<Region>",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "<StackName>",
    "AWS::StackId": "<StackId>",
    "AWS::NoValue": None,
}
# Type -> (property that holds the name, ARN with {name}). What CloudFormation returns for GetAtt Arn or Ref.
ARNS: Mapping[str, tuple[str, str]] = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{name}"),
    "AWS::KMS::Key": ("", "arn:aws:kms:<Region>:<AccountId>:key/{name}"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::<AccountId>:role{path}{name}"),
    "AWS::IAM::User": ("UserName", "arn:aws:iam::<AccountId>:user{path}{name}"),
    "AWS::IAM::Group": ("GroupName", "arn:aws:iam::<AccountId>:group{path}{name}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "arn:aws:iam::<AccountId>:policy{path}{name}"),
    "AWS::Kinesis::Stream": ("Name", "arn:aws:kinesis:<Region>:<AccountId>:stream/{name}"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "DeliveryStreamName",
        "arn:aws:firehose:<Region>:<AccountId>:deliverystream/{name}",
    ),
    "AWS::Lambda::Function": ("FunctionName", "arn:aws:lambda:<Region>:<AccountId>:function:{name}"),
    "AWS::DynamoDB::Table": ("TableName", "arn:aws:dynamodb:<Region>:<AccountId>:table/{name}"),
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:<Region>:<AccountId>:{name}"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:<Region>:<AccountId>:{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:<Region>:<AccountId>:log-group:{name}:*"),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        "arn:aws:states:<Region>:<AccountId>:stateMachine:{name}",
    ),
    "AWS::SecretsManager::Secret": ("Name", "arn:aws:secretsmanager:<Region>:<AccountId>:secret:{name}"),
    "AWS::SSM::Parameter": ("Name", "arn:aws:ssm:<Region>:<AccountId>:parameter{name}"),
    "AWS::Glue::Database": ("DatabaseName", "arn:aws:glue:<Region>:<AccountId>:database/{name}"),
    "AWS::Glue::Job": ("Name", "arn:aws:glue:<Region>:<AccountId>:job/{name}"),
    "AWS::SageMaker::Model": ("ModelName", "arn:aws:sagemaker:<Region>:<AccountId>:model/{name}"),
    "AWS::SageMaker::Endpoint": ("EndpointName", "arn:aws:sagemaker:<Region>:<AccountId>:endpoint/{name}"),
    "AWS::SageMaker::EndpointConfig": (
        "EndpointConfigName",
        "arn:aws:sagemaker:<Region>:<AccountId>:endpoint-config/{name}",
    ),
    "AWS::SageMaker::ModelPackageGroup": (
        "ModelPackageGroupName",
        "arn:aws:sagemaker:<Region>:<AccountId>:model-package-group/{name}",
    ),
    "AWS::Events::Rule": ("Name", "arn:aws:events:<Region>:<AccountId>:rule/{name}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "arn:aws:cloudwatch:<Region>:<AccountId>:alarm:{name}"),
    "AWS::CloudTrail::Trail": ("TrailName", "arn:aws:cloudtrail:<Region>:<AccountId>:trail/{name}"),
    "AWS::ECR::Repository": ("RepositoryName", "arn:aws:ecr:<Region>:<AccountId>:repository/{name}"),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "arn:aws:rds:<Region>:<AccountId>:db:{name}"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "arn:aws:rds:<Region>:<AccountId>:cluster:{name}"),
    "AWS::EFS::FileSystem": ("", "arn:aws:elasticfilesystem:<Region>:<AccountId>:file-system/{name}"),
    "AWS::Athena::WorkGroup": ("Name", "arn:aws:athena:<Region>:<AccountId>:workgroup/{name}"),
}
# Types whose Ref is their ARN.
REF_IS_ARN = {
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
    "AWS::SecretsManager::Secret",
    "AWS::IAM::ManagedPolicy",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::ModelPackageGroup",
}
