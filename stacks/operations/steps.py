"""Steps: the functions that the state machines call; each reads and writes its part of the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_ssm as ssm
from constructs import Construct

import bundles
from security import grants
from security.functions import FunctionPlatform, ScopedFunction
from security.keys import KeyRing
from security.roles import arn
from settings import Settings
from stacks.operations.definitions.parts import Functions
from stacks.operations.deploy import Deploy
from stacks.operations.ledger import Ledger
from stacks.operations.neighbours import FeatureStore, Lake

NAMESPACE = "mlref/model"


class Steps(Construct):
    """
    plan_run            what a run does: windows, months, names
    publish_partitions  points the catalogue at what the run wrote
    put_features        the newest histories into the feature store; None: there is no store
    record_candidates   what trained, at what cost, and the trials of a search
    decide_promotion    the gate, on the evaluation
    judge_challenger    after the bake, on the newest monitoring report
    publish_metrics     the monitoring report as metrics
    explain_failure     the cause of a failed state, in words for people
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: KeyRing,
        lake: Lake,
        contract: Mapping[str, Any],
        functions: FunctionPlatform,
        ledger: Ledger,
        deploy: Deploy,
        store: FeatureStore | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._contract, self._platform, self._lake = contract, functions, lake
        self._settings = settings
        environment = {
            "RAW_BUCKET": lake.raw.bucket_name,
            "CURATED_BUCKET": lake.curated.bucket_name,
            "FEATURES_BUCKET": lake.features.bucket_name,
            "MODELS_BUCKET": lake.models.bucket_name,
            "CAPTURES_BUCKET": lake.captures.bucket_name,
            "DATABASE": settings.database,
            "ENDPOINT_NAME": deploy.endpoint_name,
            "LEDGER_TABLE": ledger.table.table_name,
            "CHAMPION_PARAMETER": deploy.champion.parameter_name,
            "BASELINE_MODEL_NAME": deploy.baseline.model_name,
            "BASELINE_MODEL_URL": deploy.baseline.model_data_url,
            "BASELINE_CONFIG_NAME": deploy.baseline.config_name,
            "METRIC_NAMESPACE": NAMESPACE,
        }
        algorithm = {"ALGORITHM": settings.train.algorithm}
        self.plan_run = self._function("PlanRun", "plan_run", environment | algorithm, minutes=10)
        self.publish_partitions = self._function(
            "PublishPartitions", "publish_partitions", environment, minutes=10
        )
        train = settings.train
        self.record_candidates = self._function(
            "RecordCandidates",
            "record_candidates",
            {
                "MODELS_BUCKET": lake.models.bucket_name,
                "INSTANCE_TYPE": train.instance_type,
                "USD_PER_HOUR": "" if train.usd_per_hour is None else str(train.usd_per_hour),
            },
        )
        self.decide_promotion = self._function("DecidePromotion", "decide_promotion", environment)
        self.judge_challenger = self._function("JudgeChallenger", "judge_challenger", environment)
        self.publish_metrics = self._function("PublishMetrics", "publish_metrics", environment)
        self.explain_failure = self._function(
            "ExplainFailure", "explain_failure", {"MODELS_BUCKET": lake.models.bucket_name}, minutes=1
        )
        self.put_features = self._filling(store) if store is not None else None
        self._let_plan(ledger, keys, deploy.champion)
        self._let_publish()
        self._let_judge()

    @property
    def arns(self) -> Functions:
        return Functions(
            plan_run=self.plan_run.function_arn,
            publish_partitions=self.publish_partitions.function_arn,
            put_features=self.put_features.function_arn if self.put_features else None,
            record_candidates=self.record_candidates.function_arn,
            decide_promotion=self.decide_promotion.function_arn,
            judge_challenger=self.judge_challenger.function_arn,
            publish_metrics=self.publish_metrics.function_arn,
            explain_failure=self.explain_failure.function_arn,
        )

    @property
    def all(self) -> list[ScopedFunction]:
        return [
            self.plan_run,
            self.publish_partitions,
            *([self.put_features] if self.put_features else []),
            self.record_candidates,
            self.decide_promotion,
            self.judge_challenger,
            self.publish_metrics,
            self.explain_failure,
        ]

    def _function(
        self, construct_id: str, package: str, environment: Mapping[str, str], *, minutes: int = 2
    ) -> ScopedFunction:
        return ScopedFunction(
            self,
            construct_id,
            platform=self._platform,
            bundle=bundles.lambda_bundle(package, self._contract),
            package=package,
            environment=environment,
            timeout=Duration.minutes(minutes),
            memory_mb=512,
        )

    @staticmethod
    def feature_groups(store: FeatureStore) -> str:
        """Entity -> name of its feature group, as JSON: what who writes or looks up needs to know."""
        return json.dumps({group.entity: group.name for group in store.groups}, sort_keys=True)

    def _filling(self, store: FeatureStore) -> ScopedFunction:
        """Writes these groups, and reads of a run no more than the values that it made for them."""
        function = self._function(
            "PutFeatures",
            "put_features",
            {
                "MODELS_BUCKET": self._lake.models.bucket_name,
                "FEATURE_GROUPS": self.feature_groups(store),
            },
            minutes=10,
        )
        role = function.scoped_role
        grants.read_named(role, self._lake.models, "runs/*/entities.json")
        grants.allow(role, ["sagemaker:PutRecord"], [group.arn for group in store.groups])
        grants.use_key(role, store.key, ["kms:Decrypt"], through="sagemaker")
        return function

    def _let_plan(self, ledger: Ledger, keys: KeyRing, champion: ssm.StringParameter) -> None:
        role, lake = self.plan_run.scoped_role, self._lake
        grants.list_objects(role, lake.raw, "raw/")
        grants.list_objects(role, lake.captures, "captures/")
        grants.list_objects(role, lake.features, "features/")
        for prefix in ("runs/", "monitor/"):
            grants.read_objects(role, lake.models, prefix)
            grants.write_objects(role, lake.models, prefix)
        grants.allow(role, ["dynamodb:GetItem"], [ledger.table.table_arn])
        grants.use_key(role, keys.messages, ["kms:Decrypt"], through="dynamodb")
        grants.allow(role, ["ssm:GetParameter"], [champion.parameter_arn])
        self._catalogue(self.plan_run, ["glue:GetPartitions"])

    def _let_publish(self) -> None:
        role, lake = self.publish_partitions.scoped_role, self._lake
        grants.list_objects(role, lake.curated, "curated/")
        grants.list_objects(role, lake.features, "features/")
        grants.read_objects(role, lake.models, "runs/")
        grants.write_objects(role, lake.models, "runs/")
        self._catalogue(
            self.publish_partitions,
            [
                "glue:BatchCreatePartition",
                "glue:BatchUpdatePartition",
                "glue:GetPartitions",
                "glue:GetTable",
            ],
        )

    def _let_judge(self) -> None:
        models = self._lake.models
        grants.write_objects(self.record_candidates.scoped_role, models, "runs/")
        gate = self.decide_promotion.scoped_role
        grants.read_objects(gate, models, "runs/")
        grants.write_objects(gate, models, "runs/")
        grants.read_objects(self.judge_challenger.scoped_role, models, "monitor/")
        grants.read_objects(self.publish_metrics.scoped_role, models, "monitor/")
        # What the training script left beside its checkpoints.
        grants.read_objects(self.explain_failure.scoped_role, models, "checkpoints/")

    def _catalogue(self, function: ScopedFunction, actions: list[str]) -> None:
        """The tables of the contract, by their names."""
        database = self._settings.database
        tables = [*self._contract["tables"], "features"]
        grants.allow(
            function.scoped_role,
            actions,
            [
                arn("glue", "catalog"),
                arn("glue", f"database/{database}"),
                *(arn("glue", f"table/{database}/{table}") for table in tables),
            ],
        )
