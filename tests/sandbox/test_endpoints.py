"""An endpoint serves the real handlers of its models, by weight, with captures, and is replaced safely."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from sandbox import account, clock
from sandbox.engines import capture, fleet
from tests.sandbox.compute_account import any_bucket, listed, read, wait_for
from tests.sandbox.compute_models import INFERENCE, any_config, any_hosting_role, any_model, settled


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("host-data")
        role, key = any_hosting_role(bucket)
        for name in ("alpha", "beta"):
            any_model(bucket, role, name)
        any_model(bucket, role, "damaged", word="broken")
        yield bucket, role, key


def _sagemaker():
    return account.client("sagemaker")


def _endpoint(name, weights, **settings):
    _sagemaker().create_endpoint(
        EndpointName=name, EndpointConfigName=any_config(f"{name}-1", weights, **settings)
    )
    return settled(name)


def _ask(name, number=1, **options):
    answer = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name,
        Body=json.dumps({"n": number}),
        ContentType="application/json",
        **options,
    )
    return json.loads(answer["Body"].read()), answer


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


def _words(name, count):
    return [_ask(name)[0]["word"] for _ in range(count)]


def _settled_by_clock(name, seconds):
    """The clock goes on in steps until the update is over."""
    for _ in range(20):
        clock.advance(timedelta(seconds=seconds))
        time.sleep(0.5)
        endpoint = _sagemaker().describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] == "InService":
            return endpoint
    raise AssertionError(endpoint)


def test_endpoint_answers_with_its_model(place):
    endpoint = _endpoint("plain", {"champion": ("alpha", 1)})
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    body, answer = _ask("plain", 41)
    assert body == {"word": "alpha", "n": 42}
    assert answer["InvokedProductionVariant"] == "champion"
    assert answer["ContentType"] == "application/json"


def test_requests_are_divided_by_weight_and_repeatably(place):
    _endpoint("weighted", {"champion": ("alpha", 3), "challenger": ("beta", 1)})
    fleet.seed(7)
    first = _words("weighted", 80)
    fleet.seed(7)
    assert _words("weighted", 80) == first
    assert 8 < first.count("beta") < 32
    assert _ask("weighted", TargetVariant="challenger")[0]["word"] == "beta"
    _sagemaker().update_endpoint_weights_and_capacities(
        EndpointName="weighted",
        DesiredWeightsAndCapacities=[{"VariantName": "champion", "DesiredWeight": 0}],
    )
    assert set(_words("weighted", 10)) == {"beta"}


def test_errors_carry_the_status_and_the_words_of_the_model(place):
    _endpoint("errors", {"champion": ("alpha", 1)})
    runtime = account.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        _ask("errors", None)
    assert refused.value.response["OriginalStatusCode"] == 400
    assert refused.value.response["OriginalMessage"] == '{"error": "no number"}'
    with pytest.raises(runtime.exceptions.ModelError) as broken:
        runtime.invoke_endpoint(EndpointName="errors", Body="1,2", ContentType="text/csv")
    assert broken.value.response["OriginalStatusCode"] == 500
    assert "content type text/csv" in broken.value.response["OriginalMessage"]
    with pytest.raises(runtime.exceptions.ValidationError, match="Endpoint nobody of account"):
        _ask("nobody")
    with pytest.raises(runtime.exceptions.ValidationError, match="Variant ghost not found"):
        _ask("errors", TargetVariant="ghost")


def test_model_that_cannot_load_fails_the_endpoint(place):
    endpoint = _endpoint("failing", {"champion": ("damaged", 1)})
    assert endpoint["EndpointStatus"] == "Failed"
    assert "ping health check" in endpoint["FailureReason"]
    assert "the artefact is damaged" in endpoint["FailureReason"]


def test_captures_have_the_shape_and_the_path_of_sagemaker(place):
    bucket, _, key = place
    settings = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{bucket}/captures",
        "KmsKeyId": key,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    endpoint = _endpoint("captured", {"champion": ("alpha", 1)}, DataCaptureConfig=settings)
    assert endpoint["DataCaptureConfig"]["CaptureStatus"] == "Started"
    now = clock.now()
    for number in range(3):
        _ask("captured", number, InferenceId=f"row-{number}")
    capture.flush("captured")
    keys = listed(bucket, "captures/captured/")
    assert keys
    assert all(one.startswith(f"captures/captured/champion/{now:%Y/%m/%d}/") for one in keys)
    assert all(one.endswith(".jsonl") for one in keys)
    events = [json.loads(text) for one in keys for text in read(bucket, one).decode().splitlines()]
    assert [one["eventMetadata"]["inferenceId"] for one in events] == ["row-0", "row-1", "row-2"]
    assert events[0]["captureData"] == {
        "endpointInput": {
            "observedContentType": "application/json",
            "mode": "INPUT",
            "data": '{"n": 0}',
            "encoding": "JSON",
        },
        "endpointOutput": {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "data": '{"word": "alpha", "n": 1}',
            "encoding": "JSON",
        },
    }
    assert events[0]["eventVersion"] == "0"
    assert account.client("s3").head_object(Bucket=bucket, Key=keys[0])["SSEKMSKeyId"] == key


def test_update_replaces_the_fleet_at_once_without_a_deployment_configuration(place):
    _endpoint("swapped", {"champion": ("alpha", 1)})
    config = any_config("swapped-2", {"champion": ("alpha", 1), "challenger": ("beta", 1)})
    _sagemaker().update_endpoint(EndpointName="swapped", EndpointConfigName=config)
    endpoint = settled("swapped")
    assert endpoint["EndpointConfigName"] == "swapped-2"
    assert [one["VariantName"] for one in endpoint["ProductionVariants"]] == ["champion", "challenger"]
    assert set(_words("swapped", 30)) == {"alpha", "beta"}


def test_canary_takes_its_share_then_everything_as_the_clock_moves(place):
    _endpoint("canary", {"champion": ("alpha", 1)})
    config = any_config("canary-2", {"champion": ("beta", 1)})
    _sagemaker().update_endpoint(EndpointName="canary", EndpointConfigName=config, DeploymentConfig=_canary())
    wait_for(lambda: "beta" in _words("canary", 20))
    words = _words("canary", 60)
    assert 2 < words.count("beta") < 30
    shown = _sagemaker().describe_endpoint(EndpointName="canary")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("Updating", "canary-1")
    assert shown["PendingDeploymentSummary"]["EndpointConfigName"] == "canary-2"
    endpoint = _settled_by_clock("canary", seconds=300)
    assert endpoint["EndpointConfigName"] == "canary-2"
    assert "FailureReason" not in endpoint
    assert set(_words("canary", 10)) == {"beta"}


def test_errors_of_the_new_fleet_trip_the_alarm_and_bring_the_old_one_back(place):
    bucket, role, _ = place
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
    _endpoint("guarded", {"champion": ("alpha", 1)})
    config = any_config("guarded-2", {"champion": ("faulty", 1)})
    _sagemaker().update_endpoint(
        EndpointName="guarded", EndpointConfigName=config, DeploymentConfig=_canary("too-many-errors")
    )

    def one_fails():
        try:
            _words("guarded", 5)
        except account.client("sagemaker-runtime").exceptions.ModelError:
            return True
        return False

    wait_for(one_fails)
    for _ in range(8):
        one_fails()
    endpoint = _settled_by_clock("guarded", seconds=60)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "guarded-1")
    assert "too-many-errors" in endpoint["FailureReason"]
    assert set(_words("guarded", 10)) == {"alpha"}


def test_new_fleet_that_cannot_load_leaves_the_old_one(place):
    _endpoint("kept", {"champion": ("alpha", 1)})
    config = any_config("kept-2", {"champion": ("damaged", 1)})
    _sagemaker().update_endpoint(EndpointName="kept", EndpointConfigName=config)
    endpoint = settled("kept")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "kept-1")
    assert "the artefact is damaged" in endpoint["FailureReason"]
    assert set(_words("kept", 5)) == {"alpha"}


def test_guardrails_refuse_other_variant_names(place):
    _endpoint("renamed", {"champion": ("alpha", 1)})
    config = any_config("renamed-2", {"other": ("beta", 1)})
    with pytest.raises(_sagemaker().exceptions.ClientError, match="variant names of the old one"):
        _sagemaker().update_endpoint(
            EndpointName="renamed", EndpointConfigName=config, DeploymentConfig=_canary()
        )


def test_metrics_count_invocations_and_errors_per_minute(place):
    _endpoint("measured", {"champion": ("alpha", 1)})
    _words("measured", 4)
    with pytest.raises(account.client("sagemaker-runtime").exceptions.ModelError):
        _ask("measured", None)
    start = clock.now() - timedelta(minutes=2)
    clock.advance(timedelta(minutes=2))

    def sums(metric, statistic="Sum"):
        found = account.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": "measured"},
                {"Name": "VariantName", "Value": "champion"},
            ],
            StartTime=start,
            EndTime=clock.now(),
            Period=3600,
            Statistics=[statistic],
        )
        return sum(one[statistic] for one in found["Datapoints"])

    assert sums("Invocations") == 5
    assert sums("Invocation4XXErrors") == 1
    assert sums("Invocation5XXErrors") == 0
    assert sums("ModelLatency", "Maximum") > 0


def test_deleted_endpoint_is_gone_and_its_server_with_it(place):
    _endpoint("short", {"champion": ("alpha", 1)})
    server = account.client("sagemaker")
    from sandbox.engines.backends import backend

    port = backend("sagemaker").endpoints["short"].blue.variants[0].server.port
    server.delete_endpoint(EndpointName="short")
    with pytest.raises(server.exceptions.ClientError, match="Could not find endpoint"):
        server.describe_endpoint(EndpointName="short")

    def silent():
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    wait_for(silent, 10)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param({"PrimaryContainer": {"Image": "nobody/knows:1"}}, "stand-in", id="image"),
        pytest.param(
            {"ExecutionRoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume", id="role"
        ),
        pytest.param(
            {"InferenceExecutionConfig": {"Mode": "Serial"}}, "InferenceExecutionConfig", id="field"
        ),
    ],
)
def test_impossible_model_is_refused(place, change, word):
    bucket, role, _ = place
    from tests.sandbox.compute_account import IMAGE

    request = {
        "ModelName": "refused",
        "ExecutionRoleArn": role,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/models/alpha/model.tar.gz"},
        **change,
    }
    with pytest.raises(_sagemaker().exceptions.ClientError, match=word):
        _sagemaker().create_model(**request)
