"""What is looked at before anything is changed: what would stop it half-way, or hit the wrong one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from deployment import buckets, stacks
from deployment.errors import RefusedError
from deployment.inventory import Inventory
from deployment.names import Names, profiles_of
from deployment.place import Place
from deployment.rest import named
from deployment.stacks import Stack


def refuse_elsewhere(place: Place, account: str | None, region: str | None) -> None:
    """Where the caller said which account or Region is meant."""
    if account and account != place.account:
        raise RefusedError(
            f"the credentials are of another account: got {place.account}, allowed {account}; "
            "fix: export AWS_PROFILE=... with credentials of that one, or correct ACCOUNT"
        )
    if region and region != place.region:
        raise RefusedError(
            f"the environment is set to another Region: got {place.region}, allowed {region}; "
            f"fix: export AWS_REGION={region}, or correct REGION"
        )


def confirm_first(place: Place, profile: str, others: Sequence[str], *, is_given: bool) -> None:
    """Whoever deploys a profile to an account for the first time names the account: nobody does by habit."""
    if is_given:
        return
    where = f"account {place.account}, Region {place.region}"
    beside = f", beside {', '.join(others)}" if others else ""
    if not sys.stdin.isatty():
        raise RefusedError(
            f"profile {profile} was never deployed to {where}, and there is no terminal to ask whether that "
            f"is the right place; fix: python -m deployment deploy --profile {profile} --account <number>"
        )
    wanted = place.account[-4:]
    try:
        said = input(
            f"Profile {profile} is new in {where}{beside}, and costs money there. "
            f"Type the last four digits of the account's number ({wanted}) to deploy it: "
        ).strip()
    except EOFError:
        said = ""
    if said != wanted:
        raise RefusedError(f"not confirmed: got {said!r}, allowed: {wanted!r}")


def refuse_protected(found: Sequence[Stack]) -> None:
    if protected := [stack.name for stack in found if stack.is_protected]:
        command = "aws cloudformation update-termination-protection --no-enable-termination-protection"
        raise RefusedError(
            f"{', '.join(protected)}: protected from deletion, as the profile wants it; "
            "fix: if this deployment is really to go, with all that its templates do not retain, "
            "switch the protection off and come again:\n"
            + "\n".join(f"  {command} --stack-name {name}" for name in protected)
        )


def refuse_imported(place: Place, found: Sequence[Stack]) -> None:
    if others := stacks.importers(place, found):
        raise RefusedError(
            f"other stacks import from these: {', '.join(sorted(others))}; CloudFormation deletes no stack "
            "whose exports are in use; fix: delete or change the other stacks first"
        )


def refuse_locked(place: Place, inventory: Inventory) -> None:
    """S3 lets nobody empty a locked bucket before its objects' time, and this command bypasses no lock."""
    for bucket in named(inventory.lost(), "AWS::S3::Bucket"):
        if not buckets.exists(place, bucket):
            continue
        how = buckets.lock(place, bucket)
        if how and buckets.content(place, bucket).versions:
            raise RefusedError(
                f"bucket {bucket} is locked ({how}): none of its objects is deleted before its time, so its "
                "stack cannot go; allowed: a locked bucket that is empty, or one that the template retains; "
                "fix: set base.keep_on_destroy for the profile in settings.py and deploy, so that the bucket "
                "is left behind, or wait"
            )


def refuse_unknown(place: Place, names: Names, every: Sequence[str]) -> None:
    there = ", ".join(profiles_of(every)) or "none"
    raise RefusedError(
        f"there is no stack {names.prefix}-* in {place.region} of account {place.account}, nor was there one "
        f"in the last 90 days; profiles deployed there: {there}; fix: give one of these, or the Region and "
        "the credentials that it was deployed with (AWS_REGION, AWS_PROFILE)"
    )


def confirm(profile: str, *, is_given: bool) -> None:
    """The yes is the profile's name: nobody types that for another one by habit."""
    if is_given:
        return
    if not sys.stdin.isatty():
        raise RefusedError(
            "there is no terminal to ask for a yes; allowed: a person at a terminal, or a yes on the command "
            f"line; fix: python -m deployment destroy --profile {profile} --yes"
        )
    try:
        said = input(f"Type the profile's name ({profile}) to delete all this: ").strip()
    except EOFError:
        said = ""
    if said != profile:
        raise RefusedError(f"not confirmed: got {said!r}, allowed: {profile!r}")
