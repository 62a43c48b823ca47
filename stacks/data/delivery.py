"""Delivery: Firehose takes records off the stream, has them checked, and files them by table and day."""

from __future__ import annotations

from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from security import grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ServiceRole, arn
from settings import IngestSettings, Settings
from stacks.data.lake import DELIVERY

KEYS = "!{{partitionKeyFromLambda:{}}}".format
# "zone" is raw or quarantine, as the function says; see lambda/ingest_records.
PREFIX = f"{KEYS('zone')}/{KEYS('table')}/dt={KEYS('date')}/"
ERROR_PREFIX = "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
WRITTEN = ("raw/", "quarantine/", "errors/")


class Delivery(Construct):
    """L1: the L2 grants its role `s3:GetObject*` and `kms:GenerateDataKey*` on everything it touches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        stream: kinesis.IStream,
        stream_key: kms.IKey,
        bucket: s3.IBucket,
        transform: lambda_.IFunction,
        keeping: LogKeeping,
    ) -> None:
        super().__init__(scope, construct_id)
        name = settings.stack_name("data")
        self.role = ServiceRole(
            self,
            "Role",
            service="firehose",
            source_arn=arn("firehose", f"deliverystream/{name}-*"),
            path=f"/{settings.prefix}/{DELIVERY}/",
        )
        log = self._log(keeping)
        self._let_read(stream, stream_key)
        self._let_write(bucket)
        grants.invoke(self.role, transform)
        grants.allow(self.role, ["lambda:GetFunctionConfiguration"], [transform.function_arn])
        self.stream = firehose.CfnDeliveryStream(
            self,
            "Stream",
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=_CONFIGURATION.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=stream.stream_arn, role_arn=self.role.role_arn
            ),
            extended_s3_destination_configuration=self._destination(settings.ingest, bucket, transform, log),
        )
        self.stream.node.add_dependency(self.role)

    def _log(self, keeping: LogKeeping) -> _CONFIGURATION.CloudWatchLoggingOptionsProperty:
        group = PrivateLogGroup(self, "Logs", keeping=keeping)
        stream = logs.CfnLogStream(
            self, "LogStream", log_group_name=group.log_group_name, log_stream_name="delivery"
        )
        stream.node.add_dependency(group)
        grants.allow(self.role, ["logs:PutLogEvents"], [group.log_group_arn])
        return _CONFIGURATION.CloudWatchLoggingOptionsProperty(
            enabled=True, log_group_name=group.log_group_name, log_stream_name=stream.ref
        )

    def _let_read(self, stream: kinesis.IStream, key: kms.IKey) -> None:
        actions = ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards")
        grants.allow(self.role, [f"kinesis:{action}" for action in actions], [stream.stream_arn])
        grants.use_key(
            self.role,
            key,
            ["kms:Decrypt"],
            through="kinesis",
            context={"aws:kinesis:arn": stream.stream_arn},
        )

    def _let_write(self, bucket: s3.IBucket) -> None:
        for prefix in WRITTEN:
            grants.write_objects(self.role, bucket, prefix, in_parts=True)
        grants.allow(
            self.role,
            ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
            [bucket.bucket_arn],
        )

    def _destination(
        self,
        settings: IngestSettings,
        bucket: s3.IBucket,
        transform: lambda_.IFunction,
        log: _CONFIGURATION.CloudWatchLoggingOptionsProperty,
    ) -> _CONFIGURATION.ExtendedS3DestinationConfigurationProperty:
        key = bucket.encryption_key
        if key is None:
            raise ValueError(
                f"{bucket.node.path} has no key of ours: records may only go to an encrypted bucket"
            )
        return _CONFIGURATION.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=bucket.bucket_arn,
            role_arn=self.role.role_arn,
            prefix=PREFIX,
            error_output_prefix=ERROR_PREFIX,
            file_extension=".ndjson.gz",
            compression_format="GZIP",
            buffering_hints=_CONFIGURATION.BufferingHintsProperty(
                interval_in_seconds=settings.buffer_seconds, size_in_m_bs=settings.buffer_mb
            ),
            cloud_watch_logging_options=log,
            dynamic_partitioning_configuration=_CONFIGURATION.DynamicPartitioningConfigurationProperty(
                enabled=True, retry_options=_CONFIGURATION.RetryOptionsProperty(duration_in_seconds=300)
            ),
            encryption_configuration=_CONFIGURATION.EncryptionConfigurationProperty(
                kms_encryption_config=_CONFIGURATION.KMSEncryptionConfigProperty(awskms_key_arn=key.key_arn)
            ),
            processing_configuration=_processing(transform, self.role),
        )


_CONFIGURATION = firehose.CfnDeliveryStream


def _processing(
    transform: lambda_.IFunction, role: ServiceRole
) -> firehose.CfnDeliveryStream.ProcessingConfigurationProperty:
    parameters = {
        "LambdaArn": transform.function_arn,
        "RoleArn": role.role_arn,
        # Records of one call, before base64 and the keys: the answer must stay below Lambda's 6 MB.
        "BufferSizeInMBs": "1",
        "BufferIntervalInSeconds": "60",
        "NumberOfRetries": "3",
    }
    return _CONFIGURATION.ProcessingConfigurationProperty(
        enabled=True,
        processors=[
            _CONFIGURATION.ProcessorProperty(
                type="Lambda",
                parameters=[
                    _CONFIGURATION.ProcessorParameterProperty(parameter_name=name, parameter_value=value)
                    for name, value in parameters.items()
                ],
            )
        ],
    )
