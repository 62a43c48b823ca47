"""Actions that lead to more rights: by policies, credentials, boundaries, roles passed, code changed."""

from __future__ import annotations

from collections.abc import Mapping

# AWS's managed policies that make an administrator, at once or in one step.
ADMINISTRATOR_POLICIES = ("AdministratorAccess", "IAMFullAccess")

# Change what an identity may do.
POLICY_CHANGES = (
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreatePolicyVersion",
    "iam:PutGroupPolicy",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
)

# Make credentials of a user.
CREDENTIALS = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile")

BOUNDARY_CHANGES = (
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:PutUserPermissionsBoundary",
)

# Change who may use a resource.
RESOURCE_POLICY_CHANGES = (
    "ecr:SetRepositoryPolicy",
    "kms:CreateGrant",
    "kms:PutKeyPolicy",
    "lambda:AddPermission",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "secretsmanager:PutResourcePolicy",
    "sns:AddPermission",
    "sqs:AddPermission",
)

# With one of these a permission to make grants serves a service, or is limited to operations or grantees.
GRANT_KEYS = (
    "kms:grantisforawsresource",
    "kms:granteeprincipal",
    "kms:granteeserviceprincipal",
    "kms:grantoperations",
    "kms:grantconstrainttype",
    "kms:viaservice",
)

# Action that runs code with a role that the caller passes -> the service that must be allowed to take it on.
RUNS_AS: Mapping[str, str] = {
    "apprunner:CreateService": "tasks.apprunner.amazonaws.com",
    "batch:RegisterJobDefinition": "ecs-tasks.amazonaws.com",
    "bedrock:CreateAgent": "bedrock.amazonaws.com",
    "cloudformation:CreateChangeSet": "cloudformation.amazonaws.com",
    "cloudformation:CreateStack": "cloudformation.amazonaws.com",
    "cloudformation:UpdateStack": "cloudformation.amazonaws.com",
    "codebuild:CreateProject": "codebuild.amazonaws.com",
    "codebuild:UpdateProject": "codebuild.amazonaws.com",
    "codepipeline:CreatePipeline": "codepipeline.amazonaws.com",
    "datapipeline:CreatePipeline": "datapipeline.amazonaws.com",
    "ec2:AssociateIamInstanceProfile": "ec2.amazonaws.com",
    "ec2:RunInstances": "ec2.amazonaws.com",
    "ecs:RegisterTaskDefinition": "ecs-tasks.amazonaws.com",
    "ecs:RunTask": "ecs-tasks.amazonaws.com",
    "elasticmapreduce:RunJobFlow": "elasticmapreduce.amazonaws.com",
    "emr-serverless:StartJobRun": "emr-serverless.amazonaws.com",
    "glue:CreateDevEndpoint": "glue.amazonaws.com",
    "glue:CreateJob": "glue.amazonaws.com",
    "glue:CreateSession": "glue.amazonaws.com",
    "glue:UpdateJob": "glue.amazonaws.com",
    "lambda:CreateFunction": "lambda.amazonaws.com",
    "lambda:UpdateFunctionConfiguration": "lambda.amazonaws.com",
    "sagemaker:CreateAutoMLJobV2": "sagemaker.amazonaws.com",
    "sagemaker:CreateHyperParameterTuningJob": "sagemaker.amazonaws.com",
    "sagemaker:CreateModel": "sagemaker.amazonaws.com",
    "sagemaker:CreateNotebookInstance": "sagemaker.amazonaws.com",
    "sagemaker:CreatePipeline": "sagemaker.amazonaws.com",
    "sagemaker:CreateProcessingJob": "sagemaker.amazonaws.com",
    "sagemaker:CreateTrainingJob": "sagemaker.amazonaws.com",
    "sagemaker:CreateUserProfile": "sagemaker.amazonaws.com",
    "scheduler:CreateSchedule": "scheduler.amazonaws.com",
    "ssm:StartAutomationExecution": "ssm.amazonaws.com",
    "states:CreateStateMachine": "states.amazonaws.com",
    "states:UpdateStateMachine": "states.amazonaws.com",
}

# Action that changes code which runs with a role it has already -> (type of what runs, property of its role).
CODE_CHANGES: Mapping[str, tuple[str, str]] = {
    "lambda:UpdateFunctionCode": ("AWS::Lambda::Function", "Role"),
    "states:UpdateStateMachine": ("AWS::StepFunctions::StateMachine", "RoleArn"),
    "codebuild:StartBuild": ("AWS::CodeBuild::Project", "ServiceRole"),
    "cloudformation:UpdateStack": ("AWS::CloudFormation::Stack", "RoleARN"),
    "ecs:ExecuteCommand": ("AWS::ECS::Cluster", ""),
    "ssm:SendCommand": ("AWS::EC2::Instance", ""),
    "ssm:StartSession": ("AWS::EC2::Instance", ""),
    "sagemaker:CreatePresignedNotebookInstanceUrl": ("AWS::SageMaker::NotebookInstance", "RoleArn"),
}
