"""A model behind an endpoint: isolated, in our subnets, on an encrypted volume, all that it is asked kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from security.jobs import JobNetwork

# Where the image finds the handler: inside the model's archive, as the container cannot fetch anything.
SERVING: Mapping[str, str] = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}


def capture(percent: int, bucket: str, key_arn: str) -> dict[str, Any]:
    """Requests and answers as they were; SageMaker adds endpoint, variant and hour to the address."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percent,
        "DestinationS3Uri": f"s3://{bucket}/captures",
        "KmsKeyId": key_arn,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Without it SageMaker captures these types in base64.
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }


def served_model(
    scope: Construct,
    construct_id: str,
    *,
    role: iam.IRole,
    image_uri: str,
    artefact_url: str,
    network: JobNetwork,
) -> sagemaker.CfnModel:
    model = sagemaker.CfnModel(
        scope,
        construct_id,
        execution_role_arn=role.role_arn,
        enable_network_isolation=True,
        primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
            image=image_uri, model_data_url=artefact_url, environment=dict(SERVING)
        ),
        vpc_config=sagemaker.CfnModel.VpcConfigProperty(
            subnets=network.config["Subnets"], security_group_ids=network.config["SecurityGroupIds"]
        ),
    )
    # SageMaker reads the artefact with the role at once; the role's policy is a resource of its own.
    model.node.add_dependency(role)
    return model


def endpoint_config(
    scope: Construct,
    construct_id: str,
    *,
    variant_name: str,
    model_name: str,
    instance_type: str,
    instances: int,
    captured: Mapping[str, Any],
    key: kms.IKey,
) -> sagemaker.CfnEndpointConfig:
    """One variant that takes all requests; `captured` is what capture() gave."""
    config = sagemaker.CfnEndpointConfig
    return config(
        scope,
        construct_id,
        kms_key_id=key.key_arn,
        production_variants=[
            config.ProductionVariantProperty(
                variant_name=variant_name,
                model_name=model_name,
                instance_type=instance_type,
                initial_instance_count=instances,
                initial_variant_weight=1.0,
            )
        ],
        data_capture_config=config.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=captured["InitialSamplingPercentage"],
            destination_s3_uri=captured["DestinationS3Uri"],
            kms_key_id=captured["KmsKeyId"],
            capture_options=[
                config.CaptureOptionProperty(capture_mode=option["CaptureMode"])
                for option in captured["CaptureOptions"]
            ],
            capture_content_type_header=config.CaptureContentTypeHeaderProperty(
                csv_content_types=captured["CaptureContentTypeHeader"]["CsvContentTypes"],
                json_content_types=captured["CaptureContentTypeHeader"]["JsonContentTypes"],
            ),
        ),
    )
