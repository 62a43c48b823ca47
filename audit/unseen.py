"""What is deployed and stands in no template here: what macros make, and nested stacks kept elsewhere.

Nothing can be said of it, which is a finding: silence would read as a clean bill.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.findings import Finding, Severity
from audit.policies import listed
from audit.templates import Resource, Templates

MACRO, NESTED = "UNSEEN-01", "UNSEEN-02"
# Adds functions to the language, and no resource.
_HARMLESS = {"AWS::LanguageExtensions"}


def check(templates: Templates) -> list[Finding]:
    return [*_macros(templates), *_nested(templates)]


def _macros(templates: Templates) -> Iterator[Finding]:
    for stack, (file, document) in templates.documents.items():
        for macro in listed(document.get("Transform")):
            name = macro.get("Name") if isinstance(macro, dict) else macro
            if name not in _HARMLESS:
                yield _unseen(
                    MACRO,
                    stack,
                    stack,
                    str(name),
                    f"{file.name}: what the macro {name} makes is not in the template and was not checked",
                    "Audit the template that CloudFormation makes of it (aws cloudformation get-template "
                    "--template-stage Processed).",
                )


def _nested(templates: Templates) -> Iterator[Finding]:
    known = {file.name for file in templates.files.values()}
    for resource in templates.of("AWS::CloudFormation::Stack"):
        if _file(resource) not in known:
            yield _unseen(
                NESTED,
                resource.address,
                resource.path,
                "",
                f"the template of this nested stack ({resource.get('TemplateURL')}) is not here",
                "Put the nested template into the folder that is audited.",
            )


def _file(resource: Resource) -> str:
    """Where the CDK or `aws cloudformation package` found the nested template."""
    given = (resource.raw.get("Metadata") or {}).get("aws:asset:path") or resource.get("TemplateURL")
    return str(given).rpartition("/")[2]


def _unseen(rule: str, address: str, path: str, subject: str, message: str, fix: str) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.MEDIUM,
        address=address,
        path=path,
        subject=subject,
        message=message,
        fix=fix,
    )
