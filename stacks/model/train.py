"""Train: the role, the code and the request with which SageMaker trains a candidate on published features."""

from __future__ import annotations

import re
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
from stacks.model.tuning import LONGEST_TRIAL, LONGEST_TUNING_NAME, WINNER, Tuning, tuning

CODE = "/opt/ml/input/data/code"
OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}  # of the built-in algorithm
# By what training prints its loss, round by round and at its end: lower is better in all of them.
LOSSES = {
    "binary": "logloss",
    "multiclass": "mlogloss",
    "regression": "rmse",
    "forecasting": "rmse",
    "clustering": "one_minus_silhouette",
    "recommendation": "one_minus_ndcg",
}
LONGEST_JOB_NAME = 63
NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")  # of a candidate, as it becomes part of a job's name
EXAMPLE_RUN = "r20130101-0123abcd"  # every run's id is as long
RUN = "$.plan.run_id"
RUN_AND_NAME = f"{RUN}, $.candidate.name"


class CandidateError(ValueError):
    """A candidate of the contract that cannot be trained with these settings."""


class Train(Construct):
    """
    role     reads features and runs, writes runs and checkpoints
    request  parameters of CreateTrainingJob, for one candidate
    tuning   parameters of CreateHyperParameterTuningJob, if the contract asks for a search

    The requests are read inside of a state whose input holds `plan`, `publication`, `script` and `candidate`.

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
        _check(settings, self._model)
        kinds = ["training-job", *(["hyper-parameter-tuning-job"] if self._model["tuning"] else [])]
        self.role = JobRole(
            self,
            "Role",
            source_arn=[arn("sagemaker", f"{kind}/{settings.prefix}-*") for kind in kinds],
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
    def parallel_jobs(self) -> int:
        """How many candidates train at once: no more than there are."""
        return min(self._settings.train.parallel_jobs, len(self._model["candidates"]))

    @property
    def script_parameters(self) -> dict[str, str]:
        """What every training gets beside the plan's hyperparameters: how the toolkit in the image finds our
        code, or what the built-in algorithm optimises."""
        if not self._is_script:
            problem = self._model["problem"]
            return {"objective": OBJECTIVES[problem], "eval_metric": LOSSES[problem]}
        return {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"{CODE}/{self._code.s3_object_key}",
        }

    def request(self, image_uri: str) -> dict[str, Any]:
        train = self._settings.train
        stopping = {"MaxRuntimeInSeconds": train.max_run_seconds}
        if train.use_spot:
            stopping["MaxWaitTimeInSeconds"] = train.max_wait_seconds
        request = {
            "TrainingJobName.$": f"States.Format('{self._settings.prefix}-{{}}-train-{{}}', {RUN_AND_NAME})",
            **self._job(image_uri, self._uri("runs/{}/training/{}", RUN_AND_NAME), stopping),
            # The candidate's own, and what is the same for all.
            "HyperParameters.$": "$.training.hyperparameters",
            # SageMaker itself repeats what failed by a fault of its own, within the job.
            "Tags": requests.tag_list(self._settings.tags("train")),
        }
        if self._is_script:
            # A Spot instance may be taken away: the script goes on from the newest checkpoint. With the slash
            # at its end: SageMaker copies what begins with it, and one name may begin with another.
            request["CheckpointConfig"] = {
                "S3Uri.$": self._uri("checkpoints/{}/{}/", RUN_AND_NAME),
                "LocalPath": "/opt/ml/checkpoints",
            }
        return request

    def tuning(self, image_uri: str) -> Tuning | None:
        section = self._model["tuning"]
        if section is None:
            return None
        train = self._settings.train
        longest = min(train.max_run_seconds, LONGEST_TRIAL)
        stopping = {"MaxRuntimeInSeconds": longest}
        if train.use_spot:
            stopping["MaxWaitTimeInSeconds"] = LONGEST_TRIAL
        # No checkpoints: nothing says that trials would have a place of their own below one address.
        job = self._job(image_uri, self._uri(f"runs/{{}}/training/{WINNER}", RUN), stopping)
        return tuning(
            section,
            job=job,
            metric=f"validation:{LOSSES[self._model['problem']]}",
            most_jobs=train.max_tuning_jobs,
            most_parallel=train.parallel_jobs,
            trial_seconds=LONGEST_TRIAL if train.use_spot else longest,
            attempts=self._settings.retrain.max_attempts,
            tags=self._settings.tags("train"),
        )

    def _job(self, image_uri: str, output: str, stopping: Mapping[str, int]) -> dict[str, Any]:
        """What a training is made of, alone or as a trial of a search."""
        train = self._settings.train
        return {
            "RoleArn": self.role.role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": image_uri,
                "TrainingInputMode": "File",
                "MetricDefinitions": self._metrics(),
            },
            "InputDataConfig": self._channels(),
            "OutputDataConfig": {"S3OutputPath.$": output, "KmsKeyId": self._key.key_arn},
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
            "StoppingCondition": dict(stopping),
        }

    def _channels(self) -> list[dict[str, Any]]:
        if not self._is_script:
            return [
                requests.channel(part, self._uri(f"runs/{{}}/prepared/{part}/", RUN), "text/csv")
                for part in ("train", "validation")
            ]
        features = "$.publication.features_manifest"
        return [
            requests.manifest_channel("features", features, "application/x-parquet"),
            # The champion's model in a run that goes on from it; else the list of files alone.
            requests.manifest_channel("champion", "$.plan.start_manifest", "application/gzip"),
            requests.channel("code", self._code.s3_object_url, "application/gzip"),
        ]

    def _metrics(self) -> list[dict[str, str]]:
        """Script and algorithm print the same: `[12] train-logloss:0.51 validation-logloss:0.53`."""
        metric = LOSSES[self._model["problem"]]
        return [
            {"Name": f"{part}:{metric}", "Regex": f"{part}-{metric}:([0-9.eE+-]+)"}
            for part in ("train", "validation")
        ]

    def _uri(self, path: str, values: str) -> str:
        return f"States.Format('s3://{self._models.bucket_name}/{path}', {values})"


def _check(settings: Settings, model: Mapping[str, Any]) -> None:
    """What would fail at the first run fails at synthesis."""
    place = "customProperties.model.candidates"
    for candidate in model["candidates"]:
        name = candidate["name"]
        job = f"{settings.prefix}-{EXAMPLE_RUN}-train-{name}"
        if not NAME.fullmatch(name) or len(job) > LONGEST_JOB_NAME:
            room = LONGEST_JOB_NAME - len(job) + len(name)
            raise CandidateError(
                f"{place}: got the name {name!r}, allowed: small letters, digits and single hyphens between "
                f"them, at most {room}: it is the end of the training job's name, rename the candidate"
            )
        if settings.train.algorithm == "builtin" and candidate["family"] != "xgboost":
            raise CandidateError(
                f"{place}: got {name} of the family {candidate['family']}, allowed with "
                "train.algorithm='builtin': xgboost: leave it out, or take 'script' in settings.py"
            )
    if settings.train.algorithm == "builtin" and model["problem"] not in OBJECTIVES:
        raise CandidateError(
            f"customProperties.model.problem: got {model['problem']}, allowed with "
            f"train.algorithm='builtin': {', '.join(OBJECTIVES)}: take 'script' in settings.py"
        )
    own = EXAMPLE_RUN.rpartition("-")[2]
    if model["tuning"] and len(f"{settings.prefix}-{own}") > LONGEST_TUNING_NAME:
        raise CandidateError(
            f"the tuning jobs' names begin with {settings.prefix}, which is too long: SageMaker allows "
            f"{LONGEST_TUNING_NAME} characters, of which {len(own) + 1} are the run's; "
            "shorten the profile's name in settings.py"
        )
