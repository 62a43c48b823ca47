#!/usr/bin/env python3
"""The whole system, in the order the data travels."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import Validations
from aws_cdk import aws_kms as kms
from constructs import Construct

import bundles
import contracts
from audit import ledger
from security import nag, regions
from settings import PROJECT, SecondRegionSettings, Settings, settings_for
from stacks.base.stack import BaseStack
from stacks.data.stack import DataStack
from stacks.model.stack import ModelStack
from stacks.modules.delivery.stack import DeliveryStack
from stacks.modules.pipeline.stack import PipelineStack
from stacks.modules.second_region.replication import (
    SAME_REGION,
    OtherRegion,
    ReplicationStack,
    replicate,
)
from stacks.modules.second_region.stack import StandbyStack
from stacks.operations.alarms import watch_endpoint
from stacks.operations.alerts import Alerts
from stacks.operations.deploy import endpoint_name
from stacks.operations.stack import OperationsStack

LEDGER = Path(__file__).parent / "security" / "ledger.yaml"
CONTEXT = {
    # An export that another stack uses cannot be removed: docs/decisions/0001-folder-is-stack.md
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
    # Traces of where a construct was made hold paths of this machine, and cost time.
    "aws:cdk:disable-creation-stack-traces": True,
}


def start(**options: Any) -> cdk.App:
    """An empty app with the context that this project relies on, whoever builds on it."""
    context = {**CONTEXT, **options.pop("context", {})}
    return cdk.App(stack_traces=False, context=context, **options)


def build(app: cdk.App, settings: Settings, contract: dict[str, Any]) -> cdk.App:
    settings = settings.for_contract(contract)
    base = BaseStack(app, "Base", settings=settings)
    data = DataStack(
        app,
        "Data",
        settings=settings,
        contract=contract,
        keys=base.keys.ring,
        buckets=base.buckets,
        functions=base.functions,
        jobs=base.network.place(base.network.jobs),
        endpoint_id=base.network.s3.vpc_endpoint_id,
        boundary=base.boundary,
    )
    model = ModelStack(
        app,
        "Model",
        settings=settings,
        contract=contract,
        features=data.lake.features,
        models=data.lake.models,
        key=base.keys.models,
        network=base.network.for_training,
        boundary=base.boundary,
    )
    operations = OperationsStack(
        app,
        "Operations",
        settings=settings,
        contract=contract,
        keys=base.keys.ring,
        functions=base.functions,
        training=base.network.for_training,
        serving=base.network.for_serving,
        data=data,
        model=model,
        boundary=base.boundary,
    )
    if settings.delivery is not None:
        DeliveryStack(app, "Delivery", settings=settings, delivery=settings.delivery)
    if settings.pipeline is not None:
        PipelineStack(
            app,
            "Pipeline",
            settings=settings,
            pipeline=settings.pipeline,
            logs=base.logs,
            buckets=base.buckets,
            topic=operations.alerts.topic,
            messages=base.keys.messages,
            dead_letters=base.functions.dead_letters,
        )
    if settings.second_region is not None:
        _second_region(app, settings, settings.second_region, contract, base, data, operations)
    cdk.Tags.of(app).add("project", PROJECT)
    cdk.Tags.of(app).add("profile", settings.profile)
    return app


def _second_region(
    app: cdk.App,
    settings: Settings,
    second: SecondRegionSettings,
    contract: dict[str, Any],
    base: BaseStack,
    data: DataStack,
    operations: OperationsStack,
) -> None:
    """Copies before the rules that fill them; the champion's name after the champion."""
    name = endpoint_name(settings)

    def watch(scope: Construct, key: kms.IKey) -> Alerts:
        alerts = Alerts(scope, "Alerts", settings=settings, key=key)
        watch_endpoint(alerts, settings, name)
        return alerts

    OtherRegion(base, "OtherRegion", second=second)
    standby = StandbyStack(
        app,
        "Standby",
        settings=settings,
        second=second,
        lake=data.lake,
        baseline_model=bundles.baseline_model(contract),
        endpoint_name=name,
        watch=watch,
    )
    standby.add_stack_dependency(base)
    replicate(data.lake, settings, second)
    data.add_stack_dependency(standby)
    ReplicationStack(
        app,
        "Replication",
        settings=settings,
        second=second,
        contract=contract,
        lake=data.lake,
        keys=base.keys.ring,
        functions=base.functions,
        champion=operations.deploy.champion,
        topic=operations.alerts.topic,
        boundary=base.boundary,
    )


def check(app: cdk.App, profile: str = "") -> None:
    """Has `synth` refuse what the rule packs object to and the ledger does not accept for this profile.

    Whether rows are still in date is for `make audit` to say: synthesis knows no clock. Without a profile
    nothing is accepted.
    """
    import cdk_nag  # here, as importing it costs half a second of those who only build

    if profile:
        stacks = [child.node.id for child in app.node.children]
        nag.acknowledge(app, ledger.about(ledger.read(LEDGER, profile), stacks))
    Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app),
        cdk_nag.NIST80053R5Checks(app),
        cdk_nag.HIPAASecurityChecks(app),
        cdk_nag.PCIDSS321Checks(app),
        cdk_nag.ServerlessChecks(app),
    )


def chosen(app: cdk.App) -> Settings:
    """The profile that the command line names, paused with `-c paused=true`, with a feature store where the
    profile has none with `-c feature_store=true`.
    """
    settings = settings_for(app.node.get_context("profile"))
    if _is_said(app, "feature_store", "deploy what the profile says"):
        settings = settings.with_feature_store()
    return settings.paused() if _is_said(app, "paused", "deploy everything") else settings


def _is_said(app: cdk.App, name: str, otherwise: str) -> bool:
    said = app.node.try_get_context(name) or "false"
    if said not in ("true", "false"):
        raise ValueError(f"-c {name} must be true or false, got {said!r}: leave it out to {otherwise}")
    return bool(said == "true")


def refuse_same(settings: Settings, region: str) -> None:
    """For synthesis with a known first Region."""
    if settings.second_region is not None and settings.second_region.region == region:
        raise ValueError(f"{region} is the first Region and the second. {SAME_REGION}")


def main() -> None:
    gc.disable()  # nothing is thrown away before the end; looking for it costs a tenth of the time
    app = start()
    settings = chosen(app)
    if region := app.node.try_get_context("region"):
        regions.refuse(region)
        refuse_same(settings, region)
    build(app, settings, contracts.load(app.node.get_context("contract")))
    check(app, settings.profile)
    app.synth()


if __name__ == "__main__":
    main()
