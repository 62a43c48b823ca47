"""Deploys the stacks of an assembly one after the other; each step begins by looking how far it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployment import causes, stacks
from deployment.assembly import Wanted
from deployment.buckets import counted
from deployment.cli import Deployer
from deployment.conditions import NEVER_MADE, Conditions
from deployment.errors import AGAIN, RefusedError, StoppedError
from deployment.names import Names
from deployment.place import Place

# As the CDK CLI writes an event: `stack |  3/46 | 20:44:57 | CREATE_COMPLETE | AWS::KMS::Key | id`.
_EVENT = re.compile(r"^\S+ \| *(\d+)(?:/(\d+))? \| [^|]+\| (\w+) *\| ([\w:]+) *\| (.*)$")
_ASSET = re.compile(r"^\S+: (?:start|success|fail): (\w+) ")
_LAST = ("Outputs:", "Stack ARN:")  # what follows is told at the end, of all stacks together
_DECORATION = ("✨", "✅")
_TOLD_SECONDS = 15


@dataclass(kw_only=True)
class Progress:
    """What of the CLI's many lines a person wants to read: failures, and now and then how far it is."""

    tell: Callable[[str], None]
    clock: Callable[[], float]
    began: float
    published: int = 0  # files of code
    _told: float = 0.0
    _is_over: bool = False

    def line(self, text: str) -> None:
        if event := _EVENT.match(text):
            self._event(*event.groups())
        elif asset := _ASSET.match(text):
            self.published += asset[1] == "Published"
        elif not text.strip().startswith(_DECORATION):
            self._is_over = self._is_over or text.startswith(_LAST)
            if not self._is_over:
                self.tell(f"    {text}")

    def _event(self, done: str, total: str | None, status: str, kind: str, who: str) -> None:
        elapsed = self.clock() - self.began
        if "FAILED" in status or "ROLLBACK" in status:
            self.tell(f"    {duration(elapsed)}  {status} {kind} {who}")
        elif elapsed - self._told >= _TOLD_SECONDS:
            self._told = elapsed
            of = f" of {total}" if total else ""
            self.tell(f"    {duration(elapsed)}  {done}{of}, at {kind} {who.split(' ')[0]}")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    place: Place
    names: Names
    cdk: Deployer
    wanted: Sequence[Wanted]
    conditions: Conditions
    tell: Callable[[str], None]
    pause: Callable[[float], None]
    clock: Callable[[], float]  # seconds
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        for place in places(self.place, self.wanted):
            self.conditions.at(place).reopen()
        for number, stack in enumerate(self.wanted, 1):
            count = f"{len(stack.resources)} resources"
            where = f", in {stack.region}" if stack.region else ""
            self.tell(f"deploy {stack.name} ({number} of {len(self.wanted)}, {count}{where})")
            self._deploy(stack)
        total = sum(self._seconds.values())
        self.tell(f"all {len(self.wanted)} stacks are as the templates say, in {duration(total)}")

    def _deploy(self, stack: Wanted) -> None:
        began = self.clock()
        place = at(self.place, stack)
        before = self._made_ready(place, stack.name)
        seen = stacks.newest_event(place, before) if before else ""
        progress = Progress(tell=self.tell, clock=self.clock, began=began)
        is_done = self.cdk.deploy(stack.name, progress.line)
        after = stacks.at_rest(place, stack.name, self.tell, self.pause)
        if not is_done or after is None:
            raise StoppedError(self._failed(place, stack.name, after, seen))
        self._seconds[stack.name] = self.clock() - began
        nothing = before is not None and stacks.newest_event(place, after) == seen
        result = "was as it should be" if nothing else f"is {after.status}"
        files = f", {counted(progress.published, 'file')} published" if progress.published else ""
        self.tell(f"  {stack.name} {result}{files}, {duration(self._seconds[stack.name])}")

    def _made_ready(self, place: Place, name: str) -> stacks.Stack | None:
        try:
            return self.conditions.at(place).made_ready(name)
        except RefusedError as error:  # by now something has been deployed
            raise StoppedError(str(error)) from error

    def _failed(self, place: Place, name: str, stack: stacks.Stack | None, seen: str) -> str:
        failures = stacks.refused(place, stack, since=seen) if stack else []
        return (
            f"{name} could not be deployed:\n  {causes.described(failures)}\n{self._way_back(name, stack)}\n"
            f"fix: {causes.fixes(failures)}; then {AGAIN}: make deploy PROFILE={self.names.profile}\n"
            f"or take everything away, so that it costs nothing: make destroy PROFILE={self.names.profile}"
        )

    def _way_back(self, name: str, stack: stacks.Stack | None) -> str:
        if stack is None or stack.status == "REVIEW_IN_PROGRESS":
            return f"nothing of {name} was made; the stacks before it are as they should be"
        if stack.status in NEVER_MADE:
            what = (
                "took back what it had made of it"
                if stack.status == NEVER_MADE[0]
                else "could not take all back"
            )
            return f"CloudFormation {what} ({stack.status}); the stacks before it are as they should be"
        return f"the stack is {stack.status}; after a roll-back it is as it was before"


def at(place: Place, stack: Wanted) -> Place:
    """Where a stack goes: most are for wherever the deployment is made."""
    return place.at(stack.region) if stack.region else place


def places(place: Place, wanted: Sequence[Wanted]) -> list[Place]:
    """All Regions of a deployment, the one that is deployed to first."""
    return [place, *(place.at(region) for region in sorted({s.region for s in wanted} - {"", place.region}))]


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
