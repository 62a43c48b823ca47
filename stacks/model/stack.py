"""Model: explore -> train -> evaluate. Changes weekly; holds no data but the registry's entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

import bundles
from security.images import Image
from security.jobs import ContainerNetwork
from settings import Settings
from stacks.model.evaluate import Evaluate
from stacks.model.explore import Explore
from stacks.model.train import Train


class ModelStack(Stack):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: Mapping[str, Any],
        features: s3.IBucket,
        models: s3.IBucket,
        key: kms.IKey,
        network: ContainerNetwork,
        boundary: iam.IManagedPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("model"),
            termination_protection=settings.base.keep_on_destroy,
        )
        iam.PermissionsBoundary.of(self).apply(boundary)
        image = Image(self, "Image")
        self.train = Train(
            self,
            "Train",
            settings=settings,
            contract=contract,
            source=bundles.sagemaker_source(contract),
            features=features,
            models=models,
            key=key,
            network=network,
            image=image,
        )
        self.evaluate = Evaluate(
            self,
            "Evaluate",
            settings=settings,
            programs=bundles.sagemaker_zip(contract),
            baseline_model=bundles.baseline_model(contract),
            features=features,
            models=models,
            key=key,
            network=network,
            image=image,
        )
        self.explore = Explore(
            self,
            "Explore",
            settings=settings,
            code=self.evaluate.code,
            features=features,
            models=models,
            key=key,
            network=network,
            image=image,
        )
