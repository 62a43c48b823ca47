"""Whom and what statements mean: trust, endpoints' policies, and rights that no resource narrows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from audit import authorization
from audit.findings import Severity
from audit.policies import Statement, matches, statements
from audit.rules.rule import (
    SOURCE_KEYS,
    Hit,
    Rule,
    is_everybody,
    is_open_statement,
    narrowing_keys,
    policies,
    principals,
    reference,
)
from audit.templates import Templates

# Which Region is asked, and over which way: not what is reached.
_NO_BOUND = {"ec2:region"}
_ACCOUNT = re.compile(r":(?:\d{12}|<AccountId>):")
_CALLER = ("aws:principalaccount", "aws:principalarn", "aws:principalorg")
_CALLED = ("aws:resourceaccount", "aws:resourceorg")
_BUCKET = re.compile(r"arn:[^:]+:s3:::(?P<name>[^/]+)$")
_CODE = "lambda:sourcefunctionarn"
# What EC2 asks of Lambda, and grants in its name: rights of the service, which the code's role must hold.
_INTERFACES = ("ec2:createnetworkinterface", "ec2:deletenetworkinterface")


def _hit(statement: Statement, message: str, subject: str) -> Hit:
    return Hit(resource=statement.holder, message=f"statement {statement.index} {message}", subject=subject)


def _anyone_trusted(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "trust"):
        keys = narrowing_keys(statement)
        if statement.allows and is_everybody(statement) and keys and not keys - SOURCE_KEYS:
            yield _hit(
                statement, "lets every service take on the role for this account; name the service", "*"
            )


def _calls_for_any(templates: Templates) -> Iterator[Hit]:
    for permission in templates.of("AWS::Lambda::Permission"):
        caller = permission.get("Principal")
        is_service = isinstance(caller, str) and ".amazonaws." in caller
        if is_service and not permission.get("SourceArn"):
            yield Hit(resource=permission, message=f"lets {caller} call for any resource; give SourceArn")


def _any_resource(templates: Templates) -> Iterator[Hit]:
    """But of functions and models: their names are made up after their role, so naming them is a circle."""
    circular = {str(each.get("Role")) for each in templates.of("AWS::Lambda::Function")}
    circular |= {str(each.get("ExecutionRoleArn")) for each in templates.of("AWS::SageMaker::Model")}
    for statement in policies(templates, "trust"):
        services = sorted(value for kind, value in principals(statement) if kind == "Service")
        asked = narrowing_keys(statement) & SOURCE_KEYS
        is_loose = bool(asked) and "aws:sourcearn" not in asked
        if statement.allows and services and is_loose and templates.arn(statement.holder) not in circular:
            names = ", ".join(services)
            yield _hit(statement, f"lets {names} take on the role for any resource; add aws:SourceArn", names)


def _unbounded(templates: Templates) -> Iterator[Hit]:
    """Actions on no resource at all, with a key of their own service in the reference."""
    for statement in policies(templates, "identity"):
        given = narrowing_keys(statement)
        for name in map(str, statement.actions) if statement.allows else ():
            action = authorization.action(name)
            if action is None or action.types:
                continue
            service = f"{name.partition(':')[0].lower()}:"
            own = {key for key in action.keys if key.startswith(service)} - _NO_BOUND
            if own and not any(matches(key, each) for key in own for each in given):
                yield _hit(
                    statement,
                    f"allows {name} on everything; add a condition on {', '.join(sorted(own))}",
                    name,
                )


def _unnamed_network(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "identity"):
        names = _lower(statement.actions)
        keys = narrowing_keys(statement)
        if not statement.allows or not any("*" in str(each) for each in statement.resources):
            continue
        if "ec2:createnetworkinterfacepermission" in names and not keys & {"ec2:vpc", "ec2:subnet"}:
            yield _hit(
                statement,
                "gives permission on network interfaces of every VPC; add a condition on ec2:Vpc",
                "ec2:CreateNetworkInterfacePermission",
            )
        if names & {"ec2:createtags", "ec2:deletetags"} and not _names_tags(statement):
            yield _hit(
                statement, "sets any tag of EC2 resources; add a condition on aws:TagKeys", "ec2:CreateTags"
            )


def _names_tags(statement: Statement) -> bool:
    """Also for all of the values (ForAllValues): a request that sets no tag at all does nothing."""
    keys = {
        str(key).lower()
        for operator, block in statement.conditions.items()
        if isinstance(block, Mapping) and "Null" not in str(operator)
        for key in block
    }
    return any(key.startswith(("aws:tagkeys", "aws:requesttag/", "ec2:createaction")) for key in keys)


def _lower(names: list[str]) -> set[str]:
    return {str(name).lower() for name in names}


def _listed_whole(templates: Templates) -> Iterator[Hit]:
    """Of buckets that no template makes: what else lies in them is not this deployment's."""
    own = {reference(templates, bucket) for bucket in templates.of("AWS::S3::Bucket")}
    for statement in policies(templates, "identity"):
        if not statement.allows or "s3:listbucket" not in _lower(statement.actions):
            continue
        foreign = [
            found["name"]
            for each in statement.resources
            if (found := _BUCKET.match(str(each))) and found["name"] not in own and "*" not in found["name"]
        ]
        if foreign and "s3:prefix" not in narrowing_keys(statement):
            names = ", ".join(foreign)
            yield _hit(statement, f"lists all of {names}; add a condition on s3:prefix", names)


