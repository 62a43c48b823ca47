"""KMS keys and who their policies let in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audit.findings import Severity
from audit.policies import Statement
from audit.rules.rule import (
    SOURCE_KEYS,
    Hit,
    Rule,
    is_on,
    is_open_statement,
    lacking,
    mappings,
    names,
    narrowing_keys,
    policies,
    principals,
    reference,
)
from audit.templates import Resource, Templates

KEY = "AWS::KMS::Key"
_ROOT = re.compile(r"(?:arn:[^:]+:iam::)?(?:\d{12}|<AccountId>)(?::root)?")
# Beside the source of the call: the service that calls for the principal, and what is encrypted. The context
# names the resource with its account; CloudWatch Logs documents it as the way to limit its use of a key.
_KEY_SOURCES = SOURCE_KEYS | {"kms:viaservice", "kms:calleraccount"}
_CONTEXT = "kms:encryptioncontext:"
_EVENTS = "events.amazonaws.com"


def _is_rotated(key: Resource) -> bool:
    """KMS rotates symmetric encryption keys of its own making, and no others."""
    can_rotate = (
        key.get("KeySpec", default="SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
        and key.get("Origin", default="AWS_KMS") == "AWS_KMS"
    )
    return not can_rotate or is_on(key.get("EnableKeyRotation"))


def _hit(statement: Statement, message: str) -> Hit:
    subject = f"statement {statement.index}"
    return Hit(resource=statement.holder, message=f"{subject} {message}", subject=subject)


def _open(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "key"):
        if is_open_statement(statement):
            yield _hit(statement, "allows every principal without a condition; name principals")


def _given_away(templates: Templates) -> Iterator[Hit]:
    """Whether a root is that of the key's own account, a template with literal numbers does not say."""
    for statement in policies(templates, "key"):
        others = sorted(
            value for _, value in principals(statement) if value != "*" and not _ROOT.fullmatch(value)
        )
        is_all = any(str(action).lower() in ("*", "kms:*") for action in statement.actions)
        if statement.allows and is_all and others:
            yield _hit(statement, f"gives kms:* to {', '.join(others)}; name the actions that are needed")


def _service_without_source(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "key"):
        services = sorted(value for kind, value in principals(statement) if kind == "Service")
        keys = narrowing_keys(statement)
        is_tied = bool(keys & _KEY_SOURCES) or any(key.startswith(_CONTEXT) for key in keys)
        if statement.allows and services and not is_tied:
            yield _hit(
                statement, f"lets {', '.join(services)} in for anybody; add aws:SourceAccount or SourceArn"
            )


def _source_never_sent(templates: Templates) -> Iterator[Hit]:
    """For topics alone: for its own buses, EventBridge does send the source."""
    targets = {
        str(target.get("Arn"))
        for rule in templates.of("AWS::Events::Rule")
        for target in mappings(rule.get("Targets"))
    }
    for topic in templates.of("AWS::SNS::Topic"):
        if reference(templates, topic) in targets:
            for key in templates.of(KEY):
                if str(topic.get("KmsMasterKeyId")) in names(templates, key) and _asks_source(templates, key):
                    yield Hit(
                        resource=key,
                        message=f"{_EVENTS} is asked for a source, and sends none to the topic {topic.path}: "
                        "it fails; ask for kms:EncryptionContext:aws:sns:topicArn",
                        subject=topic.path,
                    )


def _asks_source(templates: Templates, key: Resource) -> bool:
    """Whether every statement that lets EventBridge in asks where the call comes from."""
    asked = [
        narrowing_keys(statement) & SOURCE_KEYS
        for statement in policies(templates, "key")
        if statement.holder.address == key.address
        and statement.allows
        and ("Service", _EVENTS) in principals(statement)
    ]
    return bool(asked) and all(asked)


ROTATED = Rule(
    id="ML-KMS-01",
    title="Keys are rotated",
    severity=Severity.MEDIUM,
    rationale="One generation of key material for everything that was ever encrypted is one loss for "
    "everything.",
    fix="Set EnableKeyRotation to true.",
    controls=("Security Hub KMS.4", "NIST SC-12"),
    find=lacking(KEY, has=_is_rotated, says="rotation is off; set EnableKeyRotation to true"),
)
CLOSED = Rule(
    id="ML-KMS-02",
    title="Keys let no unknown principal in",
    severity=Severity.CRITICAL,
    rationale="Principal * without a condition is every account of AWS.",
    fix="Name the principals, or limit them with kms:CallerAccount.",
    controls=("FSBP KMS.5", "NIST AC-3"),
    find=_open,
)
NOT_GIVEN_AWAY = Rule(
    id="ML-KMS-03",
    title="All rights on a key belong to the account alone",
    severity=Severity.HIGH,
    rationale="Who has kms:* may let others in, or schedule the key's deletion and with it that of the data.",
    fix="Give kms:* to the account root only, and to others the actions that they need.",
    controls=("NIST AC-6", "NIST SC-12", "MLSEC03-BP01"),
    find=_given_away,
)
SERVICE_TIED = Rule(
    id="ML-KMS-04",
    title="Services use a key for this account only",
    severity=Severity.MEDIUM,
    rationale="A service acts for every customer: without the source of the call, also on behalf of a "
    "stranger.",
    fix="Add a condition on aws:SourceAccount, aws:SourceArn, kms:ViaService or the encryption context.",
    controls=("NIST AC-3",),
    find=_service_without_source,
)
SOURCE_SENT = Rule(
    id="ML-KMS-05",
    title="EventBridge is not asked for a source by the key of a topic",
    severity=Severity.MEDIUM,
    rationale="It sends none to encrypted topics (SNS Developer Guide, key management): every event is lost, "
    "and nothing but a metric says so.",
    fix="Narrow by kms:EncryptionContext:aws:sns:topicArn, instead of aws:SourceAccount or aws:SourceArn.",
    find=_source_never_sent,
)
