"""Bulk score: the champion answers for a whole folder of features, on instances that go afterwards."""

from __future__ import annotations

from typing import Any

from constructs import Construct

from security import grants
from security.keys import KeyRing
from security.logs import LogKeeping
from security.requests import tag_list
from security.workflows import Workflow
from settings import Settings
from stacks.operations.definitions.bulk_scoring import bulk_scoring
from stacks.operations.deploy import Deploy
from stacks.operations.neighbours import Lake
from stacks.operations.steps import Steps

JOB_SECONDS = 6 * 3_600


class BulkScore(Construct):
    """
    workflow  started by hand with {"input_uri": "s3://<features bucket>/features/run=.../month=.../"};
              the scores go to the results bucket, below bulk_scores/<name of the execution>/
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: KeyRing,
        lake: Lake,
        logs: LogKeeping,
        steps: Steps,
        deploy: Deploy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.workflow = Workflow(
            self, "Workflow", name=f"{settings.prefix}-bulk-score", key=keys.messages, logs=logs
        )
        grants.allow(self.workflow.role, ["ssm:GetParameter"], [deploy.champion.parameter_arn])
        self.workflow.let_run_sagemaker("Transform", settings.prefix)
        self.workflow.let_invoke(steps.explain_failure.function_arn)
        # The job's volume is encrypted in SageMaker's account, by a grant.
        grants.allow(
            self.workflow.role,
            ["kms:CreateGrant", "kms:DescribeKey"],
            [keys.models.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
        self.workflow.define(
            bulk_scoring(
                _request(settings, lake, keys),
                steps.explain_failure.function_arn,
                champion_parameter=deploy.champion.parameter_name,
                baseline_model=deploy.baseline.model_name,
                job_seconds=JOB_SECONDS,
            )
        )


def _request(settings: Settings, lake: Lake, keys: KeyRing) -> dict[str, Any]:
    output = f"s3://{lake.results.bucket_name}/bulk_scores/{{}}"
    return {
        "TransformJobName.$": f"States.Format('{settings.prefix}-{{}}', $$.Execution.Name)",
        "ModelName.$": "$.model.model_name",
        "TransformInput": {
            "ContentType": "application/x-parquet",
            "CompressionType": "None",
            "SplitType": "None",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri.$": "$.input_uri"}},
        },
        "TransformOutput": {
            "S3OutputPath.$": f"States.Format('{output}', $$.Execution.Name)",
            "Accept": "application/jsonlines",
            "KmsKeyId": keys.lake.key_arn,
        },
        "TransformResources": {
            "InstanceCount": 1,
            "InstanceType": settings.deploy.instance_type,
            "VolumeKmsKeyId": keys.models.key_arn,
        },
        # A Parquet file cannot be split, so each is one request; the image takes 20 MB at most.
        "MaxPayloadInMB": 20,
        "Tags": tag_list(settings.tags("deploy")),
    }
