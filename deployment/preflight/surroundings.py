"""What a deployment finds around it, besides quotas: Region, bootstrap, service roles, earlier stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from audit import regions
from deployment import stacks
from deployment.names import Names
from deployment.place import Place
from deployment.preflight.asked import Asked
from deployment.preflight.findings import Problem, Severity

# A command in the words of a template's rule.
_COMMAND = re.compile(r"`(aws [^`]+)`")
_EVERYBODY = "IAM_ALLOWED_PRINCIPALS"
_DEFAULTS = ("CreateDatabaseDefaultPermissions", "CreateTableDefaultPermissions")
_READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
_READY_TOO = ("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


def region(asked: Asked, name: str) -> Iterator[Problem]:
    """What the templates and the tables say of a Region, without asking AWS."""
    for lack in regions.lacking(asked.templates, name):
        severity = Severity.STOPS if lack.is_sure else Severity.UNKNOWN
        said = _COMMAND.search(lack.sentence)
        command = f"{said[1]} --region {name}" if said else ""
        yield Problem(area="region", severity=severity, what=lack.what, got=lack.sentence, command=command)


def prefix_lists(asked: Asked, place: Place) -> Iterator[Problem]:
    """The ids of the templates' table against those of the Region; for a Region without a row, the row."""
    named = {key: value for (_, key), value in regions.mapped(asked.templates, place.region).items()}
    pages = place.client("ec2").get_paginator("describe_prefix_lists").paginate()
    there = {each["PrefixListName"]: each["PrefixListId"] for page in pages for each in page["PrefixLists"]}
    ids = {
        service: there[name]
        for service in ("s3", "dynamodb")
        if service in named and (name := f"com.amazonaws.{place.region}.{service}") in there
    }
    wrong = {service: found for service, found in ids.items() if named[service] != found}
    if wrong:
        yield Problem(
            area="region",
            severity=Severity.STOPS,
            what=f"prefix lists of {', '.join(wrong)}",
            got=f"the templates name {', '.join(str(named[service]) for service in wrong)}; {place.region} "
            f'has others. Put this row into PREFIX_LISTS in security/endpoints.py: "{place.region}": '
            f"{json.dumps(ids)},",
        )


def endpoint_services(asked: Asked, place: Place) -> Iterator[Problem]:
    """Each service of an endpoint, and the zones that it and the subnets need."""
    ec2 = place.client("ec2")
    wanted = regions.endpoint_services(asked.templates, place.region)
    if wanted:
        # All of them: asked for by name, one that is missing would be an error of the call.
        pages = ec2.get_paginator("describe_vpc_endpoint_services").paginate()
        there = {name for page in pages for name in page["ServiceNames"]}
        for name in sorted(set(wanted) - there):
            yield Problem(
                area="region",
                severity=Severity.STOPS,
                what=name,
                got=f"{place.region} has no such endpoint service; choose another Region",
            )
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    usable = [zone for zone in zones if zone["State"] == "available"]
    if len(usable) < asked.zones:
        yield Problem(
            area="region",
            severity=Severity.STOPS,
            what="availability zones",
            got=f"got {len(usable)} available, needed {asked.zones}; set base.zones in settings.py",
        )


def bootstrap(asked: Asked, place: Place) -> Iterator[Problem]:
    for parameter, needed in asked.bootstrap.items():
        command = f"cdk bootstrap aws://{place.account}/{place.region}"
        try:
            answer = place.client("ssm").get_parameter(Name=parameter)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            got = f"there is no parameter {parameter}: {place.region} is not prepared for the CDK"
        else:
            version = int(answer["Parameter"]["Value"])
            if version >= needed:
                continue
            got = f"got version {version}, needed {needed}"
        yield Problem(
            area="bootstrap", severity=Severity.STOPS, what="CDK bootstrap", got=got, command=command
        )


def service_roles(asked: Asked, place: Place) -> Iterator[Problem]:
    """By the path that belongs to the service alone: whatever the role there is called."""
    for role, service in sorted(asked.service_roles.items()):
        path = f"/aws-service-role/{service}/"
        if not place.client("iam").list_roles(PathPrefix=path)["Roles"]:
            yield Problem(
                area="roles",
                severity=Severity.MAY,
                what=role,
                got="the service-linked role is missing; the deployment makes it only if its role may",
                command=f"aws iam create-service-linked-role --aws-service-name {service}",
            )


def lake_formation(asked: Asked, place: Place) -> Iterator[Problem]:
    """Whether what IAM allows counts for a new database, or Lake Formation asks for grants of its own."""
    if not asked.has_catalogue:
        return
    settings = place.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    lacking = [name for name in _DEFAULTS if not _lets_iam_decide(settings.get(name) or [])]
    if not lacking:
        return
    everybody = [{"Principal": {"DataLakePrincipalIdentifier": _EVERYBODY}, "Permissions": ["ALL"]}]
    mended = json.dumps({**settings, **dict.fromkeys(lacking, everybody)}, sort_keys=True)
    yield Problem(
        area="lake formation",
        severity=Severity.STOPS,
        what="default permissions",
        got=f"{', '.join(lacking)} leave out {_EVERYBODY}: new databases and tables are closed to the roles "
        "of these stacks, whatever IAM allows. The command changes the default for everybody in the account; "
        "the other way is to grant each role in Lake Formation",
        command=f"aws lakeformation put-data-lake-settings --region {place.region} "
        f"--data-lake-settings '{mended}'",
    )


def _lets_iam_decide(entries: list[dict[str, Any]]) -> bool:
    return any(
        entry.get("Principal", {}).get("DataLakePrincipalIdentifier") == _EVERYBODY
        and "ALL" in entry.get("Permissions", [])
        for entry in entries
    )


def stack_states(place: Place, names: Names) -> Iterator[Problem]:
    for stack in stacks.present(place, names):
        if stack.status not in (*_READY, *_READY_TOO):
            got, command = _advice(stack.status, stack.name, place.region, names.profile)
            yield Problem(
                area="stacks",
                severity=Severity.STOPS,
                what=stack.name,
                got=f"{stack.status}: {got}",
                command=command,
            )


def _wait(status: str) -> str:
    """Until nothing works on the stack; for a creation that is taken back the CLI knows no waiting."""
    for beginning, verb in (("UPDATE_ROLLBACK", "rollback"), ("CREATE", "create"), ("DELETE", "delete")):
        if status.startswith(beginning):
            return f"wait stack-{verb}-complete"
    return "wait stack-update-complete" if status.startswith("UPDATE") else "describe-stacks"


def _advice(status: str, name: str, region: str, profile: str) -> tuple[str, str]:
    at = f"--stack-name {name} --region {region}"
    if stacks.is_moving(status):
        return "something works on it", f"aws cloudformation {_wait(status)} {at}"
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"):
        return (
            "its first creation failed; it cannot be updated, only deleted",
            f"aws cloudformation delete-stack {at}",
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return "the way back failed too", f"aws cloudformation continue-update-rollback {at}"
    if status == "DELETE_FAILED":
        return "its deletion was begun", f"make destroy PROFILE={profile}"
    return "it cannot be updated like this", f"aws cloudformation rollback-stack {at}"
