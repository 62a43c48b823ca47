"""Quotas that templates need, worked by hand on small ones; the dated table knows those of both profiles."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audit import fleets, quotas
from audit.quotas import Need
from audit.templates import Templates

CODE = re.compile(r"L-[0-9A-F]{8}")


def templates(**resources: Any) -> Templates:
    return Templates({"Any": (Path("Any.template.json"), {"Resources": resources})})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def task(action: str, **request: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::sagemaker:{action}", "Parameters": request}


def training(kind: str, count: int = 1, *, spot: bool = False, **more: Any) -> dict[str, Any]:
    resources = {"InstanceType": kind, "InstanceCount": count, "VolumeSizeInGB": 10}
    request = {"ResourceConfig": resources, "EnableManagedSpotTraining": spot}
    return task("createTrainingJob.sync", **request, **more)


def machine(**states: Any) -> dict[str, Any]:
    return resource("StepFunctions::StateMachine", DefinitionString=json.dumps({"States": states}))


def variant(name: str, count: Any, kind: str = "ml.m5.large") -> dict[str, Any]:
    size = {"InitialInstanceCount": count} if count is not None else {"InitialInstanceCount.$": "$.any"}
    return {"VariantName": name, "InstanceType": kind, **size}


def config(*variants: dict[str, Any]) -> dict[str, Any]:
    return resource("SageMaker::EndpointConfig", ProductionVariants=list(variants))


def needed(found: Templates) -> Mapping[str, tuple[float, float, float]]:
    return {need.name: (need.first, need.amount, need.most) for need in quotas.needs(found)}


def test_a_search_trains_some_trials_at_once_beside_nothing_else() -> None:
    """A Map of 2 at a time, then 3 trials at once on 2 instances each: 6 are the most."""
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 20}
    tune = task(
        "createHyperParameterTuningJob.sync",
        HyperParameterTuningJobConfig={"ResourceLimits": {"MaxParallelTrainingJobs": 3}},
        TrainingJobDefinition={
            "ResourceConfig": resources,
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        },
    )
    inner = {"States": {"Train": training("ml.m5.large", spot=True)}}
    all_of_them = {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": inner}
    found = needed(templates(M=machine(All=all_of_them, Tune=tune)))
    assert found["ml.m5.large for spot training job usage"] == (0, 6, 6)
    assert found["Size of EBS volume for a training job instance"] == (0, 20, 20)
    assert found["Longest run time for a training job"] == (0, 900, 900)


# endpoints


def test_update_needs_the_old_fleet_and_the_new_one() -> None:
    """One champion deployed; with the challenger three in the new one: 1 + 3, of which 1 at first."""
    challenge = task(
        "createEndpointConfig", ProductionVariants=[variant("champion", None), variant("challenger", 2)]
    )
    found = needed(templates(C=config(variant("champion", 1)), M=machine(Challenge=challenge)))
    assert found["ml.m5.large for endpoint usage"] == (1, 4, 4)
    assert found["Number of instances across active endpoints"] == (1, 4, 4)
    assert found["Maximum number of instances per endpoint"] == (1, 3, 3)


def test_scaling_raises_what_may_be_used_and_not_what_is_needed() -> None:
    target = resource(
        "ApplicationAutoScaling::ScalableTarget",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        ResourceId="endpoint/any/variant/champion",
        MaxCapacity=6,
    )
    found = needed(templates(C=config(variant("champion", 2)), T=target))
    assert found["ml.m5.large for endpoint usage"] == (2, 4, 12)
    assert found["Maximum number of instances per endpoint"] == (2, 2, 6)


def test_types_are_counted_apart_and_together() -> None:
    found = needed(templates(C=config(variant("a", 1), variant("b", 1, "ml.c5.xlarge"))))
    assert found["ml.c5.xlarge for endpoint usage"] == (1, 2, 2)
    assert found["Number of instances across active endpoints"] == (2, 4, 4)


def test_serverless_variant_needs_no_instance() -> None:
    serverless = {"VariantName": "a", "ServerlessConfig": {"MaxConcurrency": 5}}
    assert fleets.uses(templates(C=config(serverless))) == []


# jobs


def test_tasks_of_a_workflow_follow_each_other_and_workflows_run_side_by_side() -> None:
    """2 and 3 in one workflow: 3 at most; another with 1: 4 in all."""
    one = machine(A=training("ml.m5.large", 2), B=training("ml.m5.large", 3))
    found = needed(templates(One=one, Two=machine(C=training("ml.m5.large"))))
    assert found["ml.m5.large for training job usage"] == (0, 4, 4)


def test_spot_training_has_a_quota_of_its_own() -> None:
    found = needed(templates(M=machine(A=training("ml.m5.xlarge", spot=True), B=training("ml.m5.large"))))
    assert found["ml.m5.xlarge for spot training job usage"] == (0, 1, 1)
    assert found["ml.m5.large for training job usage"] == (0, 1, 1)
    assert "ml.m5.xlarge for training job usage" not in found


def test_parallel_branches_add_up_and_a_map_multiplies() -> None:
    branch = {"States": {"T": training("ml.m5.large", 2), "Then": training("ml.m5.large", 1)}}
    parallel = {"Type": "Parallel", "Branches": [branch, {"States": {"U": training("ml.m5.large", 1)}}]}
    each = {"Type": "Map", "MaxConcurrency": 4, "ItemProcessor": {"States": {"V": training("ml.m4.xlarge")}}}
    found = needed(templates(M=machine(Both=parallel, Each=each)))
    assert found["ml.m5.large for training job usage"] == (0, 3, 3)
    assert found["ml.m4.xlarge for training job usage"] == (0, 4, 4)


def test_processing_and_transform_say_their_instances_elsewhere() -> None:
    cluster = {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}}
    processing = task("createProcessingJob.sync", ProcessingResources=cluster)
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    transform = task("createTransformJob.sync", TransformResources=resources)
    found = needed(templates(M=machine(P=processing, T=transform)))
    assert found["ml.m5.large for processing job usage"] == (0, 2, 2)
    assert found["ml.m5.large for transform job usage"] == (0, 1, 1)


def test_training_asks_for_its_volume_and_its_time() -> None:
    job = training("ml.m5.large", StoppingCondition={"MaxRuntimeInSeconds": 7_200})
    found = needed(templates(M=machine(A=job)))
    assert found["Size of EBS volume for a training job instance"] == (0, 10, 10)
    assert found["Longest run time for a training job"] == (0, 7_200, 7_200)


def test_type_that_comes_in_at_run_time_is_left_out() -> None:
    late = task("createTrainingJob.sync", **{"ResourceConfig": {"InstanceType.$": "$.kind"}})
    assert fleets.uses(templates(M=machine(A=late))) == []


# everything else


def test_reserved_concurrency_needs_what_lambda_keeps_unreserved() -> None:
    reserved = resource("Lambda::Function", ReservedConcurrentExecutions=5)
    found = needed(templates(A=reserved, B=reserved, C=resource("Lambda::Function")))
    assert found["Concurrent executions"] == (110, 110, 110)
    assert "Concurrent executions" not in needed(templates(C=resource("Lambda::Function")))


def test_glue_needs_its_largest_job_and_may_use_all() -> None:
    small = resource("Glue::Job", NumberOfWorkers=2, WorkerType="G.1X")
    large = resource("Glue::Job", NumberOfWorkers=3, WorkerType="G.2X")
    found = needed(templates(A=small, B=large))
    assert found["Max task DPUs per account"] == (0, 6, 8)
    assert found["Max concurrent job runs per account"] == (0, 1, 2)


def test_resources_endpoints_and_shards_are_counted() -> None:
    found = needed(
        templates(
            V=resource("EC2::VPC"),
            I=resource("EC2::VPCEndpoint", VpcEndpointType="Interface", PolicyDocument={"a": 1}),
            G=resource("EC2::VPCEndpoint"),
            K=resource("Kinesis::Stream", ShardCount=3),
            O=resource("Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"}),
        )
    )
    assert found["VPCs per Region"] == (1, 1, 1)
    assert found["Interface VPC endpoints per VPC"] == (1, 1, 1)
    assert found["Gateway VPC endpoints per Region"] == (1, 1, 1)
    assert found["Characters per VPC endpoint policy"] == (7, 7, 7)
    assert found["Shards per Region"] == (3, 3, 3)
    assert found["Stack count"] == (1, 1, 1)


def test_role_and_group_with_the_most_count() -> None:
    def rule(kind: str) -> dict[str, Any]:
        return resource(f"EC2::SecurityGroup{kind}", GroupId={"Fn::GetAtt": ["G", "GroupId"]})

    role = resource("IAM::Role", ManagedPolicyArns=["a", "b"], AssumeRolePolicyDocument={"a": "b"})
    found = needed(
        templates(
            R=role,
            P=resource("IAM::ManagedPolicy", Roles=[{"Ref": "R"}]),
            G=resource("EC2::SecurityGroup", SecurityGroupEgress=[{}, {}]),
            In=rule("Ingress"),
            Out=rule("Egress"),
        )
    )
    assert found["Managed policies per role"] == (3, 3, 3)
    assert found["Role trust policy length"] == (9, 9, 9)
    assert found["Inbound or outbound rules per security group"] == (3, 3, 3)


# the table


def test_every_figure_has_a_code_a_source_and_a_date() -> None:
    table = quotas.table()
    assert len(table) > 60
    for quota in table.values():
        assert CODE.fullmatch(quota.code), quota
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", quota.date), quota
        assert len(quota.source) > 20
        assert quota.default >= 0
    codes = [(quota.service, quota.code) for quota in table.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("profile", ["sandbox", "production"])
def test_table_knows_every_quota_of_the_profiles(audited: dict[str, Templates], profile: str) -> None:
    found = quotas.needs(audited[profile])
    assert len(found) > 35
    assert [need.name for need in found if need.key not in quotas.table()] == []


def test_profiles_need_what_the_operations_page_says(audited: dict[str, Templates]) -> None:
    """docs/operations.md, Quotas that a new account may lack."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Quotas that a new account may lack")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    said = {row[0]: row[1:] for row in rows if len(row) == 3 and row[0].startswith("ml.")}
    told = {profile: instances(quotas.needs(audited[profile])) for profile in ("sandbox", "production")}
    assert said == {
        f"{name} usage": [told["sandbox"].get(name, ""), told["production"].get(name, "")]
        for name in sorted({*told["sandbox"], *told["production"]})
    }


def instances(found: list[Need]) -> dict[str, str]:
    return {
        need.name.removesuffix(" usage"): f"{need.amount:g}"
        + (f"; {need.most:g} scaled out" if need.most > need.amount else "")
        for need in found
        if need.name.startswith("ml.")
    }
