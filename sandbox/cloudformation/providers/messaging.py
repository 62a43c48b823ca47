"""AWS::SQS and AWS::SNS: queues, topics, their policies and subscriptions."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import json
from typing import Any

from sandbox.account import ACCOUNT
from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Placed, Properties, Watched, text

# What an attribute is when a template does not mention it.
_QUEUE_DEFAULTS = {
    "DelaySeconds": "0",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "VisibilityTimeout": "30",
}
_TOPIC_DEFAULTS = {
    "DisplayName": "",
    "KmsMasterKeyId": "",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}
_TOPIC_NOT_ATTRIBUTES = ("Subscription", "Tags", "TopicName")


def _attributes(properties: Properties, skipped: tuple[str, ...]) -> dict[str, str]:
    plain = properties.without(*skipped) if isinstance(properties, Watched) else properties
    return {key: text(value) for key, value in plain.items() if key not in skipped}


class Queue:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        suffix = ".fifo" if properties.get("FifoQueue") else ""
        name = properties.get("QueueName") or context.name(80 - len(suffix)) + suffix
        parameters = {"QueueName": name, "Attributes": _attributes(properties, ("QueueName", "Tags"))}
        parameters |= tagging.at_creation("sqs", properties.get("Tags"))
        url = context.call("sqs", "CreateQueue", parameters)["QueueUrl"]
        return url, {"Arn": context.arn("sqs", name), "QueueName": name, "QueueUrl": url}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("QueueName")
        before, after = (_attributes(p, ("QueueName", "FifoQueue", "Tags")) for p in (old, new))
        new.get("FifoQueue")
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        changed |= {key: _QUEUE_DEFAULTS[key] for key in before if key not in after}
        if changed:
            context.call("sqs", "SetQueueAttributes", {"QueueUrl": ref, "Attributes": changed})
        tagging.retag(context, "sqs", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("sqs", "DeleteQueue", {"QueueUrl": ref})


class QueuePolicy(Placed):
    def put(self, context: Context, old: Properties, new: Properties) -> None:
        policy, queues = new.get("PolicyDocument"), new.get("Queues") or []
        for url in queues:
            if url not in (old.get("Queues") or []) or policy != old.get("PolicyDocument"):
                _set_queue_policy(context, url, text(policy))
        for url in old.get("Queues") or []:
            if url not in queues:
                _set_queue_policy(context, url, "")


def _set_queue_policy(context: Context, url: str, policy: str) -> None:
    context.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": policy}})


class Topic:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        _refuse(properties, "DeliveryStatusLogging", "DataProtectionPolicy", "ArchivePolicy")
        suffix = ".fifo" if properties.get("FifoTopic") else ""
        name = properties.get("TopicName") or context.name(256 - len(suffix)) + suffix
        parameters = {"Name": name, "Attributes": _attributes(properties, _TOPIC_NOT_ATTRIBUTES)}
        parameters |= tagging.at_creation("sns", properties.get("Tags"))
        arn = context.call("sns", "CreateTopic", parameters)["TopicArn"]
        context.begun(arn)
        for subscription in properties.get("Subscription") or []:
            context.call("sns", "Subscribe", {"TopicArn": arn, **subscription})
        return arn, {"TopicArn": arn, "TopicName": name}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        _refuse(new, "DeliveryStatusLogging", "DataProtectionPolicy", "ArchivePolicy")
        new.get("TopicName")
        if old.get("Subscription") != new.get("Subscription"):
            raise UnsupportedError(
                "AWS::SNS::Topic: the sandbox cannot change Subscription; use AWS::SNS::Subscription"
            )
        before, after = (_attributes(p, _TOPIC_NOT_ATTRIBUTES) for p in (old, new))
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        changed |= {key: _TOPIC_DEFAULTS[key] for key in before if key not in after}
        for name, value in changed.items():
            _set_topic(context, ref, name, value)
        tagging.retag(context, "sns", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("sns", "DeleteTopic", {"TopicArn": ref})


class TopicPolicy(Placed):
    """AWS::SNS::TopicPolicy for a list of topics, AWS::SNS::TopicInlinePolicy for one."""

    def __init__(self, topics: str) -> None:
        self.topics = topics

    def ref(self, context: Context, properties: Properties) -> str:
        return properties["TopicArn"] if self.topics == "TopicArn" else super().ref(context, properties)

    def put(self, context: Context, old: Properties, new: Properties) -> None:
        before, after = (self._arns(properties) for properties in (old, new))
        policy = new.get("PolicyDocument")
        for arn in after:
            if arn not in before or policy != old.get("PolicyDocument"):
                _set_topic(context, arn, "Policy", text(policy))
        for arn in before:
            if arn not in after:
                _set_topic(context, arn, "Policy", json.dumps(_owner_policy(arn)))

    def _arns(self, properties: Properties) -> list[str]:
        found = properties.get(self.topics) or []
        return [found] if isinstance(found, str) else found


class Subscription:
    _PLAIN = ("TopicArn", "Protocol", "Endpoint", "Region")

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        properties.get("Region")  # of the topic; there is one Region here
        parameters = {
            key: properties[key] for key in ("TopicArn", "Protocol", "Endpoint") if key in properties
        }
        attributes = _attributes(properties, self._PLAIN)
        parameters |= {"Attributes": attributes, "ReturnSubscriptionArn": True}
        arn = context.call("sns", "Subscribe", parameters)["SubscriptionArn"]
        return arn, {"Arn": arn}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in self._PLAIN:
            new.get(name)
        before, after = _attributes(old, self._PLAIN), _attributes(new, self._PLAIN)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                default = "false" if name == "RawMessageDelivery" else "{}"
                change = {"AttributeName": name, "AttributeValue": after.get(name, default)}
                context.call("sns", "SetSubscriptionAttributes", {"SubscriptionArn": ref, **change})
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("sns", "Unsubscribe", {"SubscriptionArn": ref})


def _set_topic(context: Context, arn: str, name: str, value: str) -> None:
    change = {"TopicArn": arn, "AttributeName": name, "AttributeValue": value}
    context.call("sns", "SetTopicAttributes", change)


def _refuse(properties: Properties, *names: str) -> None:
    if found := [name for name in names if properties.get(name)]:
        raise UnsupportedError(f"AWS::SNS::Topic: {found} are not supported by the sandbox")


def _owner_policy(arn: str) -> dict[str, Any]:
    """The policy that SNS gives a topic by itself."""
    actions = [
        "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
        "Subscribe", "ListSubscriptionsByTopic", "Publish",
    ]  # fmt: skip
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


PROVIDERS = {
    "AWS::SQS::Queue": Queue(),
    "AWS::SQS::QueuePolicy": QueuePolicy(),
    "AWS::SNS::Topic": Topic(),
    "AWS::SNS::TopicPolicy": TopicPolicy("Topics"),
    "AWS::SNS::TopicInlinePolicy": TopicPolicy("TopicArn"),
    "AWS::SNS::Subscription": Subscription(),
}
