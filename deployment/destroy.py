"""Deletes the stacks of a deployment one after the other; each step begins by looking how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployment import buckets, stacks, standby
from deployment.cli import Deployer
from deployment.errors import AGAIN, StoppedError
from deployment.hindrances import Patience
from deployment.inventory import Inventory
from deployment.names import Names
from deployment.place import Place
from deployment.rest import Rest, named
from deployment.stacks import Resource


@dataclass(frozen=True, kw_only=True)
class Destruction:
    place: Place
    names: Names
    cdk: Deployer
    inventory: Inventory
    tell: Callable[[str], None]
    pause: Callable[[float], None]

    def run(self) -> None:
        """The stacks with the machines first: with them goes whatever could still start a job or write."""
        found = self.inventory.all()
        rest = Rest(place=self.place, names=self.names, tell=self.tell, pause=self.pause)
        glue_jobs = named(found, "AWS::Glue::Job")
        self.tell("bring to rest: executions, jobs, endpoint")
        rest.stop_executions(named(found, "AWS::StepFunctions::StateMachine"))
        rest.stop_jobs(glue_jobs)
        for endpoint in named(found, "AWS::SageMaker::Endpoint"):
            rest.wait_for_endpoint(endpoint.rsplit("/", 1)[-1])
        for number, stack in enumerate(self.inventory.stacks, 1):
            self.tell(f"delete {stack.name} ({number} of {len(self.inventory.stacks)})")
            place = self.place.at(stack.region)
            if stack.name == self.names.stack("standby"):
                standby.take_away(place, self.names, self.tell, self.pause)
            self._remove(place, stack.name)
            if stack.name == self.names.stack("operations"):
                # An alarm or a schedule may have started one while its machine was going.
                rest.stop_jobs(glue_jobs)

    def _remove(self, place: Place, name: str) -> None:
        patience = Patience(place=place, stack_name=name, tell=self.tell, pause=self.pause)
        while (stack := stacks.at_rest(place, name, self.tell, self.pause)) is not None:
            found, seen = stacks.resources(place, stack), stacks.newest_event(place, stack)
            self._empty(place, found)
            if self.cdk.destroy(name) and stacks.find(place, name) is None:
                break
            remaining = stacks.at_rest(place, name, self.tell, self.pause)
            if remaining is None:
                break
            if remaining.is_protected:
                raise StoppedError(
                    f"{name} was protected from deletion meanwhile; fix: find out why; if it may go, {AGAIN}"
                )
            patience.wait(stacks.failures(place, remaining, since=seen), found)
        self.tell(f"  {name} is gone")

    def _empty(self, place: Place, found: list[Resource]) -> None:
        """All are closed before the first is emptied: emptying one is logged into another."""
        doomed = [
            resource.name
            for resource in found
            if resource.type == "AWS::S3::Bucket"
            and not resource.is_kept
            and buckets.exists(place, resource.name)
        ]
        for bucket in doomed:
            buckets.close(place, bucket)
        for bucket in doomed:
            deleted = buckets.empty(place, bucket, self.tell)
            self.tell(f"  {bucket} is empty: {buckets.counted(deleted, 'version')} and uploads deleted")
