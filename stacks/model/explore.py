"""Explore: each run's data are looked at, beside the training; a report for people, kept with the run."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants, requests
from security.images import Image
from security.jobs import ContainerNetwork, JobRole
from security.roles import arn
from settings import Settings
from stacks.model.evaluate import WINDOWS

PROGRAM = "explore"


class Explore(Construct):
    """
    role     reads features and the lists of their files; writes the folder `explore` of runs, and reads none
    request  parameters of CreateProcessingJob
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: s3_assets.Asset,
        features: s3.IBucket,
        models: s3.IBucket,
        key: kms.IKey,
        network: ContainerNetwork,
        image: Image,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._code, self._models = settings, code, models
        self._key, self._network = key, network
        self.role = JobRole(
            self,
            "Role",
            source_arn=arn("sagemaker", f"processing-job/{settings.prefix}-*"),
            network=network,
            image_repository_arn=image.repository_arn,
            volume_key=key,
            log_groups=["/aws/sagemaker/ProcessingJobs"],
        )
        self.role.read_file(code)
        grants.read_objects(self.role, features, "features/")
        # No model and no evaluation: what a report for many eyes is made of should not know more.
        grants.read_named(self.role, models, "runs/*/features.manifest")
        grants.write_objects(self.role, models, f"runs/*/{PROGRAM}/", in_parts=True)

    @property
    def max_seconds(self) -> int:
        return self._settings.evaluate.max_run_seconds

    def request(self, image_uri: str) -> dict[str, Any]:
        """On the kind of machine that evaluates: both hold the run's rows once, and few of them at a time."""
        settings = self._settings
        uri = f"States.Format('s3://{self._models.bucket_name}/runs/{{}}/{PROGRAM}', $.plan.run_id)"
        return requests.processing(
            name=f"States.Format('{settings.prefix}-{{}}-{PROGRAM}', $.plan.run_id)",
            role_arn=self.role.role_arn,
            image_uri=image_uri,
            program=PROGRAM,
            arguments={name: f"$.plan.{name}" for name in ("run_id", *WINDOWS)},
            code=self._code,
            inputs=[requests.job_input("features", "$.publication.features_manifest", "ManifestFile")],
            outputs=[requests.job_output(PROGRAM, uri)],
            instance_type=settings.evaluate.instance_type,
            volume_gb=settings.evaluate.volume_gb,
            max_seconds=self.max_seconds,
            key=self._key,
            network=self._network,
            tags=settings.tags(PROGRAM),
        )
