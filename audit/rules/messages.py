"""SQS queues and SNS topics."""

from __future__ import annotations

from audit.findings import Severity
from audit.rules.rule import Rule, is_own_key, lacking, open_to_everybody, without_transport_deny

QUEUE, TOPIC = "AWS::SQS::Queue", "AWS::SNS::Topic"
QUEUE_POLICY, TOPIC_POLICY = "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"
_TLS = "no policy denies plain HTTP; deny all with aws:SecureTransport false"

QUEUE_KEYED = Rule(
    id="ML-SQS-01",
    title="Queues are encrypted with an own key",
    severity=Severity.LOW,
    rationale="Dead letters are whole events; with an own key reading them is a right of its own.",
    fix="Give the queue a KmsMasterKeyId.",
    controls=("FSBP SQS.1", "NIST SC-28"),
    find=lacking(
        QUEUE,
        has=lambda queue: is_own_key(queue.get("KmsMasterKeyId")),
        says="no own key; give KmsMasterKeyId",
    ),
)
QUEUE_TLS = Rule(
    id="ML-SQS-02",
    title="Queues are reached over TLS only",
    severity=Severity.MEDIUM,
    rationale="SQS answers plain HTTP too, unless the queue's policy denies it.",
    fix="Deny sqs:* to everybody with aws:SecureTransport false.",
    controls=("NIST SC-8",),
    find=without_transport_deny(QUEUE, QUEUE_POLICY, "Queues", _TLS),
)
QUEUE_CLOSED = Rule(
    id="ML-SQS-03",
    title="Queues are not open to everybody",
    severity=Severity.CRITICAL,
    rationale="Principal * without a condition is every account of AWS, and people without one.",
    fix="Name the principals, or limit them with aws:SourceArn or aws:PrincipalOrgID.",
    controls=("FSBP SQS.3", "NIST AC-3"),
    find=open_to_everybody(QUEUE_POLICY),
)
TOPIC_KEYED = Rule(
    id="ML-SNS-01",
    title="Topics are encrypted with an own key",
    severity=Severity.LOW,
    rationale="Without a key only AWS's own encryption of disks protects messages, and nobody can take it "
    "away or watch it; with AWS's key alarms cannot even publish.",
    fix="Give the topic a KmsMasterKeyId.",
    controls=("Security Hub SNS.1", "NIST SC-28"),
    find=lacking(
        TOPIC,
        has=lambda topic: is_own_key(topic.get("KmsMasterKeyId")),
        says="no own key; give KmsMasterKeyId",
    ),
)
TOPIC_TLS = Rule(
    id="ML-SNS-02",
    title="Topics are reached over TLS only",
    severity=Severity.MEDIUM,
    rationale="SNS answers plain HTTP too, unless the topic's policy denies it.",
    fix="Deny sns:Publish to everybody with aws:SecureTransport false.",
    controls=("NIST SC-8",),
    find=without_transport_deny(TOPIC, TOPIC_POLICY, "Topics", _TLS),
)
TOPIC_CLOSED = Rule(
    id="ML-SNS-03",
    title="Topics are not open to everybody",
    severity=Severity.CRITICAL,
    rationale="Everybody could read alarms, or send false ones.",
    fix="Name the principals, or limit them with aws:SourceArn or aws:SourceAccount.",
    controls=("FSBP SNS.4", "NIST AC-3"),
    find=open_to_everybody(TOPIC_POLICY),
)
