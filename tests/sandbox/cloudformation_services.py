"""Resources of the services that work with data and models, as they are created and as they are updated."""

from __future__ import annotations

import json
from typing import Any

from tests.sandbox.cloudformation_types import Resources, att, policy, ref, resource, tags, trust

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def analytics(second: bool) -> Resources:
    """Catalogue, jobs, queries."""
    columns = [{"Name": "a", "Type": "string"}] + ([{"Name": "b", "Type": "int"}] if second else [])
    logs = {"CloudWatchEncryptionMode": "DISABLED"}
    encryption = {"S3Encryptions": [{"S3EncryptionMode": "SSE-S3"}], "CloudWatchEncryption": logs}
    workgroup = {
        "EnforceWorkGroupConfiguration": True,
        "BytesScannedCutoffPerQuery": 10**8 if second else 10**7,
    }
    at_rest = {"CatalogEncryptionMode": "DISABLED"}
    return {
        "Role": resource("IAM::Role", AssumeRolePolicyDocument=trust("glue.amazonaws.com")),
        "Database": resource(
            "Glue::Database",
            CatalogId=ref("AWS::AccountId"),
            DatabaseInput={"Name": "typed", "Description": "b" if second else "a"},
        ),
        "Table": resource(
            "Glue::Table",
            CatalogId=ref("AWS::AccountId"),
            DatabaseName=ref("Database"),
            TableInput={
                "Name": "t",
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": "month", "Type": "string"}],
                "StorageDescriptor": {"Columns": columns, "Location": "s3://any/t/"},
            },
        ),
        "Connection": resource(
            "Glue::Connection",
            CatalogId=ref("AWS::AccountId"),
            ConnectionInput={"ConnectionType": "NETWORK", "Description": "b" if second else "a"},
        ),
        "Security": resource("Glue::SecurityConfiguration", Name="s", EncryptionConfiguration=encryption),
        "Catalog": resource(
            "Glue::DataCatalogEncryptionSettings",
            CatalogId=ref("AWS::AccountId"),
            DataCatalogEncryptionSettings={"EncryptionAtRest": at_rest},
        ),
        "Job": resource(
            "Glue::Job",
            Role=att("Role"),
            Command={"Name": "glueetl", "ScriptLocation": "s3://any/job.py", "PythonVersion": "3"},
            GlueVersion="5.1",
            WorkerType="G.1X",
            NumberOfWorkers=3 if second else 2,
            Timeout=30,
            MaxRetries=0,
            ExecutionProperty={"MaxConcurrentRuns": 2},
            DefaultArguments={"--a": "b"},
            SecurityConfiguration=ref("Security"),
            Connections={"Connections": [ref("Connection")]},
            Tags={"stage": "b" if second else "a"},
        ),
        "Group": resource(
            "Athena::WorkGroup",
            Name="typed",
            RecursiveDeleteOption=True,
            WorkGroupConfiguration=workgroup,
            State="DISABLED" if second else "ENABLED",
            Tags=tags("b" if second else "a"),
        ),
        "Query": resource(
            "Athena::NamedQuery",
            Database=ref("Database"),
            QueryString="select 2" if second else "select 1",
            WorkGroup=ref("Group"),
        ),
    }


def operations(second: bool) -> Resources:
    """Alarms, rules, schedules, state machines."""
    definition = {"StartAt": "End", "States": {"End": {"Type": "Pass", "Result": "${word}", "End": True}}}
    target = {"Arn": att("Machine"), "RoleArn": att("Role")}
    alarm = {
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 2 if second else 1,
    }
    metric = {"Namespace": "n", "MetricName": "m", "Dimensions": [{"Name": "d", "Value": "v"}]}
    math = [
        {"Id": "r", "Expression": "a * 2", "ReturnData": True},
        {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
    ]
    return {
        "Role": resource(
            "IAM::Role",
            AssumeRolePolicyDocument={
                "Version": "2012-10-17",
                "Statement": [
                    statement
                    for name in ("states", "scheduler", "events")
                    for statement in trust(f"{name}.amazonaws.com")["Statement"]
                ],
            },
            Policies=[{"PolicyName": "p", "PolicyDocument": policy("*")}],
        ),
        "Topic": resource("SNS::Topic"),
        "Budget": resource(
            "Budgets::Budget",
            Budget={
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 20 if second else 10, "Unit": "USD"},
                "CostFilters": {"TagKeyValue": ["user:project$typed"]},
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": 50,
                    },
                    "Subscribers": [{"SubscriptionType": "SNS", "Address": ref("Topic")}],
                }
            ],
            ResourceTags=tags("b" if second else "a"),
        ),
        "Alarm": resource(
            "CloudWatch::Alarm",
            **alarm,
            **metric,
            Period=60,
            Statistic="Sum",
            TreatMissingData="notBreaching",
            AlarmActions=[ref("Topic")],
            Tags=tags("b" if second else "a"),
        ),
        "MathAlarm": resource("CloudWatch::Alarm", **alarm, Metrics=math),
        "Composite": resource(
            "CloudWatch::CompositeAlarm",
            AlarmRule={"Fn::Sub": 'ALARM("${Alarm}")' + (' OR ALARM("${MathAlarm}")' if second else "")},
            AlarmActions=[ref("Topic")],
        ),
        "Dashboard": resource(
            "CloudWatch::Dashboard",
            DashboardBody=json.dumps({"widgets": [], "start": "-P1D" if second else "-P2D"}),
        ),
        "Machine": resource(
            "StepFunctions::StateMachine",
            RoleArn=att("Role"),
            DefinitionString=json.dumps(definition),
            DefinitionSubstitutions={"word": "b" if second else "a"},
            TracingConfiguration={"Enabled": not second},
            Tags=tags("b" if second else "a"),
        ),
        "Rule": resource(
            "Events::Rule",
            EventPattern={"source": ["b" if second else "a"]},
            State="ENABLED",
            Targets=[{**target, "Id": "new" if second else "old"}],
        ),
        "ScheduleGroup": resource("Scheduler::ScheduleGroup", Tags=tags("b" if second else "a")),
        "Schedule": resource(
            "Scheduler::Schedule",
            GroupName=ref("ScheduleGroup"),
            ScheduleExpression="rate(2 days)" if second else "rate(1 day)",
            ScheduleExpressionTimezone="America/New_York",
            FlexibleTimeWindow={"Mode": "OFF"},
            State="DISABLED",
            Target={**target, "Input": "{}"},
        ),
    }


