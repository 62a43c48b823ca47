"""Fail-over and fail-back: the standby answers instead of the first Region, and hands back what it was asked.

Fail-over asks the second Region alone, but for one look whether the first still answers. Both commands look
how far things are: after an interruption the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deployment import place, refusals, stacks, standby
from deployment.errors import RefusedError, is_about_credentials
from deployment.names import Names, names_for
from deployment.place import Place
from deployment.standby import Champion, Standby

_SHORT = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
_WELL = ("InService", "Updating", "SystemUpdating", "RollingBack")
_CAPTURES = "captures/"


@dataclass(frozen=True, kw_only=True)
class Command:
    options: argparse.Namespace
    tell: Callable[[str], None]
    pause: Callable[[float], None]

    def fail_over(self) -> None:
        here = self._standing()
        champion = self._champion(here)
        self._refuse_needless(here, champion)
        answers = "answers already" if here.described() else "is made"
        self.tell(
            f"{here.names.prefix} is to answer in {here.place.region}: endpoint {here.endpoint} {answers}"
        )
        self.tell(f"  with {champion}")
        self.tell("  what the first Region promoted or stored later than that is not here")
        self._confirm("fail over", here.names)
        is_new = here.bring_up(champion)
        self.tell(
            f"{'it' if is_new else 'as it was before, it'} answers in {here.place.region}. Now, for clients:"
        )
        self.tell(f"  AWS_REGION={here.place.region}, endpoint {here.endpoint} (the name is the same)")
        self.tell(f"  role {here.outputs['StandbyClientRoleArn']}")
        self.tell(f"back, when the first Region is: make failback PROFILE={here.names.profile}")

    def warm_up(self) -> None:
        """The standby's endpoint serves the newest champion, or the rule while none is known."""
        self._standing().warm_up()

    def fail_back(self) -> None:
        site = self._place()
        names = names_for(self.options.profile, stacks.all_names(site))
        second = stacks.second_region(site, names)
        if second is None or stacks.find(site, names.stack("base")) is None:
            raise RefusedError(
                f"{site.region} is not the first Region of {names.prefix} with a second one; fix: --region "
                "with the Region that it was deployed to first, or make deploy if that lost its stacks"
            )
        here = standby.standing(site.at(second), names, self.tell, self.pause)
        self._refuse_unwell(site, here)
        what = "stays, as settings.py wants it warm" if here.is_warm else "is deleted"
        self.tell(f"{names.prefix} is to answer in {site.region} again; the endpoint in {second} {what}")
        self.tell("  first send the clients back: what they ask from now on, the first Region answers")
        self._confirm("fail back", names)
        if not here.is_warm:
            here.take_down()
        carried, known = self._carry(here, site)
        self.tell(f"captures carried home: {carried}; {known} were there already")
        self.tell(
            "SageMaker delivers captures minutes late: run the command once more after a quarter of an hour"
        )

    def _place(self) -> Place:
        site = place.here(self.options.region or "")
        self.tell(f"account {site.account}, Region {site.region}, as {site.caller}")
        refusals.refuse_elsewhere(site, self.options.account, None)
        return site

    def _standing(self) -> Standby:
        site = self._place()
        names = names_for(self.options.profile, stacks.all_names(site))
        return standby.standing(site, names, self.tell, self.pause)

    def _champion(self, here: Standby) -> Champion:
        return here.rule() if self.options.rule else here.chosen(older=self.options.older)

    def _refuse_needless(self, here: Standby, champion: Champion) -> None:
        region = champion.region or next((each.region for each in here.champions()), "")
        if not region:
            return  # nothing says where the first Region is
        status = _endpoint_status(here.place.at(region), here.endpoint)
        if status not in _WELL:
            self.tell(f"{region} does not serve: {status}")
        elif self.options.although_healthy:
            self.tell(f"{region} still serves ({status}); it is left as it is")
        else:
            raise RefusedError(
                f"the first Region, {region}, still serves: endpoint {here.endpoint} is {status}; allowed: a "
                "Region that does not answer, or a rehearsal; fix: leave the clients where they are, or "
                "--although-healthy"
            )

    def _refuse_unwell(self, site: Place, here: Standby) -> None:
        status = _endpoint_status(site, here.endpoint)
        if status != "InService":
            raise RefusedError(
                f"the first Region, {site.region}, does not serve yet: endpoint {here.endpoint} is {status}; "
                f"allowed: InService; fix: make deploy PROFILE={here.names.profile}, then come again"
            )

    def _confirm(self, verb: str, names: Names) -> None:
        if self.options.yes:
            return
        if not sys.stdin.isatty():
            raise RefusedError(
                f"there is no terminal to ask for a yes; allowed: a person at a terminal, or a yes on the "
                f"command line; fix: --yes to {verb}"
            )
        try:
            said = input(f"Type the profile's name ({names.profile}) to {verb}: ").strip()
        except EOFError:
            said = ""
        if said != names.profile:
            raise RefusedError(f"not confirmed: got {said!r}, allowed: {names.profile!r}")

    def _carry(self, here: Standby, site: Place) -> tuple[int, int]:
        """How many captures were not in the first Region, by their unique names, and how many were."""
        carrier = standby.assumed(here.place, here.outputs["StandbyCarrierRoleArn"])
        source, target = carrier.client("s3"), carrier.client("s3", region_name=site.region)
        away = here.outputs["StandbyCapturesBucketName"]
        home = _captures_bucket(site, here.names)
        carried = known = 0
        for folder, keys in _by_folder(source, away).items():
            there = set(_keys(target, home, folder))
            for key in keys:
                if key in there:
                    known += 1
                    continue
                body = source.get_object(Bucket=away, Key=key)["Body"].read()
                target.put_object(Bucket=home, Key=key, Body=body)
                carried += 1
        return carried, known


def _captures_bucket(site: Place, names: Names) -> str:
    """By its place in the data stack: no output tells it, as nobody but SageMaker writes there."""
    data = stacks.find(site, names.stack("data"))
    found = [
        resource.name
        for resource in (stacks.resources(site, data) if data else [])
        if resource.type == "AWS::S3::Bucket" and resource.logical_id.startswith("LakeCaptures")
    ]
    if not found:
        raise RefusedError(
            f"{names.stack('data')} has no bucket of captures in {site.region}; fix: make deploy"
        )
    return found[0]


def _by_folder(s3: Any, bucket: str) -> dict[str, list[str]]:
    """Keys by the hour that they are of."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in _keys(s3, bucket, _CAPTURES):
        found[key.rpartition("/")[0] + "/"].append(key)
    return found


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


def _endpoint_status(site: Place, name: str) -> str:
    """SageMaker's word, `absent`, or why the Region does not answer."""
    sagemaker = site.session.client("sagemaker", region_name=site.region, config=_SHORT)
    try:
        found = standby.endpoint(sagemaker, name)
    except (BotoCoreError, ClientError) as error:
        if is_about_credentials(error):
            raise
        if isinstance(error, ClientError) and "AccessDenied" in error.response["Error"]["Code"]:
            raise RefusedError(
                f"the caller may not ask whether {site.region} still serves ({error}); allowed: "
                f"sagemaker:DescribeEndpoint on {name} there; fix: use a role that may"
            ) from error
        return f"no answer ({error})"
    return str(found["EndpointStatus"]) if found else "absent"
