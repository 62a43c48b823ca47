"""Log groups: their key, how long they keep, and that functions log into declared ones."""

from __future__ import annotations

from collections.abc import Iterator

from audit.findings import Severity
from audit.rules.rule import Hit, Rule, is_own_key, lacking, reference
from audit.templates import Templates

GROUP = "AWS::Logs::LogGroup"
# The CDK's own way to set the retention of a group that the service makes.
_RETENTION = "Custom::LogRetention"


def _undeclared(templates: Templates) -> Iterator[Hit]:
    declared = {reference(templates, group) for group in templates.of(GROUP)}
    declared |= {str(resource.get("LogGroupName")) for resource in templates.of(_RETENTION)}
    for function in templates.of("AWS::Lambda::Function"):
        default = f"/aws/lambda/{reference(templates, function)}"
        group = str(function.get("LoggingConfig", "LogGroup", default=default))
        if group not in declared:
            yield Hit(
                resource=function,
                message=f"logs to {group}, which no template declares; declare it, with key and retention",
            )


KEYED = Rule(
    id="ML-LOG-01",
    title="Log groups are encrypted with an own key",
    severity=Severity.LOW,
    rationale="Logs quote the data that code stumbles over; with an own key reading them is a right of "
    "its own.",
    fix="Give the log group a KmsKeyId, and let logs.<region>.amazonaws.com use the key.",
    controls=("NIST SC-28", "NIST AU-9"),
    find=lacking(
        GROUP, has=lambda group: is_own_key(group.get("KmsKeyId")), says="no own key; give KmsKeyId"
    ),
)
RETAINED = Rule(
    id="ML-LOG-02",
    title="Log groups have a retention",
    severity=Severity.LOW,
    rationale="The default keeps logs, and what personal data is in them, for ever.",
    fix="Give the log group RetentionInDays.",
    controls=("Security Hub CloudWatch.16", "NIST AU-11"),
    find=lacking(
        GROUP, has=lambda group: bool(group.get("RetentionInDays")), says="no retention; give RetentionInDays"
    ),
)
DECLARED = Rule(
    id="ML-LOG-03",
    title="The log group of a function is declared",
    severity=Severity.LOW,
    rationale="The group that Lambda makes by itself has no key, keeps for ever and stays when the stack "
    "goes.",
    fix="Declare an AWS::Logs::LogGroup and name it in LoggingConfig.LogGroup.",
    controls=("NIST AU-11",),
    find=_undeclared,
)
