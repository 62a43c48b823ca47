"""A processing job runs its own command on its inputs, under its role and limits, and delivers outputs."""

from __future__ import annotations

import pytest

from sandbox import account
from tests.sandbox.compute_account import (
    IMAGE,
    allow,
    any_bucket,
    any_key,
    any_network,
    any_role,
    listed,
    logged,
    put,
    read,
    wait_for,
)

_SCRIPT = """
import os, pathlib, sys
root = pathlib.Path(os.environ["ML_ROOT"])
text = (root / "processing/input/rows/a.txt").read_text()
result = text.upper() + " ".join(sys.argv[1:]) + os.environ["WORD"]
(root / "processing/output/report/result.txt").write_text(result)
(root / "output/message").write_text("done well")
print("processed", flush=True)
"""


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("process-data")
        key = any_key()
        put(bucket, "rows/a.txt", "hello ")
        arn = f"arn:aws:s3:::{bucket}"
        role = any_role(
            "processor",
            "sagemaker.amazonaws.com",
            allow("s3:ListBucket", arn),
            allow("s3:GetObject s3:PutObject", f"{arn}/*"),
            allow("kms:GenerateDataKey kms:Decrypt", key),
            allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"),
            allow(
                "ec2:CreateNetworkInterface ec2:CreateNetworkInterfacePermission ec2:DeleteNetworkInterface "
                "ec2:DeleteNetworkInterfacePermission ec2:DescribeNetworkInterfaces ec2:DescribeVpcs "
                "ec2:DescribeDhcpOptions ec2:DescribeSubnets ec2:DescribeSecurityGroups"
            ),
        )
        yield bucket, role, key


def _request(place, name, script=_SCRIPT, **changes):
    bucket, role, key = place
    put(bucket, f"code/{name}/main.py", script)

    def source(label, uri):
        return {
            "InputName": label,
            "S3Input": {
                "S3Uri": uri,
                "LocalPath": f"/opt/ml/processing/input/{label}",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }

    output = {
        "OutputName": "report",
        "S3Output": {
            "S3Uri": f"s3://{bucket}/out/{name}",
            "LocalPath": "/opt/ml/processing/output/report",
            "S3UploadMode": "EndOfJob",
        },
    }
    return {
        "ProcessingJobName": name,
        "RoleArn": role,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/main.py"],
            "ContainerArguments": ["one", "two"],
        },
        "ProcessingInputs": [
            source("rows", f"s3://{bucket}/rows/"),
            source("code", f"s3://{bucket}/code/{name}/"),
        ],
        "ProcessingOutputConfig": {"Outputs": [output], "KmsKeyId": key},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
        },
        "Environment": {"WORD": "!"},
        "NetworkConfig": {"EnableNetworkIsolation": True},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def _process(request):
    account.client("sagemaker").create_processing_job(**request)
    name = request["ProcessingJobName"]

    def look():
        job = account.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        return job if job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return wait_for(look)


def test_outputs_and_message_are_delivered(place):
    job = _process(_request(place, "plain"))
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "done well"
    assert read(place[0], "out/plain/result.txt") == b"HELLO one two!"
    head = account.client("s3").head_object(Bucket=place[0], Key="out/plain/result.txt")
    assert head["SSEKMSKeyId"] == place[2]
    assert "processed" in logged("/aws/sagemaker/ProcessingJobs")


def test_failure_delivers_nothing(place):
    job = _process(_request(place, "broken", "import sys\nsys.exit(3)\n"))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information, exit code: 3"
    assert not listed(place[0], "out/broken/")


def test_time_limit_stops_the_job(place):
    request = _request(
        place, "late", "import time\ntime.sleep(60)\n", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    job = _process(request)
    assert job["ProcessingJobStatus"] == "Stopped"


def test_job_in_a_vpc_reads_through_its_gateway_endpoint_and_leaves_nothing_behind(place):
    subnet, group, route_table = any_network()
    network = {
        "EnableNetworkIsolation": True,
        "VpcConfig": {"Subnets": [subnet], "SecurityGroupIds": [group]},
    }
    job = _process(_request(place, "no-way", NetworkConfig=network))
    assert job["ProcessingJobStatus"] == "Failed"
    assert "no route" in job["FailureReason"]
    ec2 = account.client("ec2")
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{account.REGION}.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[route_table],
    )
    job = _process(_request(place, "inside", NetworkConfig=network))
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    left = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])
    assert not [one for one in left["NetworkInterfaces"] if one["Description"].startswith("interface of")]


def test_role_that_may_not_use_the_vpc_fails(place):
    subnet, group, _ = any_network()
    poor = any_role("grounded", "sagemaker.amazonaws.com", allow("s3:*"))
    network = {"VpcConfig": {"Subnets": [subnet], "SecurityGroupIds": [group]}}
    job = _process(_request(place, "grounded", NetworkConfig=network, RoleArn=poor))
    assert "ec2:DescribeSubnets" in job["FailureReason"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param({"AppSpecification": {"ImageUri": IMAGE}}, "ContainerEntrypoint", id="no entry point"),
        pytest.param(
            {"AppSpecification": {"ImageUri": "x:1", "ContainerEntrypoint": ["python3"]}},
            "stand-in",
            id="image",
        ),
    ],
)
def test_impossible_request_is_refused(place, change, word):
    with pytest.raises(account.client("sagemaker").exceptions.ClientError, match=word):
        account.client("sagemaker").create_processing_job(**_request(place, "refused", **change))
