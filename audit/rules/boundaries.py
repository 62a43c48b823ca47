"""Permissions boundaries: what they cap, and what they keep SageMaker from doing whoever asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from audit.findings import Severity
from audit.policies import Statement, listed, matches
from audit.rules.rule import Hit, Rule, policies
from audit.templates import Resource, Templates

_IN_VPC = ("createmodel", "createprocessingjob", "createtrainingjob")
_RUNS = ("createprocessingjob", "createtrainingjob")
_WITH_OUTPUT = (*_RUNS, "createtransformjob")
# (operator, value, key) of a denial -> SageMaker's actions that carry the key.
DENIED: Mapping[tuple[str, str, str], tuple[str, ...]] = {
    ("Null", "true", "sagemaker:vpcsubnets"): _IN_VPC,
    ("Null", "true", "sagemaker:vpcsecuritygroupids"): _IN_VPC,
    ("Null", "true", "sagemaker:networkisolation"): _IN_VPC,
    ("Bool", "false", "sagemaker:networkisolation"): _IN_VPC,
    ("Null", "true", "sagemaker:volumekmskey"): ("createendpointconfig", *_WITH_OUTPUT),
    ("Null", "true", "sagemaker:outputkmskey"): _WITH_OUTPUT,
    ("Null", "true", "sagemaker:maxruntimeinseconds"): _RUNS,
    ("Null", "true", "sagemaker:intercontainertrafficencryption"): _RUNS,
    ("Bool", "false", "sagemaker:intercontainertrafficencryption"): _RUNS,
}
_ACCOUNT_KEYS = ("aws:resourceaccount", "aws:resourceorg")


def _boundaries(templates: Templates) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = defaultdict(list)
    for statement in policies(templates, "boundary"):
        found[statement.holder.address].append(statement)
    return found


def _loose_work(templates: Templates) -> Iterator[Hit]:
    for address, held in _boundaries(templates).items():
        for (operator, value, key), names in DENIED.items():
            actions = [f"sagemaker:{name}" for name in names]
            capped = [action for action in actions if _names(held, action)]
            stopped = {action for action in capped if _is_denied(held, action, operator, value, key)}
            left = [action for action in capped if action not in stopped]
            if left:
                yield _hit(
                    templates.by_address[address],
                    f"{', '.join(left)} is not denied where {key} is {_said(operator)}; deny it",
                    f"{key} {_said(operator)}",
                )


def _said(operator: str) -> str:
    return "missing" if operator == "Null" else "off"


def _names(held: list[Statement], action: str) -> bool:
    return any(statement.allows and _has(statement, action) for statement in held)


def _has(statement: Statement, action: str) -> bool:
    return any(matches(str(each).lower(), action) for each in statement.actions)


def _is_denied(held: list[Statement], action: str, operator: str, value: str, key: str) -> bool:
    """By a statement that asks for this alone: keys of one statement are joined by AND."""
    for statement in held:
        asked = {
            (str(given), str(values).lower(), str(name).lower())
            for given, block in statement.conditions.items()
            if isinstance(block, Mapping)
            for name, values in block.items()
        }
        is_denial = statement.raw.get("Effect") == "Deny" and _has(statement, action)
        if is_denial and asked <= {(operator, value, key)} and "*" in listed(statement.raw.get("Resource")):
            return True
    return False


def _unnamed(templates: Templates) -> Iterator[Hit]:
    for address, held in _boundaries(templates).items():
        for statement in held:
            wide = [str(each) for each in statement.actions if "*" in str(each)]
            if statement.allows and (wide or statement.not_actions):
                named = ", ".join(wide) or "NotAction"
                yield _hit(templates.by_address[address], f"caps nothing of {named}; name actions", named)


def _elsewhere(templates: Templates) -> Iterator[Hit]:
    for address, held in _boundaries(templates).items():
        for statement in held:
            names = {str(each).partition(":")[0].lower() for each in statement.actions}
            # AWS keeps the images that SageMaker and Lambda run in registries of its own accounts.
            is_elsewhere = names == {"ecr"} or "*" not in statement.resources
            if statement.allows and not is_elsewhere and not _keeps_to_account(statement):
                yield _hit(
                    templates.by_address[address],
                    f"statement {statement.index} reaches resources of every account; add "
                    "aws:ResourceAccount",
                    f"statement {statement.index}",
                )


def _keeps_to_account(statement: Statement) -> bool:
    """Also with IfExists: a few services do not send the key."""
    return any(
        str(key).lower().startswith(_ACCOUNT_KEYS)
        for operator, block in statement.conditions.items()
        if isinstance(block, Mapping) and "Not" not in str(operator)
        for key in block
    )


def _from_elsewhere(templates: Templates) -> Iterator[Hit]:
    own = {templates.arn(policy) for policy in templates.of("AWS::IAM::ManagedPolicy")}
    roles = templates.of("AWS::IAM::Role", "AWS::IAM::User")
    if not any(str(role.get("PermissionsBoundary")) in own for role in roles):
        return
    for role in roles:
        given = role.get("PermissionsBoundary")
        if given and str(given) not in own:
            yield _hit(
                role, f"its boundary {given} is in no template, as those of others are; take theirs", ""
            )


def _hit(resource: Resource, message: str, subject: str) -> Hit:
    return Hit(resource=resource, message=message, subject=subject)


DENIES_LOOSE_WORK = Rule(
    id="ML-IAM-09",
    title="A boundary that lets SageMaker work begin denies it where it is not isolated and encrypted",
    severity=Severity.MEDIUM,
    rationale="Rules look at definitions as they are written; who may write another one, or call SageMaker, "
    "is "
    "stopped by a denial on the request's own keys alone.",
    fix="Deny with Null (and Bool) on sagemaker:VpcSubnets, NetworkIsolation, VolumeKmsKey and the others, "
    "one statement each.",
    controls=("NIST AC-3", "NIST SC-7", "NIST SC-28", "MLSEC03-BP02"),
    find=_loose_work,
)
NAMES_ACTIONS = Rule(
    id="ML-IAM-10",
    title="A boundary names the actions that it lets through",
    severity=Severity.LOW,
    rationale="With a wildcard it lets through what AWS adds tomorrow, and caps no mistake of today.",
    fix="List the actions that roles of the deployment need.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_unnamed,
)
KEEPS_TO_ACCOUNT = Rule(
    id="ML-IAM-14",
    title="A boundary keeps to the account's resources",
    severity=Severity.MEDIUM,
    rationale="A policy that names a stranger's bucket, by mistake or on purpose, would carry data out; the "
    "boundary is where it can be stopped for all roles at once.",
    fix="Add aws:ResourceAccount (StringEqualsIfExists) to statements on every resource.",
    controls=("NIST AC-4", "MLSEC03-BP02"),
    find=_elsewhere,
)
ONE_FOR_ALL = Rule(
    id="ML-IAM-16",
    title="Roles are under a boundary that the templates hold, where others are",
    severity=Severity.MEDIUM,
    rationale="A boundary from elsewhere, AWS's AdministratorAccess for example, fulfils every rule that "
    "asks for "
    "one, and caps nothing that can be read here.",
    fix="Give the role the boundary of the other roles.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_from_elsewhere,
)
