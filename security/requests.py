"""Requests of SageMaker jobs: always in our subnets, no way out of the container, encrypted, with an end.

A key that ends in `.$` is read from the state of the state machine that makes the request. Where a URI is
asked for, an address, a path (`$.`) or an intrinsic function (`States.`) may be given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets

from security.jobs import JobNetwork


def channel(name: str, uri: str, content_type: str) -> dict[str, Any]:
    """Input of a training job: all files below `uri`."""
    return _channel(name, uri, content_type, "S3Prefix")


def manifest_channel(name: str, uri: str, content_type: str) -> dict[str, Any]:
    """Input of a training job: the files that the manifest lists, in the folders of their bucket."""
    return _channel(name, uri, content_type, "ManifestFile")


def _channel(name: str, uri: str, content_type: str, kind: str) -> dict[str, Any]:
    place = {"S3DataType": kind, "S3DataDistributionType": "FullyReplicated", **at("S3Uri", uri)}
    return {"ChannelName": name, "ContentType": content_type, "DataSource": {"S3DataSource": place}}


def job_input(name: str, uri: str, kind: str = "S3Prefix") -> dict[str, Any]:
    """Of a processing job: in /opt/ml/processing/input/<name>."""
    return {
        "InputName": name,
        "S3Input": {
            "S3DataType": kind,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            **at("S3Uri", uri),
        },
    }


def job_output(name: str, uri: str) -> dict[str, Any]:
    """Of a processing job: /opt/ml/processing/output/<name>, uploaded when the job ends."""
    return {
        "OutputName": name,
        "S3Output": {
            "LocalPath": f"/opt/ml/processing/output/{name}",
            "S3UploadMode": "EndOfJob",
            **at("S3Uri", uri),
        },
    }


def processing(
    *,
    name: str,
    role_arn: str,
    image_uri: str,
    program: str,
    arguments: Mapping[str, str],
    code: s3_assets.Asset,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    instance_type: str,
    volume_gb: int,
    max_seconds: int,
    key: kms.IKey,
    network: JobNetwork,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Parameters of CreateProcessingJob; Python runs `program` of our code as it lies in S3, a zip file.

    arguments  option -> path of its value
    """
    words = [
        "'" + program + "'",
        *(word for option, path in arguments.items() for word in (f"'--{option}'", path)),
    ]
    return {
        "ProcessingJobName.$": name,
        "RoleArn": role_arn,
        "AppSpecification": {
            "ImageUri": image_uri,
            "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{code.s3_object_key}"],
            "ContainerArguments.$": f"States.Array({', '.join(words)})",
        },
        "ProcessingInputs": [job_input("code", code.s3_object_url), *inputs],
        "ProcessingOutputConfig": {"KmsKeyId": key.key_arn, "Outputs": list(outputs)},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": instance_type,
                "VolumeSizeInGB": volume_gb,
                "VolumeKmsKeyId": key.key_arn,
            }
        },
        "NetworkConfig": {
            "EnableNetworkIsolation": True,
            "EnableInterContainerTrafficEncryption": True,
            "VpcConfig": network.config,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": max_seconds},
        "Tags": tag_list(tags),
    }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """What API calls make, the stack's tags do not reach."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def at(key: str, value: str) -> dict[str, str]:
    """`key`, with the mark that the States Language asks for when the value is to be looked up."""
    return {f"{key}.$" if value.startswith(("$.", "States.")) else key: value}
