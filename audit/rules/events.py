"""EventBridge: what happens to an event that cannot be delivered, and what makes it undeliverable."""

from __future__ import annotations

from collections.abc import Iterator

from audit.findings import Severity
from audit.rules.rule import Hit, Rule, lacking, mappings, narrowing_keys, policies, principals
from audit.templates import Resource, Templates

_EVENTS = "events.amazonaws.com"
_QUEUE, _TOPIC = "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"
_SOURCES = {"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"}


def says_no_source(holder: Resource, service: str) -> bool:
    """Whether this service publishes to a topic without any key that a condition could ask for."""
    return service == _EVENTS and holder.type == _TOPIC


def _targets(templates: Templates) -> Iterator[Hit]:
    for rule in templates.of("AWS::Events::Rule"):
        for target in mappings(rule.get("Targets")):
            if not target.get("DeadLetterConfig"):
                name = str(target.get("Id", target.get("Arn", "?")))
                yield Hit(
                    resource=rule,
                    message=f"target {name} ({target.get('Arn')}): no dead-letter queue; give "
                    "DeadLetterConfig",
                    subject=name,
                )


def _account_asked(templates: Templates) -> Iterator[Hit]:
    says = (
        "asks EventBridge for aws:SourceAccount, which it is not known to send; ask for aws:SourceArn alone"
    )
    to_topics = "asks EventBridge for a source, which it does not send to topics; leave the condition out"
    silent = {_QUEUE: ({"aws:sourceaccount"}, says), _TOPIC: (_SOURCES, to_topics)}
    for statement in policies(templates, "resource"):
        keys, words = silent.get(statement.holder.type, (set(), ""))
        is_for_events = ("Service", _EVENTS) in principals(statement)
        if statement.allows and is_for_events and narrowing_keys(statement) & keys:
            place = f"statement {statement.index}"
            yield Hit(resource=statement.holder, message=f"{place} {words}", subject=place)
    for permission in templates.of("AWS::Lambda::Permission"):
        if permission.get("Principal") == _EVENTS and permission.get("SourceAccount"):
            yield Hit(resource=permission, message=says)


def _has_queue(schedule: Resource) -> bool:
    target = schedule.get("Target")
    return isinstance(target, str) or bool(schedule.get("Target", "DeadLetterConfig"))


TARGETS = Rule(
    id="ML-EVB-01",
    title="Targets of rules have a dead-letter queue",
    severity=Severity.LOW,
    rationale="An event that cannot be delivered within a day is gone; only a metric counts it.",
    fix="Give the target a DeadLetterConfig.",
    controls=("NIST CA-7", "NIST SC-24"),
    find=_targets,
)
SCHEDULES = Rule(
    id="ML-EVB-02",
    title="Schedules have a dead-letter queue",
    severity=Severity.LOW,
    rationale="A start that fails (throttled, a right missing) is dropped after its retries; only a metric "
    "counts it.",
    fix="Give the schedule's target a DeadLetterConfig.",
    controls=("NIST CA-7", "NIST SC-24"),
    find=lacking(
        "AWS::Scheduler::Schedule", has=_has_queue, says="no dead-letter queue; give Target.DeadLetterConfig"
    ),
)
ACCOUNT_NOT_ASKED = Rule(
    id="ML-EVB-03",
    title="Who receives events does not ask EventBridge for what it does not send",
    severity=Severity.MEDIUM,
    rationale="EventBridge's guide (Troubleshooting): SourceAccount keeps it from calling functions; "
    "its examples for queues ask for aws:SourceArn alone, and policies of topics for it may hold no "
    "condition (Using resource-based policies). Events, dead letters too, are lost in silence.",
    fix="Ask for aws:SourceArn alone (the ARN of the rule holds the account), of a topic for nothing.",
    find=_account_asked,
)
