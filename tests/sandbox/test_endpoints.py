"""An endpoint serves the real handlers of its models, by weight, with captures, and is replaced safely."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sandbox import account, clock
from sandbox.engines import capture, fleet
from tests.sandbox.compute_account import allow, any_bucket, any_network, listed, read, wait_for
from tests.sandbox.compute_models import any_endpoint, any_hosting_role, any_model, ask, words


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


def test_endpoint_answers_with_its_model(place):
    endpoint = any_endpoint("plain", {"champion": ("alpha", 1)})
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    body, answer = ask("plain", 41)
    assert body == {"word": "alpha", "n": 42}
    assert answer["InvokedProductionVariant"] == "champion"
    assert answer["ContentType"] == "application/json"


def test_requests_are_divided_by_weight_and_repeatably(place):
    any_endpoint("weighted", {"champion": ("alpha", 3), "challenger": ("beta", 1)})
    fleet.seed(7)
    first = words("weighted", 80)
    fleet.seed(7)
    assert words("weighted", 80) == first
    assert 8 < first.count("beta") < 32
    assert ask("weighted", TargetVariant="challenger")[0]["word"] == "beta"
    _sagemaker().update_endpoint_weights_and_capacities(
        EndpointName="weighted",
        DesiredWeightsAndCapacities=[{"VariantName": "champion", "DesiredWeight": 0}],
    )
    assert set(words("weighted", 10)) == {"beta"}


def test_errors_carry_the_status_and_the_words_of_the_model(place):
    any_endpoint("errors", {"champion": ("alpha", 1)})
    runtime = account.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        ask("errors", None)
    assert refused.value.response["OriginalStatusCode"] == 400
    assert refused.value.response["OriginalMessage"] == '{"error": "no number"}'
    with pytest.raises(runtime.exceptions.ModelError) as broken:
        runtime.invoke_endpoint(EndpointName="errors", Body="1,2", ContentType="text/csv")
    assert broken.value.response["OriginalStatusCode"] == 500
    assert "content type text/csv" in broken.value.response["OriginalMessage"]
    with pytest.raises(runtime.exceptions.ValidationError, match="Endpoint nobody of account"):
        ask("nobody")
    with pytest.raises(runtime.exceptions.ValidationError, match="Variant ghost not found"):
        ask("errors", TargetVariant="ghost")


def test_model_that_cannot_load_fails_the_endpoint(place):
    endpoint = any_endpoint("failing", {"champion": ("damaged", 1)})
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
    endpoint = any_endpoint("captured", {"champion": ("alpha", 1)}, DataCaptureConfig=settings)
    assert endpoint["DataCaptureConfig"]["CaptureStatus"] == "Started"
    now = clock.now()
    for number in range(3):
        ask("captured", number, InferenceId=f"row-{number}")
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


def test_metrics_count_invocations_and_errors_per_minute(place):
    any_endpoint("measured", {"champion": ("alpha", 1)})
    words("measured", 4)
    with pytest.raises(account.client("sagemaker-runtime").exceptions.ModelError):
        ask("measured", None)
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
    any_endpoint("short", {"champion": ("alpha", 1)})
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


def test_model_in_a_vpc_loads_through_its_gateway_endpoint(place):
    bucket, role, _ = place
    account.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="vpc",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("ec2:*")]}),
    )
    subnet, group, route_table = any_network()
    any_model(bucket, role, "inside", VpcConfig={"Subnets": [subnet], "SecurityGroupIds": [group]})
    assert "no route" in any_endpoint("cut-off", {"champion": ("inside", 1)})["FailureReason"]
    ec2 = account.client("ec2")
    ec2.create_vpc_endpoint(
        VpcId=ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"],
        ServiceName=f"com.amazonaws.{account.REGION}.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[route_table],
    )
    endpoint = any_endpoint("connected", {"champion": ("inside", 1)})
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")


def test_scaling_of_a_variant_is_recorded(place):
    any_endpoint("scaled", {"champion": ("alpha", 1)})
    scaling = account.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/scaled/variant/champion",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    scaling.put_scaling_policy(
        PolicyName="busy",
        **target,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 100.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [(one["ResourceId"], one["MaxCapacity"]) for one in found] == [(target["ResourceId"], 3)]
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]


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
