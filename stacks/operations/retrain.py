"""Retrain: from fresh data to a champion that proved itself; started by calendar, drift or people."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from security import grants
from security.images import Image
from security.jobs import JobNetwork
from security.roles import arn
from settings import Settings
from stacks.operations.definitions.parts import Jobs, Release, Requests
from stacks.operations.definitions.retraining import retraining
from stacks.operations.deploy import Deploy
from stacks.operations.ledger import Ledger
from stacks.operations.neighbours import Model, Transform
from stacks.operations.platform import WorkflowPlatform
from stacks.operations.release import ReleaseRequests

HOUR = 3_600


class Retrain(Construct):
    """
    workflow  plan, refresh, train, gate, challenge, bake, promote or roll back
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: WorkflowPlatform,
        network: JobNetwork,
        deploy: Deploy,
        guards: Sequence[cloudwatch.Alarm],
        transform: Transform,
        model: Model,
    ) -> None:
        super().__init__(scope, construct_id)
        settings, keys, lake = platform.settings, platform.keys, platform.lake
        self._settings, self._keys, self._deploy = settings, keys, deploy
        group_name = model.evaluate.group.model_package_group_name
        jobs = self._jobs(transform)
        requests = _requests(settings, model, platform.image)
        calls = ReleaseRequests(
            settings=settings,
            image_uri=platform.image.uri,
            role_arn=deploy.role.role_arn,
            group_name=group_name,
            models_bucket=lake.models.bucket_name,
            captures_bucket=lake.captures.bucket_name,
            key=keys.models,
            network=network,
        )
        self.workflow = platform.workflow(self, "retrain")
        self.workflow.let_invoke(*(function.function_arn for function in platform.steps.all))
        self.workflow.let_run_glue(jobs.clean, jobs.quality, jobs.features)
        self.workflow.let_run_sagemaker("Training", settings.prefix)
        self.workflow.let_run_sagemaker("Processing", settings.prefix)
        self.workflow.let_pass(model.explore.role, model.train.role, model.evaluate.role, deploy.role)
        # A run that ends starts the one that was skipped meanwhile.
        self.workflow.let_start(self.workflow.role)
        self.workflow.let_publish(platform.alerts.topic.topic_arn, keys.messages)
        self._let_keep_books(platform.ledger)
        self._let_release(deploy, group_name)
        alarm_arns = [alarm.alarm_arn for alarm in guards]
        grants.allow(self.workflow.role, ["cloudwatch:DescribeAlarms"], alarm_arns)
        self.workflow.define(
            retraining(
                platform.steps.arns,
                jobs,
                requests,
                self._release(calls, guards),
                platform.report("Retraining"),
                self.workflow.arn,
                seconds=self.longest_seconds(settings, requests.train_seconds),
                data_lock_seconds=self.data_seconds(settings),
            )
        )

    def _jobs(self, transform: Transform) -> Jobs:
        return Jobs(
            clean=transform.clean.name,
            quality=transform.quality.name,
            features=transform.features.name,
            timeout_seconds=self._settings.transform.timeout_minutes * 60,
        )

    def _release(self, calls: ReleaseRequests, guards: Sequence[cloudwatch.Alarm]) -> Release:
        settings = self._settings.deploy
        return Release(
            endpoint=self._deploy.endpoint_name,
            package=calls.package(),
            model=calls.model(),
            champion_config=calls.champion_config(),
            challenger_config=calls.challenger_config(),
            alarms=[alarm.alarm_name for alarm in guards],
            watch_seconds=settings.canary_seconds,
            champion_parameter=self._deploy.champion.parameter_name,
            model_data_url=calls.model_data_url,
            baseline_uri=calls.baseline_uri,
            bake_seconds=settings.bake_minutes * 60,
            max_checks=settings.max_bake_checks,
        )

    @staticmethod
    def data_seconds(settings: Settings) -> int:
        """The longest that a run may hold the data lock: two attempts of each job, and an hour."""
        return 6 * (settings.transform.timeout_minutes * 60 + 600) + HOUR

    @classmethod
    def longest_seconds(cls, settings: Settings, train_seconds: int) -> int:
        """The longest that a run may take, and hold the model lock; waiting for the data lock included."""
        deploy = settings.deploy
        data = 2 * cls.data_seconds(settings)
        model = train_seconds + 3 * settings.evaluate.max_run_seconds + 2 * HOUR
        bake = deploy.max_bake_checks * (deploy.bake_minutes * 60 + 1_200)
        updates = 3 * (4 * HOUR + deploy.canary_seconds)
        return data + model + bake + updates

    def _let_keep_books(self, ledger: Ledger) -> None:
        role = self.workflow.role
        grants.allow(
            role, ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"], [ledger.table.table_arn]
        )
        grants.use_key(role, self._keys.messages, ["kms:Decrypt"], through="dynamodb")

    def _let_release(self, deploy: Deploy, group_name: str) -> None:
        role, prefix = self.workflow.role, self._settings.prefix
        models = arn("sagemaker", f"model/{prefix}-*")
        configs = arn("sagemaker", f"endpoint-config/{prefix}-*")
        packages = arn("sagemaker", f"model-package/{group_name}/*")
        group = arn("sagemaker", f"model-package-group/{group_name}")
        for actions, resources in (
            (["sagemaker:AddTags", "sagemaker:CreateModel"], [models]),
            (["sagemaker:AddTags", "sagemaker:CreateEndpointConfig"], [configs]),
            (["sagemaker:UpdateEndpoint"], [deploy.endpoint_arn, configs, deploy.baseline_config_arn]),
            (["sagemaker:DescribeEndpoint"], [deploy.endpoint_arn]),
            (["sagemaker:CreateModelPackage"], [group, packages]),
            (["sagemaker:UpdateModelPackage"], [packages]),
            (["ssm:PutParameter"], [deploy.champion.parameter_arn]),
        ):
            grants.allow(role, actions, resources, policy="Release")
        # SageMaker encrypts the volumes of the endpoint's instances in its own account, by a grant.
        grants.encrypt_volumes(role, self._keys.models)


def _requests(settings: Settings, model: Model, image: Image) -> Requests:
    return Requests(
        prepare=model.evaluate.prepare(image.uri),
        train=model.train.request(image.uri),
        script_parameters=model.train.script_parameters,
        evaluate=model.evaluate.request(image.uri),
        train_seconds=model.train.max_seconds,
        evaluate_seconds=settings.evaluate.max_run_seconds,
        explore=model.explore.request(image.uri),
        explore_seconds=model.explore.max_seconds,
    )
