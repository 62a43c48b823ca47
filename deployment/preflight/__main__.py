"""`python -m deployment.preflight --profile <profile>`: would a deployment of the profile come through?

Looks and changes nothing. With credentials the account is asked; without, dated figures of a new account
stand in for it. Exit status: 0 nothing serious, 1 problems, 2 it could not be looked at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from audit.templates import InputError
from deployment import cli, errors, place, stacks
from deployment.names import Names, names_for
from deployment.place import Place
from deployment.preflight import asked, offline, problems
from deployment.preflight.asked import Asked
from deployment.preflight.findings import Problem, Severity, summary, told

FINE, PROBLEMS, BLIND = 0, 1, 2
_HOME = "us-east-1"  # a Region that no account can switch off
_NO_SUCH_TOKEN = {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="preflight-") as folder:
            return _main(options, Path(folder))
    except (InputError, RuntimeError) as error:
        print(f"cannot check: {error}", file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(f"cannot check: {errors.explained(error)}", file=sys.stderr)
    return BLIND


def _main(options: argparse.Namespace, folder: Path) -> int:
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    try:
        where = _here(region)
    except (NoCredentialsError, NoRegionError) as error:
        if isinstance(error, NoRegionError) and boto3.Session().get_credentials() is not None:
            raise
        _tell(
            f"without an account ({error}): against what a new one has, as of the dates in audit/quotas.yaml"
        )
        where = None
    except _NotEnabledError as error:
        return _end([error.problem], 0)
    if where and options.account and where.account != options.account:
        return _end([_wrong_account(where, options.account)], 0)
    parts = asked.by_region(options.app or _synthesised(where, options.profile, folder / "cdk.out", region))
    found: list[Problem] = []
    for second, wanted in parts.items():
        refuse_other_profile(wanted, options.profile)
        if second:
            _tell(f"second Region, {second}:")
        found += _looked_at(options, where, second or region, wanted, is_second=bool(second))
    return _end(found, sum(len(wanted.templates.resources) for wanted in parts.values()))


def _looked_at(
    options: argparse.Namespace, where: Place | None, region: str, wanted: Asked, *, is_second: bool
) -> list[Problem]:
    if where is None:
        if not region:
            _tell("the Region is not known: give --region, or export AWS_REGION")
        return offline(wanted, region, _tell)
    there = where.at(region) if is_second else where
    if not is_second:
        _tell(f"account {there.account}, Region {there.region}, as {there.caller}")
    names = names_for(options.profile, stacks.all_names(there))
    found = problems(there, names, wanted, _tell)
    return [replace(each, what=f"{each.what} in {region}") for each in found] if is_second else found


def refuse_other_profile(wanted: Asked, profile: str) -> None:
    """An assembly of another profile would be checked against the names of this one."""
    names = Names(profile=profile)
    if strange := [stack for stack in wanted.stacks if not names.begins(stack)]:
        raise InputError(
            f"the assembly has stack {strange[0]}; allowed: stacks of {names.prefix}; fix: give the profile "
            "that it was synthesised for"
        )


class _NotEnabledError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.got)
        self.problem = problem


def _here(region: str) -> Place:
    """Tells a Region that is not switched on from unknown credentials: AWS refuses both alike."""
    try:
        return place.here(region)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_SUCH_TOKEN or region in ("", _HOME):
            raise
        try:
            session = boto3.Session(region_name=_HOME)
            account = session.client("sts").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError):
            raise error from None
        raise _NotEnabledError(
            Problem(
                area="region",
                severity=Severity.STOPS,
                what=region,
                got=f"account {account} has not switched this Region on",
                command=f"aws account enable-region --region-name {region}",
            )
        ) from error


def _wrong_account(where: Place, expected: str) -> Problem:
    return Problem(
        area="account",
        severity=Severity.STOPS,
        what=where.account,
        got=f"the credentials lead to account {where.account} as {where.caller}, expected {expected}; export "
        "AWS_PROFILE=... of that account, or sign in there",
    )


def _synthesised(where: Place | None, profile: str, into: Path, region: str) -> Path:
    """As it would be deployed to the Region; what a Region lacks for it is to be told, and not refused."""
    _tell(f"synthesises profile {profile}")
    nowhere = Place(account="", region=_HOME, caller="", session=boto3.Session(region_name=_HOME))
    known = where.region if where else region
    try:
        return cli.synthesised(where or nowhere, profile, into, region=known)
    except errors.RefusedError:
        if not known:
            raise
        return cli.synthesised(where or nowhere, profile, into)


def _end(found: list[Problem], resources: int) -> int:
    for line in told(found):
        _tell(line)
    _tell(summary(found, resources))
    if any(problem.is_serious for problem in found):
        return PROBLEMS
    return BLIND if any(problem.severity is Severity.UNKNOWN for problem in found) else FINE


def _tell(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment.preflight", description=__doc__)
    parser.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
    parser.add_argument("--account", default="", help="the account that it is meant for; another is refused")
    parser.add_argument("--region", default="", help="instead of AWS_REGION; also without credentials")
    parser.add_argument("--app", type=Path, help="a synthesised assembly (cdk.out) instead of this checkout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
