"""Deploy: an endpoint from the first hour on, that no deployment takes back to an older model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.definitions import definitions, tasks


def test_the_first_model_is_isolated_and_waits_for_its_roles_policy(sandbox: Any) -> None:
    template = sandbox.templates["Operations"]["Resources"]
    [model] = [each for each in template.values() if each["Type"] == "AWS::SageMaker::Model"]
    properties = model["Properties"]
    assert properties["EnableNetworkIsolation"] is True
    assert properties["VpcConfig"]["Subnets"] and properties["VpcConfig"]["SecurityGroupIds"]
    assert "ModelName" not in properties, "a name of ours would block its replacement"
    policies = [name for name in model["DependsOn"] if template[name]["Type"] == "AWS::IAM::ManagedPolicy"]
    assert policies, "SageMaker reads the artefact at once: without the policy the model cannot be made"


def test_the_endpoint_takes_the_configuration_that_the_champion_has(sandbox: Any) -> None:
    [endpoint] = sandbox.resources("AWS::SageMaker::Endpoint").values()
    assert endpoint["EndpointName"] == "mlref-sandbox-endpoint"
    [name, attribute] = endpoint["EndpointConfigName"]["Fn::GetAtt"]
    assert sandbox.templates["Operations"]["Resources"][name]["Type"] == "Custom::ChampionConfig"
    assert attribute == "EndpointConfigName"


def test_cloudformation_writes_the_champion_parameter_once(sandbox: Any) -> None:
    [champion] = [
        each for each in sandbox.resources("AWS::SSM::Parameter").values() if "champion" in each["Name"]
    ]
    assert champion["Value"] == "baseline"


def test_every_answer_is_captured_in_our_bucket_with_our_key(production: Any) -> None:
    [config] = production.resources("AWS::SageMaker::EndpointConfig").values()
    assert config["KmsKeyId"]
    assert config["DataCaptureConfig"]["EnableCapture"] is True
    assert config["DataCaptureConfig"]["KmsKeyId"]
    [variant] = config["ProductionVariants"]
    assert variant["VariantName"] == "champion"


def test_the_loop_captures_as_the_first_configuration_does(sandbox: Any) -> None:
    [config] = sandbox.resources("AWS::SageMaker::EndpointConfig").values()
    definition = definitions(sandbox)["retrain"]
    for name in ("CreateChallengerConfig", "CreateChampionConfig"):
        captured = tasks(definition)[name]["Parameters"]["DataCaptureConfig"]
        assert captured.keys() == config["DataCaptureConfig"].keys()
        assert captured["CaptureContentTypeHeader"] == config["DataCaptureConfig"]["CaptureContentTypeHeader"]


@pytest.mark.parametrize(("profile", "share"), [("sandbox", 0.5), ("production", 0.2)])
def test_the_challenger_gets_its_share_beside_the_champion(
    profile: str, share: float, request: pytest.FixtureRequest
) -> None:
    definition = definitions(request.getfixturevalue(profile))["retrain"]
    variants = tasks(definition)["CreateChallengerConfig"]["Parameters"]["ProductionVariants"]
    champion, challenger = variants
    assert (champion["VariantName"], challenger["VariantName"]) == ("champion", "challenger")
    assert challenger["InitialVariantWeight"] == share
    assert champion["InitialVariantWeight"] == pytest.approx(1 - share)
    assert champion["ModelName.$"] == "$.plan.champion.model_name"
    count = champion["InitialInstanceCount.$"]
    assert count == "$.serving.champion.CurrentInstanceCount", "what scaling has added stays"


def test_the_champion_scales_with_requests_and_slowly_back(production: Any) -> None:
    [target] = production.resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert target["ResourceId"] == "endpoint/mlref-production-endpoint/variant/champion"
    [policy] = production.resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"
    assert tracking["ScaleInCooldown"] > tracking["ScaleOutCooldown"]


def test_clients_may_invoke_this_endpoint_and_nothing_else(sandbox: Any) -> None:
    policies = sandbox.resources("AWS::IAM::ManagedPolicy")
    [policy] = [each for name, each in policies.items() if name.startswith("Operations/DeployClient")]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sagemaker:InvokeEndpoint"
    assert "endpoint/mlref-sandbox-endpoint" in str(statement["Resource"])


def test_deployments_of_the_stack_are_guarded_by_alarms(production: Any) -> None:
    [endpoint] = production.resources("AWS::SageMaker::Endpoint").values()
    guard = endpoint["DeploymentConfig"]
    assert len(guard["AutoRollbackConfiguration"]["Alarms"]) == 4
    routing = guard["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY"
    assert routing["CanarySize"]["Value"] <= 50, "SageMaker allows half of the fleet at most"
    assert guard["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] <= 3600


def test_one_instance_is_moved_all_at_once(sandbox: Any) -> None:
    [endpoint] = sandbox.resources("AWS::SageMaker::Endpoint").values()
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
