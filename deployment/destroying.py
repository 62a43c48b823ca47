"""The command that deletes: what is refused, what will be lost, the yes, and what is left afterwards."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployment import cli, inventory, left, place, refusals, stacks
from deployment.destroy import Destruction
from deployment.errors import RefusedError
from deployment.inventory import Inventory
from deployment.names import Names, names_for
from deployment.place import Place
from deployment.rest import Rest
from deployment.stacks import Stack


@dataclass(frozen=True, kw_only=True)
class Command:
    """One `destroy`. `folder` is for what lasts as long as the command."""

    options: argparse.Namespace
    folder: Path
    tell: Callable[[str], None]
    pause: Callable[[float], None]
    make_cdk: cli.Make

    def prepared(self) -> tuple[Place, Names, Destruction | None]:
        """Everything that can be refused, and the yes. Without stacks there is nothing to do but to look."""
        site = place.here()
        self.tell(f"account {site.account}, Region {site.region}, as {site.caller}")
        refusals.refuse_elsewhere(site, self.options.account, self.options.region)
        every = stacks.all_names(site)
        names = names_for(self.options.profile, every)
        found = self._chosen(names, stacks.present_in_both(site, names))
        if not found:
            gone = stacks.gone(site, names)
            if not gone:
                refusals.refuse_unknown(site, names, every)
            when = max(stack["DeletionTime"] for stack in gone)
            self.tell(f"no stack of profile {names.profile} is left: the last was deleted on {when:%Y-%m-%d}")
            return site, names, None
        refusals.refuse_protected(found)
        refusals.refuse_imported(site, found)
        have = Inventory(
            stacks=found, resources={s.name: stacks.resources(site.at(s.region), s) for s in found}
        )
        refusals.refuse_locked(site, have)
        source = self.options.app or cli.synthesised(site, names.profile, self.folder / "cdk.out")
        cdk = self.make_cdk(site, source.resolve(), [stack.name for stack in found], self.tell)
        self._summary(site, names, have)
        refusals.confirm(names.profile, is_given=self.options.yes)
        work = Destruction(place=site, names=names, cdk=cdk, inventory=have, tell=self.tell, pause=self.pause)
        return site, names, work

    def _chosen(self, names: Names, found: list[Stack]) -> list[Stack]:
        only = self.options.only
        if only is None:
            return found
        if chosen := [stack for stack in found if only in (stack.name, stack.name.rpartition("-")[2])]:
            return chosen
        there = ", ".join(stack.name for stack in found) or "none"
        raise RefusedError(f"{names.prefix} has no stack {only}; got {only!r}, allowed: {there}")

    def _summary(self, site: Place, names: Names, have: Inventory) -> None:
        self.tell(f"profile {names.profile}, stacks in the order of deletion:")
        for stack in have.stacks:
            where = f", in {stack.region}" if stack.region != site.region else ""
            self.tell(f"  {stack.name} ({stack.status}{where})")
        self.tell("lost for good:")
        for line in inventory.losses(site, names, have):
            self.tell(f"  {line}")
        if kept := list(inventory.kept(have)):
            self.tell(f"left behind, as the templates say: {', '.join(kept)}")

    def is_clean(self, site: Place, names: Names, work: Destruction | None) -> bool:
        """Tells what is left; False: of that, something costs money that nobody wanted to stay."""
        if self.options.only is not None:
            self.tell(f"the other stacks of {names.prefix} are as they were")
            return True
        # Of what was just deleted, and of what base told: one of them may be gone by now.
        regions = {stack.region for stack in work.inventory.stacks} if work else set()
        regions |= {stacks.second_region(site, names) or ""}
        others = [site.at(region) for region in sorted(regions - {"", site.region})]
        found = {each.region: self._left(each, names) for each in [site, *others]}
        for region, some in found.items():
            if others:
                self.tell(f"{region}:")
            for line in left.told(names, some):
                self.tell(line)
        return not any(each.is_wrong for some in found.values() for each in some)

    def _left(self, place: Place, names: Names) -> list[left.Left]:
        rest = Rest(place=place, names=names, tell=self.tell, pause=self.pause)
        search = left.Search(place=place, names=names, rest=rest, gone=stacks.gone(place, names))
        search.delete_service_logs(self.tell)
        return search.all()