def _code_may_too(templates: Templates) -> Iterator[Hit]:
    every = statements(templates)
    run_by_lambda = {
        statement.holder.address
        for statement in every
        if statement.kind == "trust" and ("Service", "lambda.amazonaws.com") in principals(statement)
    }
    spared = {
        (address, action)
        for statement in every
        if statement.kind == "identity" and _denies_code(statement)
        for address in statement.identities
        for action in _lower(statement.actions)
    }
    for statement in every:
        if statement.kind != "identity" or not statement.allows:
            continue
        for action in sorted(_lower(statement.actions) & set(_INTERFACES)):
            open_to = [
                address
                for address in statement.identities
                if address in run_by_lambda and (address, action) not in spared
            ]
            if open_to:
                yield _hit(
                    statement,
                    f"allows {action} to the function's code too; deny it where lambda:SourceFunctionArn is "
                    "given",
                    action,
                )


def _denies_code(statement: Statement) -> bool:
    asked = statement.conditions.get("Null")
    found = asked if isinstance(asked, Mapping) else {}
    is_given = any(
        str(key).lower() == _CODE and str(value).lower() == "false" for key, value in found.items()
    )
    return statement.raw.get("Effect") == "Deny" and (is_given or not statement.conditions)


def _way_out(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "endpoint"):
        if not statement.allows:
            continue
        keys = narrowing_keys(statement)
        is_ours = not is_everybody(statement) or any(key.startswith(_CALLER) for key in keys)
        places = [str(each) for each in statement.resources]
        is_here = any(key.startswith(_CALLED) for key in keys) or all(map(_is_named, places))
        lacking = [
            said
            for said, is_met in (("aws:PrincipalAccount", is_ours), ("aws:ResourceAccount", is_here))
            if not is_met
        ]
        if lacking and not ("*" in statement.actions and "*" in places and not keys):  # ML-NET-02 says that
            wanted = " and ".join(lacking)
            yield _hit(
                statement,
                f"lets through to or for other accounts; add {wanted}",
                f"{statement.index}: {wanted}",
            )


def _wide_way(templates: Templates) -> Iterator[Hit]:
    """That all is allowed on everything to everybody, ML-NET-02 says."""
    for statement in policies(templates, "endpoint"):
        wide = [str(each) for each in statement.actions if "*" in str(each)]
        wide += ["every resource"] if "*" in map(str, statement.resources) else []
        if statement.allows and wide and not is_open_statement(statement):
            named = ", ".join(wide)
            yield _hit(statement, f"lets {named} through; name what is called", f"{statement.index}: {named}")


def _is_named(arn: str) -> bool:
    """Its account is written, or (a bucket's) its whole name is."""
    return bool(_ACCOUNT.search(arn)) or (arn.startswith("arn:") and "*" not in arn.split("/")[0])


