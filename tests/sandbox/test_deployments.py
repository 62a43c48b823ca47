"""An endpoint is replaced safely: all at once, in steps, and back again when an alarm says so."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from sandbox import account, clock
from tests.sandbox.compute_account import any_bucket, wait_for
from tests.sandbox.compute_models import (
    INFERENCE,
    any_config,
    any_endpoint,
    any_hosting_role,
    any_model,
    settled,
    words,
)


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("deploy-data")
        role, _ = any_hosting_role(bucket)
        for name in ("alpha", "beta"):
            any_model(bucket, role, name)
        any_model(bucket, role, "damaged", word="broken")
        yield bucket, role


def _sagemaker():
    return account.client("sagemaker")


def _canary(*alarms, interval=300):
    watched = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}}
    return (watched if alarms else {}) | {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
                "WaitIntervalInSeconds": interval,
            },
            "TerminationWaitInSeconds": 60,
            "MaximumExecutionTimeoutInSeconds": 3600,
        },
    }


def _settled_by_clock(name, seconds):
    """The clock goes on in steps until the update is over."""
    for _ in range(20):
        clock.advance(timedelta(seconds=seconds))
        time.sleep(0.5)
        endpoint = _sagemaker().describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] == "InService":
            return endpoint
    raise AssertionError(endpoint)


def test_update_replaces_the_fleet_at_once_without_a_deployment_configuration(place):
    any_endpoint("swapped", {"champion": ("alpha", 1)})
    config = any_config("swapped-2", {"champion": ("alpha", 1), "challenger": ("beta", 1)})
    _sagemaker().update_endpoint(EndpointName="swapped", EndpointConfigName=config)
    endpoint = settled("swapped")
    assert endpoint["EndpointConfigName"] == "swapped-2"
    assert [one["VariantName"] for one in endpoint["ProductionVariants"]] == ["champion", "challenger"]
    assert set(words("swapped", 30)) == {"alpha", "beta"}


def test_canary_takes_its_share_then_everything_as_the_clock_moves(place):
    any_endpoint("canary", {"champion": ("alpha", 1)})
    config = any_config("canary-2", {"champion": ("beta", 1)})
    _sagemaker().update_endpoint(EndpointName="canary", EndpointConfigName=config, DeploymentConfig=_canary())
    wait_for(lambda: "beta" in words("canary", 20))
    answers = words("canary", 60)
    assert 2 < answers.count("beta") < 30
    shown = _sagemaker().describe_endpoint(EndpointName="canary")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("Updating", "canary-1")
    assert shown["PendingDeploymentSummary"]["EndpointConfigName"] == "canary-2"
    endpoint = _settled_by_clock("canary", seconds=300)
    assert endpoint["EndpointConfigName"] == "canary-2"
    assert "FailureReason" not in endpoint
    assert set(words("canary", 10)) == {"beta"}


def test_errors_of_the_new_fleet_trip_the_alarm_and_bring_the_old_one_back(place):
    bucket, role = place
    faulty = INFERENCE.replace(
        "def predict_fn(data, model):", "def predict_fn(data, model):\n    raise OSError('out')"
    )
    any_model(bucket, role, "faulty", faulty)
    account.client("cloudwatch").put_metric_alarm(
        AlarmName="too-many-errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": "guarded"},
            {"Name": "VariantName", "Value": "champion"},
        ],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.05,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    any_endpoint("guarded", {"champion": ("alpha", 1)})
    config = any_config("guarded-2", {"champion": ("faulty", 1)})
    _sagemaker().update_endpoint(
        EndpointName="guarded", EndpointConfigName=config, DeploymentConfig=_canary("too-many-errors")
    )

    def one_fails():
        try:
            words("guarded", 5)
        except account.client("sagemaker-runtime").exceptions.ModelError:
            return True
        return False

    wait_for(one_fails)
    for _ in range(8):
        one_fails()
    endpoint = _settled_by_clock("guarded", seconds=60)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "guarded-1")
    assert "too-many-errors" in endpoint["FailureReason"]
    assert set(words("guarded", 10)) == {"alpha"}


def test_new_fleet_that_cannot_load_leaves_the_old_one(place):
    any_endpoint("kept", {"champion": ("alpha", 1)})
    config = any_config("kept-2", {"champion": ("damaged", 1)})
    _sagemaker().update_endpoint(EndpointName="kept", EndpointConfigName=config)
    endpoint = settled("kept")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "kept-1")
    assert "the artefact is damaged" in endpoint["FailureReason"]
    assert set(words("kept", 5)) == {"alpha"}


def test_guardrails_refuse_other_variant_names(place):
    any_endpoint("renamed", {"champion": ("alpha", 1)})
    config = any_config("renamed-2", {"other": ("beta", 1)})
    with pytest.raises(_sagemaker().exceptions.ClientError, match="variant names of the old one"):
        _sagemaker().update_endpoint(
            EndpointName="renamed", EndpointConfigName=config, DeploymentConfig=_canary()
        )
