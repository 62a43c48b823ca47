"""Bulk score: the champion answers for a whole folder of features, on instances that go afterwards."""

from __future__ import annotations

from typing import Any

from constructs import Construct

from security import grants
from security.requests import tag_list
from stacks.operations.definitions.bulk_scoring import bulk_scoring
from stacks.operations.deploy import Deploy
from stacks.operations.platform import WorkflowPlatform

JOB_SECONDS = 6 * 3_600


class BulkScore(Construct):
    """
    workflow  started by hand with {"input_uri": "s3://<features bucket>/features/run=.../month=.../"};
              the scores go to the results bucket, below bulk_scores/<name of the execution>/
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: WorkflowPlatform, deploy: Deploy
    ) -> None:
        super().__init__(scope, construct_id)
        explain_failure = platform.steps.explain_failure.function_arn
        self.workflow = platform.workflow(self, "bulk-score")
        grants.allow(self.workflow.role, ["ssm:GetParameter"], [deploy.champion.parameter_arn])
        self.workflow.let_run_sagemaker("Transform", platform.settings.prefix)
        self.workflow.let_invoke(explain_failure)
        # The job's volume is encrypted in SageMaker's account, by a grant.
        grants.encrypt_volumes(self.workflow.role, platform.keys.models)
        self.workflow.define(
            bulk_scoring(
                _request(platform),
                explain_failure,
                champion_parameter=deploy.champion.parameter_name,
                baseline_model=deploy.baseline.model_name,
                job_seconds=JOB_SECONDS,
            )
        )


def _request(platform: WorkflowPlatform) -> dict[str, Any]:
    settings, keys = platform.settings, platform.keys
    output = f"s3://{platform.lake.results.bucket_name}/bulk_scores/{{}}"
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
