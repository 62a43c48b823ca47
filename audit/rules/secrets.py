"""Secrets: where they lie, and under which key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audit.findings import Severity
from audit.rules.rule import Hit, Rule, is_open, is_own_key, lacking
from audit.templates import Templates

_NAME = re.compile(
    r"passw(or)?d|secret|credential|api[-_]?key|private[-_]?key|access[-_]?key|token", re.IGNORECASE
)
# Key ids of AWS, private keys, signed tokens, a password in a URL, and a secret resolved into plain text.
_VALUE = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{10,}\.[\w-]{10,}\."
    r"|://[^/\s:@]+:[^/\s:@]+@|\{\{resolve:(secretsmanager|ssm-secure):"
)
# Names that point to a secret, and values that only say where it is.
_POINTER = re.compile(r"arn:|/|s3://|https?://", re.IGNORECASE)
_POINTER_NAME = re.compile(r"(arn|name|id|path|url|uri|ttl|rotation\w*)$", re.IGNORECASE)


def _plain_secrets(templates: Templates) -> Iterator[Hit]:
    for parameter in templates.of("AWS::SSM::Parameter"):
        name = str(parameter.get("Name", default=parameter.logical_id))
        value = str(parameter.get("Value", default=""))
        is_pointer = _POINTER.match(value) or _POINTER_NAME.search(name) or is_open(value)
        if _VALUE.search(value) or (_NAME.search(name) and not is_pointer):
            yield Hit(
                resource=parameter,
                message=f"{name} looks like a secret and is plain text; keep it in Secrets Manager",
            )


NOT_PLAIN = Rule(
    id="ML-SEC-01",
    title="Secrets are not kept as plain parameters",
    severity=Severity.HIGH,
    rationale="A String parameter is readable to everybody who may read parameters or the template.",
    fix="Keep it in Secrets Manager, and let the parameter hold its ARN at most.",
    controls=("NIST IA-5", "NIST SC-28", "MLSEC03-BP02"),
    find=_plain_secrets,
)
KEYED = Rule(
    id="ML-SEC-02",
    title="Secrets are encrypted with an own key",
    severity=Severity.LOW,
    rationale="With AWS's key whoever may read the secret may decrypt it; an own key asks a second time.",
    fix="Give the secret a KmsKeyId.",
    controls=("NIST SC-28", "NIST SC-12"),
    find=lacking(
        "AWS::SecretsManager::Secret",
        has=lambda secret: is_own_key(secret.get("KmsKeyId")),
        says="no own key; give KmsKeyId",
    ),
)