def models(second: bool) -> Resources:
    """Models and their registry; endpoints serve in tests/sandbox/test_endpoints.py."""
    container: dict[str, Any] = {"Image": IMAGE, "ModelDataUrl": "s3://any/model.tar.gz"}
    variant = {"VariantName": "one", "ModelName": att("Model", "ModelName"), "InitialVariantWeight": 1}
    variant |= {"InitialInstanceCount": 1, "InstanceType": "ml.t2.medium"}
    tracking = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
        "TargetValue": 60 if second else 70,
    }
    return {
        "Role": resource("IAM::Role", AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com")),
        "Model": resource(
            "SageMaker::Model",
            ExecutionRoleArn=att("Role"),
            PrimaryContainer={**container, "Environment": {"A": "b" if second else "a"}},
            EnableNetworkIsolation=True,
            Tags=tags("b" if second else "a"),
        ),
        "Config": resource(
            "SageMaker::EndpointConfig", ProductionVariants=[variant], Tags=tags("b" if second else "a")
        ),
        # Online only: what the offline half needs is in tests/sandbox/test_feature_store.py.
        "Group": resource(
            "SageMaker::FeatureGroup",
            FeatureGroupName="typed-group",
            RecordIdentifierFeatureName="entity",
            EventTimeFeatureName="at",
            FeatureDefinitions=[
                {"FeatureName": "entity", "FeatureType": "String"},
                {"FeatureName": "at", "FeatureType": "String"},
            ],
            OnlineStoreConfig={
                "EnableOnlineStore": True,
                "TtlDuration": {"Unit": "Days", "Value": 2 if second else 1},
            },
            Tags=tags("a"),
        ),
        "Packages": resource("SageMaker::ModelPackageGroup", ModelPackageGroupName="typed"),
        "Table": resource(
            "DynamoDB::Table",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        ),
        "Target": resource(
            "ApplicationAutoScaling::ScalableTarget",
            ServiceNamespace="dynamodb",
            ScalableDimension="dynamodb:table:ReadCapacityUnits",
            ResourceId={"Fn::Sub": "table/${Table}"},
            MinCapacity=1,
            MaxCapacity=4 if second else 2,
        ),
        "Scaling": resource(
            "ApplicationAutoScaling::ScalingPolicy",
            PolicyName="track",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=ref("Target"),
            TargetTrackingScalingPolicyConfiguration=tracking,
        ),
    }


def delivery(second: bool) -> Resources:
    """Projects and pipelines."""
    services = ("codebuild", "codepipeline")
    trusts = [trust(f"{name}.amazonaws.com")["Statement"][0] for name in services]

    def action(category: str, provider: str, **more: Any) -> dict[str, Any]:
        kind = {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"}
        return {"Name": provider, "ActionTypeId": kind, "RunOrder": 1, **more}

    source = {
        "ConnectionArn": "arn:aws:codeconnections:us-east-1:123456789012:connection/any",
        "FullRepositoryId": "octo/loop",
        "BranchName": "next" if second else "main",
    }
    artefact = [{"Name": "Source"}]
    return {
        "Role": resource(
            "IAM::Role", AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": trusts}
        ),
        "Store": resource("S3::Bucket"),
        "Project": resource(
            "CodeBuild::Project",
            Name="typed",
            ServiceRole=att("Role"),
            Source={"Type": "CODEPIPELINE", "BuildSpec": '{"version": 0.2}'},
            Artifacts={"Type": "CODEPIPELINE"},
            Environment={
                "Type": "LINUX_CONTAINER",
                "ComputeType": "BUILD_GENERAL1_LARGE" if second else "BUILD_GENERAL1_MEDIUM",
                "Image": "aws/codebuild/standard:7.0-26.07.29",
            },
            TimeoutInMinutes=20 if second else 10,
            Visibility="PRIVATE",
            Tags=tags("b" if second else "a"),
        ),
        "Pipeline": resource(
            "CodePipeline::Pipeline",
            Name="typed",
            RoleArn=att("Role"),
            PipelineType="V2",
            ExecutionMode="QUEUED" if second else "SUPERSEDED",
            RestartExecutionOnUpdate=False,
            ArtifactStore={"Type": "S3", "Location": ref("Store")},
            Stages=[
                {
                    "Name": "Source",
                    "Actions": [
                        action(
                            "Source",
                            "CodeStarSourceConnection",
                            Configuration=source,
                            OutputArtifacts=artefact,
                        )
                    ],
                },
                {
                    "Name": "Build",
                    "Actions": [
                        action(
                            "Build",
                            "CodeBuild",
                            Configuration={"ProjectName": ref("Project")},
                            InputArtifacts=artefact,
                        )
                    ],
                },
            ],
            Tags=tags("b" if second else "a"),
        ),
    }
