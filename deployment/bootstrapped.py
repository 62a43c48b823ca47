"""Whether the CDK can deploy into an account and Region: its bootstrap is there, whole and new enough."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import ClientError

from deployment import buckets, stacks
from deployment.assembly import Wanted
from deployment.errors import RefusedError
from deployment.left import TOOLKIT
from deployment.place import Place


def refuse_unprepared(place: Place, wanted: Sequence[Wanted]) -> None:
    needed = max(stack.bootstrap for stack in wanted)
    parameter = next((stack.bootstrap_parameter for stack in wanted if stack.bootstrap_parameter), "")
    if not parameter:  # an assembly that needs none: another synthesizer
        return
    command = f"cdk bootstrap aws://{place.account}/{place.region}"
    where = f"{place.region} of account {place.account}"
    refuse_broken(place, command)
    version = _version(place, parameter)
    if version is None:
        raise RefusedError(
            f"{where} is not prepared for the CDK: there is no parameter {parameter}; "
            f"fix, once for each account and Region: {command}{_left_over(place, parameter)}"
        )
    if version < needed:
        raise RefusedError(
            f"the CDK's bootstrap in {where} is too old: got version {version}, allowed {needed} and later; "
            f"fix: {command}"
        )
    bucket = _bucket(place, parameter)
    if not buckets.exists(place, bucket):
        raise RefusedError(
            f"the CDK's bootstrap in {where} has lost its bucket {bucket}; fix: delete the stack and prepare "
            f"anew:\n  aws cloudformation delete-stack --stack-name {TOOLKIT} --region {place.region}\n"
            f"  {command}"
        )


def refuse_broken(place: Place, command: str) -> None:
    """A bootstrap that failed or is on its way."""
    stack = stacks.find(place, TOOLKIT)
    if stack is None or stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        return
    if stacks.is_moving(stack.status):
        raise RefusedError(
            f"the CDK's bootstrap is {stack.status}; fix: wait until it has ended, then run the command again"
        )
    delete = f"aws cloudformation delete-stack --stack-name {TOOLKIT} --region {place.region}"
    raise RefusedError(f"the CDK's bootstrap is {stack.status}; fix:\n  {delete}\n  {command}")


def _version(place: Place, parameter: str) -> int | None:
    try:
        return int(place.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise


def _bucket(place: Place, parameter: str) -> str:
    qualifier = parameter.split("/")[2]
    return f"cdk-{qualifier}-assets-{place.account}-{place.region}"


def _left_over(place: Place, parameter: str) -> str:
    """The bucket of an earlier bootstrap, or one made by hand, stands in the way of the next."""
    bucket = _bucket(place, parameter)
    if not buckets.exists(place, bucket):
        return ""
    return (
        f"; before that: the bucket {bucket} is there already, by hand or from an earlier bootstrap, and "
        f"would stop it. If nothing in it is needed: aws s3 rb s3://{bucket} --force"
    )
