"""The rule packs of cdk-nag over templates that are there, ours or anybody's: no app is needed.

Each template is read back into a stack of its own, so the packs see what is deployed, overrides included, and
one that the CDK cannot read does not keep them from the others. The same check of several packs is one
finding with all their names.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from audit.findings import Finding, Severity
from audit.templates import Templates

NAMES = ("AwsSolutions", "NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321", "Serverless")
UNREAD = "PACK-00"
_SEVERITIES = {"error": Severity.MEDIUM, "warning": Severity.LOW}
_LOGICAL_ID = re.compile(r"<(\w+)(?:\.Arn)?>")


def versions() -> str:
    return f"cdk-nag {version('cdk-nag')}, aws-cdk-lib {version('aws-cdk-lib')}"


def check(templates: Templates) -> list[Finding]:
    """Findings of all packs, nothing acknowledged; a stack that they could not read is a finding too."""
    found: dict[tuple[str, str, str], Finding] = {}
    for stack, file in templates.files.items():
        try:
            reports = _reports(stack, file)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            found[(UNREAD, "", stack)] = Finding(
                rule=UNREAD,
                severity=Severity.HIGH,
                address=stack,
                path=stack,
                message=f"the packs could not read {file.name}: {(lines or ['no reason given'])[0][:300]}",
                fix="Write the template so that CloudFormation's own include can read it, without macros.",
            )
            continue
        for one in _findings(templates, stack, reports):
            known = found.get(one.key)
            packs = (*known.controls, *one.controls) if known else one.controls
            found[one.key] = replace(one, controls=tuple(dict.fromkeys(packs)))
    return list(found.values())


def _reports(stack: str, file: Path) -> list[Mapping[str, Any]]:
    # Node is the one beside this Python; the CDK's own linter is not what is asked here.
    os.environ["CDK_VALIDATION"] = "false"
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])
    import aws_cdk as cdk
    import cdk_nag
    from aws_cdk import cloudformation_include

    with tempfile.TemporaryDirectory(prefix="audit-packs-") as folder:
        app = cdk.App(outdir=folder, context={"@aws-cdk/core:failSynthOnValidationErrors": False})
        home = cdk.Stack(app, re.sub(r"\W", "-", stack), synthesizer=cdk.BootstraplessSynthesizer())
        cloudformation_include.CfnInclude(home, "T", template_file=str(file))
        cdk.Validations.of(app).add_plugins(
            cdk_nag.AwsSolutionsChecks(app),
            cdk_nag.NIST80053R5Checks(app),
            cdk_nag.HIPAASecurityChecks(app),
            cdk_nag.PCIDSS321Checks(app),
            cdk_nag.ServerlessChecks(app),
        )
        app.synth()
        report = Path(folder) / "validation-report.json"
        reports = json.loads(report.read_text(encoding="utf-8"))["pluginReports"] if report.exists() else []
    crashed = [one for one in reports if (one.get("metadata") or {}).get("error")]
    if crashed:
        raise RuntimeError(f"{crashed[0]['pluginName']}: {crashed[0]['metadata']['error']}")
    return list(reports)


def _findings(templates: Templates, stack: str, reports: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for report in reports:
        pack = report["pluginName"]
        for violation in report.get("violations") or []:
            name, _, subject = violation["ruleName"].removeprefix(f"{pack}-").partition("[")
            for place in violation["violatingConstructs"]:
                address = f"{stack}/{place['constructPath'].rsplit('/', 1)[-1]}"
                resource = templates.by_address.get(address)
                yield Finding(
                    rule=name,
                    severity=_SEVERITIES.get(str(violation.get("severity")), Severity.MEDIUM),
                    address=address,
                    path=resource.path if resource else address,
                    subject=readable(templates, stack, subject.removesuffix("]")),
                    message=str(violation["description"]),
                    fix=str(violation.get("suggestedFix") or ""),
                    controls=(pack,),
                )


def readable(templates: Templates, stack: str, subject: str) -> str:
    """A pack's subject with construct paths for logical ids and exports: the same for every profile."""
    for name, value in templates.exports.items():
        subject = subject.replace(name, str(value))
    for pseudo, said in (
        ("<AWS::Region>", "<Region>"),
        ("<AWS::AccountId>", "<AccountId>"),
        ("<AWS::Partition>", "aws"),
    ):
        subject = subject.replace(pseudo, said)

    def path(match: re.Match[str]) -> str:
        resource = templates.by_address.get(f"{stack}/{match[1]}")
        return templates.arn(resource) if resource and ".Arn" in match[0] else match[0]

    subject = _LOGICAL_ID.sub(path, subject)
    for address in sorted(set(re.findall(r"<(\w[\w.-]*/\w+)(?:\.\w+)?>", subject))):
        resource = templates.by_address.get(address)
        if resource:
            subject = subject.replace(address, resource.path)
    return subject
