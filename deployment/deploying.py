"""The command that deploys: what is looked at first, the question, the stacks, what to do next."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployment import (
    assembly,
    bootstrapped,
    cli,
    foreseen,
    next_steps,
    place,
    refusals,
    stacks,
    standby,
    taken,
)
from deployment.assembly import Wanted
from deployment.conditions import NEVER_MADE, Conditions
from deployment.deploy import Deployment, at, places
from deployment.errors import RefusedError
from deployment.names import DELIVERING, Names, names_for, profiles_of
from deployment.place import Place

# Each looks at the account before anything is made, and raises RefusedError with the command that mends it.
# Cheap ones first; one more check is one more entry.
Check = Callable[[Place, Sequence[Wanted]], None]
CHECKS: tuple[Check, ...] = (bootstrapped.refuse_unprepared, taken.refuse_taken)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One `deploy`. `folder` is for what lasts as long as the command."""

    options: argparse.Namespace
    folder: Path
    tell: Callable[[str], None]
    pause: Callable[[float], None]
    make_cdk: cli.Make
    clock: Callable[[], float] = time.monotonic

    def prepared(self) -> Deployment:
        """Everything that can be refused, and the question."""
        site = place.here()
        self.tell(f"account {site.account}, Region {site.region}, as {site.caller}")
        refusals.refuse_elsewhere(site, self.options.account, self.options.region)
        if self.options.delivery:
            site = self._looking_about(site)
        every = stacks.all_names(site)
        names = names_for(self.options.profile, every)
        source = self.options.app or self._synthesised(site, names)
        wanted = self._chosen(names, assembly.wanted(source, names))
        for warning in assembly.warnings(source):
            self.tell(f"note: {warning}")
        conditions = Conditions(
            place=site, names=names, tell=self.tell, pause=self.pause, reopens=self.options.reopen
        )
        _refuse_same(site, wanted)
        every_place = places(site, wanted)
        for place_ in every_place:
            conditions.at(place_).come_to_rest()
        for place_ in every_place:
            conditions.at(place_).refuse_hopeless()
        for check in CHECKS:
            for place_ in every_place:
                check(place_, [stack for stack in wanted if at(site, stack) == place_])
        self._look_ahead(site, names, source)
        self._summary(site, wanted)
        if not stacks.present(site, names):
            others = [profile for profile in profiles_of(every) if profile != names.profile]
            is_given = self.options.yes or bool(self.options.account)
            refusals.confirm_first(site, names.profile, others, is_given=is_given)
        return Deployment(
            place=site,
            names=names,
            cdk=self.make_cdk(site, source.resolve(), [stack.name for stack in wanted], self.tell),
            wanted=wanted,
            conditions=conditions,
            tell=self.tell,
            pause=self.pause,
            clock=self.clock,
        )

    def warm_up(self, done: Deployment) -> None:
        """A standby that is to be warm has its endpoint from the first deployment on."""
        for stack in done.wanted:
            if stack.name == done.names.stack("standby") and not self.options.delivery:
                where = at(done.place, stack)
                here = standby.standing(where, done.names, self.tell, self.pause)
                if here.is_warm:
                    here.warm_up()

    def report(self, done: Deployment) -> None:
        for line in next_steps.told(done.names, next_steps.outputs(done.place, done.wanted)):
            self.tell(line)

    def _looking_about(self, site: Place) -> Place:
        """With the bootstrap's role for that; what changes something, the CLI does with the others."""
        if self.options.app is None:
            raise RefusedError(
                "a delivery deploys what was synthesised before, as it was looked at; fix: give it with --app"
            )
        role = assembly.lookup_role(self.options.app, site)
        self.tell(f"looks about as {role}")
        return place.taking_on(site, role)

    def _chosen(self, names: Names, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        """Who delivers does not change what it delivers with: that is a person's, who reviews it."""
        left = [stack for stack in wanted if stack.name in {names.stack(group) for group in DELIVERING}]
        if not self.options.delivery or not left:
            return wanted
        self.tell(f"left to a person: {', '.join(stack.name for stack in left)}")
        return [stack for stack in wanted if stack not in left]

    def _synthesised(self, site: Place, names: Names) -> Path:
        self.tell("synthesises the templates, and checks them")
        into = self.folder / "cdk.out"
        return cli.synthesised(site, names.profile, into, is_checked=True, region=site.region)

    def _look_ahead(self, site: Place, names: Names, source: Path) -> None:
        if reason := self.options.skip_preflight:
            self.tell(f"without the preflight: {reason}")
        else:
            foreseen.refuse_foreseen(site, names, source, self.tell)

    def _summary(self, site: Place, wanted: Sequence[Wanted]) -> None:
        self.tell("stacks, in the order of deployment:")
        for stack in wanted:
            where = f" in {stack.region}" if stack.region else ""
            self.tell(f"  {stack.name}{where}: {len(stack.resources)} resources, {_work(site, stack)}")


def _refuse_same(site: Place, wanted: Sequence[Wanted]) -> None:
    if same := [stack.name for stack in wanted if stack.region == site.region]:
        raise RefusedError(
            f"the first Region and the second are the same: got {site.region} for {same[0]} too, allowed: "
            "two; fix: give second_region.region in settings.py another one, or export AWS_REGION=..."
        )


def _work(site: Place, wanted: Wanted) -> str:
    stack = stacks.find(at(site, wanted), wanted.name)
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return "to be made"
    if stack.status in NEVER_MADE:
        return f"to be made again ({stack.status})"
    return f"there ({stack.status}): changed where the template is another"
