"""AWS::Kinesis and AWS::KinesisFirehose: streams and what delivers them."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties

_DESTINATION = "ExtendedS3DestinationConfiguration"
_ENCRYPTION = "DeliveryStreamEncryptionConfigurationInput"


class Stream:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("Name") or context.name(128)
        parameters = {"StreamName": name}
        mode = properties.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}
        parameters["StreamModeDetails"] = mode
        if mode["StreamMode"] == "PROVISIONED":
            parameters["ShardCount"] = properties.get("ShardCount", 1)
        tags = {"Tags": tagging.as_map(properties.get("Tags"))} if properties.get("Tags") else {}
        context.call("kinesis", "CreateStream", {**parameters, **tags})
        context.begun(name)
        self._retention(context, name, 24, properties.get("RetentionPeriodHours", 24))
        self._encryption(context, name, {}, properties)
        return name, {"Arn": context.arn("kinesis", f"stream/{name}")}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Name")
        stream = {"StreamName": ref}
        mode = new.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}
        if mode != (old.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}):
            arn = context.arn("kinesis", f"stream/{ref}")
            context.call("kinesis", "UpdateStreamMode", {"StreamARN": arn, "StreamModeDetails": mode})
        shards = new.get("ShardCount", 1)
        if mode["StreamMode"] == "PROVISIONED" and shards != old.get("ShardCount", 1):
            scaling = {"TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"}
            context.call("kinesis", "UpdateShardCount", {**stream, **scaling})
        hours = new.get("RetentionPeriodHours", 24)
        self._retention(context, ref, old.get("RetentionPeriodHours", 24), hours)
        self._encryption(context, ref, old, new)
        tagging.retag(context, "kinesis", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("kinesis", "DeleteStream", {"StreamName": ref, "EnforceConsumerDeletion": True})

    def _retention(self, context: Context, name: str, before: int, after: int) -> None:
        if before != after:
            verb = "Increase" if after > before else "Decrease"
            hours = {"StreamName": name, "RetentionPeriodHours": after}
            context.call("kinesis", f"{verb}StreamRetentionPeriod", hours)

    def _encryption(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        before, after = old.get("StreamEncryption"), new.get("StreamEncryption")
        if before == after:
            return
        if before:
            context.call("kinesis", "StopStreamEncryption", {"StreamName": name, **before})
        if after:
            context.call("kinesis", "StartStreamEncryption", {"StreamName": name, **after})


class DeliveryStream:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("DeliveryStreamName") or context.name(64)
        parameters = {**properties.without("Tags"), "DeliveryStreamName": name}
        parameters |= tagging.at_creation("firehose", properties.get("Tags"))
        arn = context.call("firehose", "CreateDeliveryStream", parameters)["DeliveryStreamARN"]
        return name, {"Arn": arn}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        handled = {"DeliveryStreamName", "Tags", _DESTINATION, _ENCRYPTION}
        other = [key for key in set(old) | set(new) if key not in handled and old.get(key) != new.get(key)]
        if other:
            raise UnsupportedError(f"the sandbox cannot update {sorted(other)} of a delivery stream")
        new.all()
        stream = {"DeliveryStreamName": ref}
        if old.get(_DESTINATION) != new.get(_DESTINATION):
            described = context.call("firehose", "DescribeDeliveryStream", stream)[
                "DeliveryStreamDescription"
            ]
            update = {
                key: value for key, value in new[_DESTINATION].items() if key != "S3BackupConfiguration"
            }
            if "S3BackupConfiguration" in new[_DESTINATION]:
                update["S3BackupUpdate"] = new[_DESTINATION]["S3BackupConfiguration"]
            parameters = {
                "CurrentDeliveryStreamVersionId": described["VersionId"],
                "DestinationId": described["Destinations"][0]["DestinationId"],
                "ExtendedS3DestinationUpdate": update,
            }
            context.call("firehose", "UpdateDestination", {**stream, **parameters})
        if old.get(_ENCRYPTION) != (encryption := new.get(_ENCRYPTION)):
            if encryption:
                wanted = {**stream, "DeliveryStreamEncryptionConfigurationInput": encryption}
                context.call("firehose", "StartDeliveryStreamEncryption", wanted)
            else:
                context.call("firehose", "StopDeliveryStreamEncryption", stream)
        tagging.retag(context, "firehose", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("firehose", "DeleteDeliveryStream", {"DeliveryStreamName": ref})


PROVIDERS = {
    "AWS::Kinesis::Stream": Stream(),
    "AWS::KinesisFirehose::DeliveryStream": DeliveryStream(),
}
