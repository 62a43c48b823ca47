"""From accepted candidate to champion: register, challenge, bake, judge, and promote or roll back.

The champion parameter is the point of no return: before it is written, whatever goes wrong puts the endpoint
back on the champion's configuration (`$.deployment.restore`); after it, the new model is the champion.
"""

from __future__ import annotations

from stacks.operations.definitions import endpoint
from stacks.operations.definitions.parts import Functions, Release
from stacks.operations.definitions.states import (
    FAILED,
    States,
    all_of,
    call,
    choose,
    count,
    equals,
    is_true,
    note,
    task,
    wait,
)


def challenge(release: Release, *, start: str, then: str, rolled_back: str) -> States:
    """The candidate as second variant beside the champion, with its share of the traffic."""
    sagemaker = "aws-sdk:sagemaker"
    return {
        **task(
            start,
            f"{sagemaker}:createModelPackage",
            release.package,
            then="CreateModel",
            seconds=120,
            keep={"arn.$": "$.ModelPackageArn"},
            into="$.package",
        ),
        **task("CreateModel", f"{sagemaker}:createModel", release.model, then="CountInstances", seconds=120),
        # The scaling may have added instances to the champion: the new configuration starts with as many.
        **endpoint.look_at(
            "CountInstances", release.endpoint, then="CreateChallengerConfig", count_instances=True
        ),
        **task(
            "CreateChallengerConfig",
            f"{sagemaker}:createEndpointConfig",
            release.challenger_config,
            then="RestoreFromHere",
            seconds=120,
        ),
        **note("RestoreFromHere", {"restore": True}, into="$.deployment", then="DeployChallenger"),
        **endpoint.update(
            "DeployChallenger",
            release.endpoint,
            "$.plan.challenger_config_name",
            then="Deployed",
            otherwise=rolled_back,
        ),
        **note("Deployed", {"restore": True, "at.$": "$$.State.EnteredTime"}, into="$.deployment", then=then),
        **note(
            rolled_back,
            {"verdict": "roll_back", "reason": "the challenger did not come into service"},
            into="$.judgement",
            then="RollBack",
        ),
    }


def bake(functions: Functions, release: Release, *, start: str, promote: str, roll_back: str) -> States:
    """Both models answer; labels and alarms decide. Who is not decided in time has not proved itself.

    The first look comes soon after the update, for the alarms' sake, and does not count as a check.
    """
    undecided = f"not decided after {release.max_checks} checks, {release.bake_seconds // 60} minutes apart"
    return {
        **note(start, {"value": -1}, into="$.checks", then="Settle"),
        **wait("Settle", release.watch_seconds, then="LookAtAlarms"),
        **wait("Bake", release.bake_seconds, then="LookAtAlarms"),
        **endpoint.look_at_alarms("LookAtAlarms", release.alarms, then="Judge"),
        **call(
            "Judge",
            functions.judge_challenger,
            {"plan.$": "$.plan", "deployed_at.$": "$.deployment.at", "alarms.$": "$.alarms"},
            then="CountCheck",
            keep={"verdict.$": "$.Payload.verdict", "reason.$": "$.Payload.reason"},
            into="$.judgement",
        ),
        **count("CountCheck", "$.checks", then="Verdict"),
        **choose(
            "Verdict",
            (equals("$.judgement.verdict", "promote"), promote),
            (
                all_of(
                    equals("$.judgement.verdict", "wait"),
                    {"Variable": "$.checks.value", "NumericLessThan": release.max_checks},
                ),
                "Bake",
            ),
            (equals("$.judgement.verdict", "wait"), "Undecided"),
            otherwise=roll_back,
        ),
        **note(
            "Undecided", {"verdict": "roll_back", "reason": undecided}, into="$.judgement", then=roll_back
        ),
    }


def promote(release: Release, *, start: str, then: str, rolled_back: str) -> States:
    return {
        **task(
            start,
            "aws-sdk:sagemaker:createEndpointConfig",
            release.champion_config,
            then="Promote",
            seconds=120,
        ),
        **endpoint.update(
            "Promote",
            release.endpoint,
            "$.plan.champion_config_name",
            then="PromotionSettles",
            otherwise=rolled_back,
        ),
        **wait("PromotionSettles", release.watch_seconds, then="PromotionAlarms"),
        **endpoint.look_at_alarms("PromotionAlarms", release.alarms, then="PromotionHolds"),
        **choose("PromotionHolds", (is_true("$.alarms.ringing"), rolled_back), otherwise="NameChampion"),
        **note(
            rolled_back,
            {"verdict": "roll_back", "reason": "an alarm rang, or the update failed, at its promotion"},
            into="$.judgement",
            then="RollBack",
        ),
        **note("NameChampion", champion(release), into="$.champion", then="WriteChampion"),
        **task(
            "WriteChampion",
            "aws-sdk:ssm:putParameter",
            {
                "Name": release.champion_parameter,
                "Value.$": "States.JsonToString($.champion)",
                "Type": "String",
                "Overwrite": True,
            },
            then="Approve",
            seconds=60,
            keep={"restore": False},
            into="$.deployment",
        ),
        **approval("Approve", "Approved", "$.judgement.reason", then=then),
    }


def roll_back(release: Release, *, start: str, then: str, failing: str) -> States:
    return {
        **endpoint.restore(
            start,
            release.endpoint,
            "$.plan.champion.endpoint_config_name",
            then="Reject",
            otherwise=failing,
            failing=FAILED,
        ),
        **approval("Reject", "Rejected", "$.judgement.reason", then="Restored"),
        **note("Restored", {"restore": False}, into="$.deployment", then=then),
    }


def approval(name: str, status: str, reason: str, *, then: str) -> States:
    return task(
        name,
        "aws-sdk:sagemaker:updateModelPackage",
        {
            "ModelPackageArn.$": "$.package.arn",
            "ModelApprovalStatus": status,
            "ApprovalDescription.$": reason,
        },
        then=then,
        seconds=60,
    )


def champion(release: Release) -> dict[str, str]:
    """What the champion parameter holds, as JSON."""
    return {
        "run_id.$": "$.plan.run_id",
        "model_name.$": "$.plan.model_name",
        "model_data_url.$": release.model_data_url,
        "model_package_arn.$": "$.package.arn",
        "endpoint_config_name.$": "$.plan.champion_config_name",
        "baseline_uri.$": release.baseline_uri,
    }