TRUSTS_NAMED = Rule(
    id="ML-IAM-07",
    title="Trust with a wildcard says who calls, and not only for whom",
    severity=Severity.MEDIUM,
    rationale="A condition on the source keeps people out, who send none; every service that acts for this "
    "account is let in, those too that run anybody's code.",
    fix="Name the service as the principal, or add a condition on aws:PrincipalOrgID or aws:PrincipalArn.",
    controls=("NIST AC-3", "NIST AC-6", "MLSEC03-BP01"),
    find=_anyone_trusted,
)
RESOURCE_NAMED = Rule(
    id="ML-IAM-15",
    title="Trust of a service names for which resources",
    severity=Severity.LOW,
    rationale="With the account alone, whoever may make a job of the service in this account may run it with "
    "the role, if they may pass it on.",
    fix="Add aws:SourceArn (ArnLike), beside aws:SourceAccount; a prefix of names is enough.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_any_resource,
)
BOUNDED_BY_KEY = Rule(
    id="ML-IAM-08",
    title="Actions that know no resource are bounded by their service's own key",
    severity=Severity.LOW,
    rationale="Resource * cannot be narrowed there, so the key (cloudwatch:namespace) is all that keeps a "
    "role "
    "from writing over the figures of another system.",
    fix="Add a condition on the key that the service authorization reference lists for the action.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_unbounded,
)
NETWORK_NAMED = Rule(
    id="ML-IAM-11",
    title="Rights on generated network interfaces name the VPC, or the tags",
    severity=Severity.MEDIUM,
    rationale="Ids of interfaces are not known before, so without a condition the right is for those of "
    "every "
    "VPC of the account; tags may decide about access elsewhere.",
    fix="Add a condition on ec2:Vpc or ec2:Subnet, and for tags on aws:TagKeys.",
    controls=("NIST AC-6", "NIST SC-7"),
    find=_unnamed_network,
)
LISTED_BELOW = Rule(
    id="ML-IAM-12",
    title="Buckets of others are listed below a prefix",
    severity=Severity.LOW,
    rationale="A bucket that is shared, as the one for the CDK's assets, shows by its names what everybody "
    "else keeps there.",
    fix="Add a condition on s3:prefix to the statement with s3:ListBucket.",
    controls=("NIST AC-6",),
    find=_listed_whole,
)
CODE_DENIED = Rule(
    id="ML-IAM-13",
    title="A function's code cannot use what Lambda needs for its network",
    severity=Severity.LOW,
    rationale="Lambda makes interfaces with the function's role, so the code holds the right as well; AWS's "
    "guide "
    "on Lambda in a VPC denies it to calls that carry the function's ARN.",
    fix="Deny the EC2 actions with Null lambda:SourceFunctionArn false.",
    controls=("NIST AC-6",),
    find=_code_may_too,
)
NO_WAY_OUT = Rule(
    id="ML-NET-06",
    title="Policies of VPC endpoints say whose principals and whose resources",
    severity=Severity.MEDIUM,
    rationale="Without both an endpoint carries data of the VPC to a stranger's account, with a stranger's "
    "credentials (data perimeter).",
    fix="Add aws:PrincipalAccount and aws:ResourceAccount (or the organisation's keys) to each statement.",
    controls=("NIST AC-4", "NIST SC-7", "MLSEC03-BP02"),
    find=_way_out,
)
NARROW_WAY = Rule(
    id="ML-NET-08",
    title="Policies of VPC endpoints name actions and resources",
    severity=Severity.LOW,
    rationale="An endpoint is there for a few calls; a role that is granted too much, or a credential that "
    "was "
    "taken, is held by what the endpoint lets through.",
    fix="List the actions that units in the VPC call, and the resources of the deployment.",
    controls=("NIST AC-4", "NIST AC-6"),
    find=_wide_way,
)
CALLER_NAMED = Rule(
    id="ML-IAM-17",
    title="A service calls a function for a named resource only",
    severity=Severity.MEDIUM,
    rationale="Without it the service calls the function for whoever has a resource of that kind in the "
    "account, or in any account where SourceAccount is missing too.",
    fix="Give the permission the SourceArn of the resource for which the service calls.",
    controls=("NIST AC-3",),
    find=_calls_for_any,
)
