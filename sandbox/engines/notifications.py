"""SNS: deliveries as SNS itself, mail into an outbox, filters respected, nothing lost."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

from sandbox import clock, control, work
from sandbox.engines import deliver, dispatch, metrics
from sandbox.engines.state_calls import timestamp

_SERVICE = "sns.amazonaws.com"
_MAIL = frozenset({"email", "email-json", "sms"})
_lock = threading.Lock()
_outbox: list[dict[str, Any]] = []


def outbox() -> list[dict[str, Any]]:
    """Every message that a person would have got: to, protocol, topic, subject, message, time."""
    with _lock:
        return list(_outbox)


def _publish(
    self: Any,
    message: str,
    message_id: str,
    subject: str | None = None,
    message_attributes: dict[str, Any] | None = None,
    group_id: str | None = None,
    deduplication_id: str | None = None,
    message_structure: str | None = None,
) -> None:
    """Subscription.publish: queued, because SNS answers before it delivers."""
    del deduplication_id
    matcher = self._filter_policy_matcher
    if matcher is not None and not matcher.matches(message_attributes, message):
        _count(self.topic_arn, "NumberOfNotificationsFilteredOut")
        return
    if message_structure == "json":
        message = self._parse_message_structure(message, self.protocol)
    envelope = _envelope(self, message, message_id, subject, message_attributes)
    dispatch.later(f"sns {self.topic_arn} to {self.endpoint}", _deliver, self, envelope, group_id)


def _deliver(subscription: Any, envelope: dict[str, Any], group_id: str | None) -> None:
    topic, protocol, endpoint = subscription.topic_arn, subscription.protocol, subscription.endpoint
    try:
        if protocol in _MAIL:
            _keep(subscription, envelope)
        elif protocol == "sqs":
            raw = str(subscription.attributes.get("RawMessageDelivery")).lower() == "true"
            text = envelope["Message"] if raw else json.dumps(envelope)
            attributes = _queue_attributes(envelope) if raw else None
            deliver.as_service(
                _SERVICE, endpoint, text, source_arn=topic, attributes=attributes, group_id=group_id
            )
        elif protocol == "lambda":
            deliver.as_service(
                _SERVICE, endpoint, json.dumps(_event(subscription, envelope)), source_arn=topic
            )
        else:
            raise deliver.Undeliverable(
                "UNSUPPORTED_TARGET",
                f"protocol {protocol} is not implemented; allowed: sqs, lambda, {', '.join(_MAIL)}",
            )
    except deliver.Undeliverable as error:
        _count(topic, "NumberOfNotificationsFailed")
        work.fail(f"sns {topic} to {endpoint}", error)
        _to_dead_letters(subscription, envelope)
        return
    _count(topic, "NumberOfNotificationsDelivered")


def _to_dead_letters(subscription: Any, envelope: dict[str, Any]) -> None:
    policy = subscription.attributes.get("RedrivePolicy")
    if not policy:
        return
    queue = (json.loads(policy) if isinstance(policy, str) else policy)["deadLetterTargetArn"]
    deliver.as_service(_SERVICE, queue, json.dumps(envelope), source_arn=subscription.topic_arn)


def _keep(subscription: Any, envelope: dict[str, Any]) -> None:
    with _lock:
        _outbox.append(
            {
                "to": subscription.endpoint,
                "protocol": subscription.protocol,
                "topic": subscription.topic_arn,
                "subject": envelope.get("Subject"),
                "message": envelope["Message"],
                "time": envelope["Timestamp"],
            }
        )


def _envelope(
    subscription: Any, message: str, message_id: str, subject: str | None, attributes: dict[str, Any] | None
) -> dict[str, Any]:
    # No signature: nobody could check it against a certificate of AWS.
    envelope: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic_arn,
        "Message": message,
        "Timestamp": timestamp(clock.now()),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
        "UnsubscribeURL": "",
    }
    if subject:
        envelope["Subject"] = subject
    if attributes:
        envelope["MessageAttributes"] = {
            key: {"Type": value["Type"], "Value": str(value["Value"])} for key, value in attributes.items()
        }
    return envelope


def _event(subscription: Any, envelope: dict[str, Any]) -> dict[str, Any]:
    inner = {
        **envelope,
        "Subject": envelope.get("Subject"),
        "MessageAttributes": envelope.get("MessageAttributes", {}),
        "SigningCertUrl": envelope["SigningCertURL"],
        "UnsubscribeUrl": envelope["UnsubscribeURL"],
    }
    for name in ("SigningCertURL", "UnsubscribeURL"):
        inner.pop(name)
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": inner,
    }
    return {"Records": [record]}


def _queue_attributes(envelope: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {"DataType": value["Type"], "StringValue": value["Value"]}
        for key, value in envelope.get("MessageAttributes", {}).items()
    }


def _count(topic_arn: str, name: str) -> None:
    dimensions = {"TopicName": topic_arn.rsplit(":", 1)[-1]}
    metrics.put(namespace="AWS/SNS", name=name, value=1, unit="Count", dimensions=dimensions)


def install() -> None:
    from moto.sns.models import Subscription, Topic

    original = Topic.publish

    def publish(self: Any, *args: Any, **kwargs: Any) -> str:
        _count(self.arn, "NumberOfMessagesPublished")
        answer: str = original(self, *args, **kwargs) or str(uuid.uuid4())
        return answer

    Subscription.publish = _publish
    Topic.publish = publish
    control.route("outbox", lambda _: outbox())


def reset() -> None:
    with _lock:
        _outbox.clear()


def self_test() -> None:
    from sandbox.selftest import check

    names = ("message", "message_id", "subject", "message_attributes", "group_id", "deduplication_id")
    check("moto.sns.models:Subscription.publish", "self", *names, "message_structure")
    check("moto.sns.models:Topic.publish")
    check("moto.sns.models:Subscription._parse_message_structure", "self", "message", "protocol")
