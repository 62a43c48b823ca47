"""The most that a role of the standby may do: another list than the core's, as its roles do other things."""

from __future__ import annotations

ACTIONS: dict[str, str] = {
    "cloudwatch": "PutMetricData",
    "ec2": (
        "CreateNetworkInterface CreateNetworkInterfacePermission DeleteNetworkInterface "
        "DeleteNetworkInterfacePermission DescribeDhcpOptions DescribeNetworkInterfaces "
        "DescribeSecurityGroups DescribeSubnets DescribeVpcs"
    ),
    "ecr": "BatchCheckLayerAvailability BatchGetImage GetAuthorizationToken GetDownloadUrlForLayer",
    "iam": "PassRole",
    "kms": "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey",
    "logs": "CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents",
    "s3": (
        "AbortMultipartUpload GetObject GetObjectVersion GetObjectVersionAcl "
        "GetObjectVersionForReplication GetReplicationConfiguration ListBucket ListBucketVersions PutObject "
        "ReplicateObject"
    ),
    "sagemaker": (
        "AddTags CreateEndpoint CreateEndpointConfig CreateModel DeleteEndpoint DeleteEndpointConfig "
        "DeleteModel DescribeEndpoint DescribeEndpointConfig DescribeModel InvokeEndpoint "
        "ListEndpointConfigs ListModels UpdateEndpoint"
    ),
}
