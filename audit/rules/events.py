"""EventBridge rules and schedules: what happens to an event that cannot be delivered."""

from __future__ import annotations

from collections.abc import Iterator

from audit.findings import Severity
from audit.rules.rule import Hit, Rule, lacking, mappings
from audit.templates import Resource, Templates


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


def _has_queue(schedule: Resource) -> bool:
    target = schedule.get("Target")
    return isinstance(target, str) or bool(schedule.get("Target", "DeadLetterConfig"))


TARGETS = Rule(
    id="ML-EVB-01",
    title="Targets of rules have a dead-letter queue",
    severity=Severity.LOW,
    rationale="An event that cannot be delivered within a day is gone, and nobody knows that it was there.",
    fix="Give the target a DeadLetterConfig.",
    controls=("NIST SI-11",),
    find=_targets,
)
SCHEDULES = Rule(
    id="ML-EVB-02",
    title="Schedules have a dead-letter queue",
    severity=Severity.LOW,
    rationale="A start that fails (throttled, a right missing) is dropped after its retries without a trace.",
    fix="Give the schedule's target a DeadLetterConfig.",
    controls=("NIST SI-11",),
    find=lacking(
        "AWS::Scheduler::Schedule", has=_has_queue, says="no dead-letter queue; give Target.DeadLetterConfig"
    ),
)
