"""Evaluate: compares candidates with champion and rule on held-out days, and makes the best servable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from security import grants, requests
from security.images import Image
from security.jobs import ContainerNetwork, JobRole
from security.roles import arn
from settings import Settings

WINDOWS = ("train_start", "train_end", "validation_end", "holdout_end")


class Evaluate(Construct):
    """
    role     reads features, runs and the first model; writes runs
    code     the programs of processing jobs, one file
    group    the registry's list of our models
    request  parameters of CreateProcessingJob: the comparison; `prepare`: files for the built-in algorithm
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        programs: Path,
        baseline_model: Path,
        features: s3.IBucket,
        models: s3.IBucket,
        key: kms.IKey,
        network: ContainerNetwork,
        image: Image,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._models, self._key, self._network = settings, models, key, network
        self.code = s3_assets.Asset(self, "Programs", path=str(programs))
        # The first champion: scores by the contract's rule, made when the project is built.
        self.baseline_model = s3_assets.Asset(self, "BaselineModel", path=str(baseline_model))
        self.role = JobRole(
            self,
            "Role",
            source_arn=arn("sagemaker", f"processing-job/{settings.prefix}-*"),
            network=network,
            image_repository_arn=image.repository_arn,
            volume_key=key,
            log_groups=["/aws/sagemaker/ProcessingJobs"],
        )
        self.role.read_file(self.code)
        self.role.read_file(self.baseline_model)
        grants.read_objects(self.role, features, "features/")
        grants.read_objects(self.role, models, "runs/")
        grants.write_objects(self.role, models, "runs/", in_parts=True)
        self.group = sagemaker.CfnModelPackageGroup(
            self,
            "Group",
            # Named, because the ARNs of its packages are made of it, and roles are limited to them.
            model_package_group_name=f"{settings.prefix}-models",
            model_package_group_description="Every candidate that passed the gate, with its evaluation",
        )

    def request(self, image_uri: str) -> dict[str, Any]:
        inputs = [
            # What trained, with its table of costs: candidates.json, <candidate>/<job>/output/model.tar.gz.
            requests.job_input("candidates", "$.candidates.manifest", "ManifestFile"),
            requests.job_input("champion", "$.plan.champion.model_data_url"),
            self._features(),
        ]
        if self._settings.train.algorithm == "builtin":
            inputs.append(requests.job_input("preparation", self.in_run("prepared/preparation/")))
        outputs = [
            requests.job_output(name, self.in_run(name)) for name in ("evaluation", "model", "baseline")
        ]
        return self._processing("evaluate", image_uri, inputs, outputs)

    def prepare(self, image_uri: str) -> dict[str, Any] | None:
        """Only the built-in algorithm needs its input as label-first CSV."""
        if self._settings.train.algorithm != "builtin":
            return None
        outputs = [
            requests.job_output(name, self.in_run(f"prepared/{name}"))
            for name in ("train", "validation", "preparation")
        ]
        return self._processing("prepare", image_uri, [self._features()], outputs)

    def in_run(self, path: str) -> str:
        return f"States.Format('s3://{self._models.bucket_name}/runs/{{}}/{path}', $.plan.run_id)"

    def _features(self) -> dict[str, Any]:
        return requests.job_input("features", "$.publication.features_manifest", "ManifestFile")

    def _processing(
        self, program: str, image_uri: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]
    ) -> dict[str, Any]:
        settings = self._settings
        return requests.processing(
            name=f"States.Format('{settings.prefix}-{{}}-{program}', $.plan.run_id)",
            role_arn=self.role.role_arn,
            image_uri=image_uri,
            program=program,
            arguments={name: f"$.plan.{name}" for name in ("run_id", *WINDOWS)},
            code=self.code,
            inputs=inputs,
            outputs=outputs,
            instance_type=settings.evaluate.instance_type,
            volume_gb=settings.evaluate.volume_gb,
            max_seconds=settings.evaluate.max_run_seconds,
            key=self._key,
            network=self._network,
            tags=settings.tags("evaluate"),
        )
