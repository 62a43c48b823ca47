"""Roles: who may take them on, and which they may pass on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.findings import Severity
from audit.policies import Statement, matches
from audit.rules.rule import SOURCE_KEYS, Hit, Rule, is_open_statement, narrowing_keys, policies, principals
from audit.templates import Templates

# Service -> who says that it does not send aws:SourceAccount or aws:SourceArn when it takes on a role. AWS
# has no list of its own; a condition would lock these services out.
WITHOUT_SOURCE: Mapping[str, str] = {
    "cloudtrail.amazonaws.com": "https://github.com/prowler-cloud/prowler/issues/4714",
    "ec2.amazonaws.com": "https://github.com/prowler-cloud/prowler/issues/2810",
    "elastictranscoder.amazonaws.com": "https://github.com/prowler-cloud/prowler/issues/4714",
}


def _service_without_source(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "trust"):
        services = sorted(
            value
            for kind, value in principals(statement)
            if kind == "Service" and value not in WITHOUT_SOURCE
        )
        if statement.allows and services and not narrowing_keys(statement) & SOURCE_KEYS:
            yield Hit(
                resource=statement.holder,
                message=f"{', '.join(services)} may take on the role for anybody; add aws:SourceAccount",
                subject=", ".join(services),
            )


def _source_never_sent(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "trust"):
        asked = sorted(narrowing_keys(statement) & SOURCE_KEYS)
        silent = [
            value for kind, value in principals(statement) if kind == "Service" and value in WITHOUT_SOURCE
        ]
        for service in silent if statement.allows and asked else []:
            yield Hit(
                resource=statement.holder,
                message=f"{service} does not send {', '.join(asked)}, so it cannot take on the role; "
                f"leave the condition out ({WITHOUT_SOURCE[service]})",
                subject=service,
            )


def _open(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "trust"):
        if is_open_statement(statement):
            yield Hit(
                resource=statement.holder,
                message=f"statement {statement.index} lets every AWS principal take on the role; name "
                "principals",
                subject=f"statement {statement.index}",
            )


def _passing(templates: Templates) -> Iterator[Statement]:
    for statement in policies(templates, "identity"):
        if statement.allows and any(
            matches(str(action).lower(), "iam:passrole") for action in statement.actions
        ):
            yield statement


def _hit(statement: Statement, message: str) -> Hit:
    # CloudFormation keeps the order of statements, so the place is stable over runs.
    return Hit(resource=statement.holder, message=message, subject=f"statement {statement.index}")


def _pass_any(templates: Templates) -> Iterator[Hit]:
    for statement in _passing(templates):
        wide = [str(each) for each in statement.resources if str(each) == "*" or str(each).endswith("role/*")]
        if wide:
            yield _hit(statement, f"iam:PassRole on {', '.join(wide)}; name the roles")


def _pass_anywhere(templates: Templates) -> Iterator[Hit]:
    for statement in _passing(templates):
        if "iam:passedtoservice" not in narrowing_keys(statement):
            yield _hit(statement, "iam:PassRole to every service; add a condition on iam:PassedToService")


def _unbounded(templates: Templates) -> Iterator[Hit]:
    """Only where some roles have a boundary: whether to have one at all is the owner's choice."""
    roles = templates.of("AWS::IAM::Role", "AWS::IAM::User")
    if not any(role.get("PermissionsBoundary") for role in roles):
        return
    for role in roles:
        if not role.get("PermissionsBoundary"):
            yield Hit(
                resource=role, message="no permissions boundary, other roles of the deployment have one"
            )


SERVICE_TIED = Rule(
    id="ML-IAM-01",
    title="Services take on a role for this account only",
    severity=Severity.MEDIUM,
    rationale="A service acts for every customer; without the source of the call it may be tricked into "
    "taking on "
    "this role on behalf of a stranger (confused deputy).",
    fix="Add a condition on aws:SourceAccount, and on aws:SourceArn where the resource can be named.",
    controls=("NIST AC-3", "MLSEC03-BP01"),
    find=_service_without_source,
)
CLOSED = Rule(
    id="ML-IAM-02",
    title="Roles are not open to every AWS principal",
    severity=Severity.CRITICAL,
    rationale="Principal * without a condition is every account of AWS.",
    fix="Name the principals, or limit them with aws:PrincipalOrgID or an external id.",
    controls=("NIST AC-3", "MLSEC03-BP01"),
    find=_open,
)
PASSES_NAMED = Rule(
    id="ML-IAM-03",
    title="Only named roles are passed on",
    severity=Severity.HIGH,
    rationale="Who may pass any role to a service that runs code has the rights of the strongest role.",
    fix="Name the roles in Resource.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_pass_any,
)
PASSES_TO_NAMED = Rule(
    id="ML-IAM-04",
    title="Roles are passed on to a named service",
    severity=Severity.LOW,
    rationale="A role that also another service trusts could be used there, with other ways to run code.",
    fix="Add a condition on iam:PassedToService.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_pass_anywhere,
)
BOUNDED = Rule(
    id="ML-IAM-06",
    title="Every role is under the deployment's boundary",
    severity=Severity.MEDIUM,
    rationale="A boundary caps what a policy can grant by mistake; a role without it has no such cap.",
    fix="Set PermissionsBoundary, for all roles of a stack in one place.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_unbounded,
)
SOURCE_SENT = Rule(
    id="ML-IAM-05",
    title="No service is asked for a source that it does not send",
    severity=Severity.MEDIUM,
    rationale="The service is locked out of the role; what needs it fails, and not before it is deployed.",
    fix="Leave the condition out for this service, and grant its role nothing but its one task.",
    find=_source_never_sent,
)
