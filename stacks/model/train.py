"""Train: the role, the code and the request with which SageMaker trains a candidate on published features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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

CODE = "/opt/ml/input/data/code"
OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}
METRICS = {"binary": "logloss", "regression": "rmse"}


class Train(Construct):
    """
    role     reads features and runs, writes runs and checkpoints
    request  parameters of CreateTrainingJob

    With `algorithm="script"` our train.py runs in the image; the container has no way to the network, so the
    code travels as an input channel. With `"builtin"` the image's XGBoost trains on what a Prepare job wrote.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: Mapping[str, Any],
        source: Path,
        features: s3.IBucket,
        models: s3.IBucket,
        key: kms.IKey,
        network: ContainerNetwork,
        image: Image,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._model = settings, contract["model"]
        self._models, self._key, self._network = models, key, network
        self._is_script = settings.train.algorithm == "script"
        self.role = JobRole(
            self,
            "Role",
            source_arn=arn("sagemaker", f"training-job/{settings.prefix}-*"),
            network=network,
            image_repository_arn=image.repository_arn,
            volume_key=key,
            log_groups=["/aws/sagemaker/TrainingJobs"],
        )
        # The manifest lies in the run's folder, and so does what the Prepare job wrote.
        grants.read_objects(self.role, models, "runs/")
        grants.write_objects(self.role, models, "runs/", in_parts=True)
        if self._is_script:
            self._code = s3_assets.Asset(self, "Source", path=str(source))
            self.role.read_file(self._code)
            grants.read_objects(self.role, features, "features/")
            grants.read_objects(self.role, models, "checkpoints/")
            grants.write_objects(self.role, models, "checkpoints/", in_parts=True)

    @property
    def max_seconds(self) -> int:
        train = self._settings.train
        return train.max_wait_seconds if train.use_spot else train.max_run_seconds

    @property
    def script_parameters(self) -> dict[str, str]:
        """How the toolkit in the image finds our code; to be merged with the plan's hyperparameters."""
        if not self._is_script:
            return {}
        return {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"{CODE}/{self._code.s3_object_key}",
        }

    def request(self, image_uri: str) -> dict[str, Any]:
        train = self._settings.train
        stopping = {"MaxRuntimeInSeconds": train.max_run_seconds}
        if train.use_spot:
            stopping["MaxWaitTimeInSeconds"] = train.max_wait_seconds
        return {
            "TrainingJobName.$": f"States.Format('{self._settings.prefix}-{{}}-train', $.plan.run_id)",
            "RoleArn": self.role.role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": image_uri,
                "TrainingInputMode": "File",
                "MetricDefinitions": self._metrics(),
            },
            "OutputDataConfig": {
                "S3OutputPath.$": self._uri("runs/{}/training"),
                "KmsKeyId": self._key.key_arn,
            },
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": train.instance_type,
                "VolumeSizeInGB": train.volume_gb,
                "VolumeKmsKeyId": self._key.key_arn,
            },
            "VpcConfig": self._network.config,
            "EnableNetworkIsolation": True,
            "EnableInterContainerTrafficEncryption": True,
            "EnableManagedSpotTraining": train.use_spot,
            "StoppingCondition": stopping,
            # SageMaker itself repeats what failed by a fault of its own, within the job.
            "Tags": requests.tag_list(self._settings.tags("train")),
            **(self._script() if self._is_script else self._builtin()),
        }

    def _script(self) -> dict[str, Any]:
        features = "$.publication.features_manifest"
        return {
            "HyperParameters.$": "$.training.hyperparameters",
            "InputDataConfig": [
                requests.manifest_channel("features", features, "application/x-parquet"),
                # The champion's model in a run that goes on from it; else the list of files alone.
                requests.manifest_channel("champion", "$.plan.start_manifest", "application/gzip"),
                requests.channel("code", self._code.s3_object_url, "application/gzip"),
            ],
            # A Spot instance may be taken away: the script goes on from the newest checkpoint.
            "CheckpointConfig": {
                "S3Uri.$": self._uri("checkpoints/{}"),
                "LocalPath": "/opt/ml/checkpoints",
            },
        }

    def _builtin(self) -> dict[str, Any]:
        """The built-in algorithm refuses hyperparameters that it does not know: the contract's only."""
        given = {f"{name}.$": f"$.plan.hyperparameters.{name}" for name in self._model["hyperparameters"]}
        problem = self._model["problem"]
        return {
            "HyperParameters": {
                **given,
                "objective": OBJECTIVES[problem],
                "eval_metric": METRICS[problem],
            },
            "InputDataConfig": [
                requests.channel(part, self._uri(f"runs/{{}}/prepared/{part}/"), "text/csv")
                for part in ("train", "validation")
            ],
        }

    def _metrics(self) -> list[dict[str, str]]:
        """Script and algorithm print the same: `[12] train-logloss:0.51 validation-logloss:0.53`."""
        metric = METRICS[self._model["problem"]]
        return [
            {"Name": f"{part}:{metric}", "Regex": f"{part}-{metric}:([0-9.eE+-]+)"}
            for part in ("train", "validation")
        ]

    def _uri(self, path: str) -> str:
        return f"States.Format('s3://{self._models.bucket_name}/{path}', $.plan.run_id)"
