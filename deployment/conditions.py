"""What a deployment does about a stack in the condition that an earlier attempt left it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deployment import buckets, stacks
from deployment.errors import RefusedError, StoppedError
from deployment.names import Names
from deployment.place import Place
from deployment.rest import named
from deployment.stacks import Stack

# A stack in review has a change set that nobody carried out: the next deployment goes on from it.
READY = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
)
# Its first creation failed: such a stack cannot be updated, only deleted and made anew.
NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
_AGAIN = "then run the command again"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    place: Place
    names: Names
    tell: Callable[[str], None]
    pause: Callable[[float], None]
    reopens: bool = False  # the caller wants buckets whose deletion was begun to take writes again

    def at(self, place: Place) -> Conditions:
        """The same for a deployment's part in another Region."""
        return replace(self, place=place)

    def come_to_rest(self) -> None:
        """An interrupted command leaves CloudFormation at its work."""
        for stack in stacks.present(self.place, self.names):
            stacks.at_rest(self.place, stack.name, self.tell, self.pause)

    def refuse_hopeless(self) -> None:
        """Before anything is changed: no stack is in a condition that only a person can answer for."""
        for stack in stacks.present(self.place, self.names):
            self._refuse(stack)

    def made_ready(self, name: str) -> Stack | None:
        """The stack when it can be deployed to; None: it is to be made."""
        stack = stacks.at_rest(self.place, name, self.tell, self.pause)
        if stack is not None and stack.status in NEVER_MADE:
            self._clear_away(stack)
            return None
        if stack is not None:
            self._refuse(stack)
        return stack

    def _refuse(self, stack: Stack) -> None:
        if stack.status not in (*READY, *NEVER_MADE):
            raise RefusedError(f"{stack.name} is {stack.status}: {self._advice(stack)}")
        if self.reopens:
            return
        if closed := [name for name in self._buckets(stack) if buckets.is_closed(self.place, name)]:
            raise RefusedError(
                f"the deletion of {stack.name} was begun: {', '.join(closed)} refuse every write, and may be "
                f"empty; fix: finish it with `{self._destroy()}` and deploy anew, or keep what is left and "
                f"open them: python -m deployment deploy --profile {self.names.profile} --reopen"
            )

    def reopen(self) -> None:
        """Takes back what a deletion that was begun has closed, if the caller wants that."""
        for stack in stacks.present(self.place, self.names) if self.reopens else ():
            for bucket in self._buckets(stack):
                if buckets.is_closed(self.place, bucket):
                    buckets.reopen(self.place, bucket)
                    self.tell(f"{bucket} takes writes again")

    def _buckets(self, stack: Stack) -> list[str]:
        found = named(stacks.resources(self.place, stack), "AWS::S3::Bucket")
        return [bucket for bucket in found if buckets.exists(self.place, bucket)]

    def _clear_away(self, stack: Stack) -> None:
        """Nobody has used it: its names were never told. What its buckets hold, AWS delivered: logs."""
        self.tell(
            f"  {stack.name} is {stack.status}: its first creation failed and was taken back. Such a stack "
            "cannot be updated: it is deleted and made anew"
        )
        if stack.is_protected:
            off = "aws cloudformation update-termination-protection --no-enable-termination-protection"
            raise StoppedError(
                f"{stack.name} never came to be, but is protected from deletion; "
                f"fix: {off} --stack-name {stack.name}, {_AGAIN}"
            )
        seen = stacks.newest_event(self.place, stack)
        self._empty(stack)
        self.place.client("cloudformation").delete_stack(StackName=stack.id)
        left = stacks.at_rest(self.place, stack.name, self.tell, self.pause)
        if left is not None:
            why = "; ".join(
                f"{each.logical_id}: {each.reason}" for each in stacks.failures(self.place, left, since=seen)
            )
            raise StoppedError(
                f"{stack.name} could not be deleted ({left.status}): {why}; fix: see what is in the way. If "
                f"nothing in this one stack is needed: {self._destroy(stack)}, {_AGAIN}"
            )

    def _empty(self, stack: Stack) -> None:
        kept = {each.name for each in stacks.resources(self.place, stack) if each.is_kept}
        doomed = [bucket for bucket in self._buckets(stack) if bucket not in kept]
        for bucket in doomed:  # all, before the first is emptied: that is logged into another
            buckets.close(self.place, bucket)
        for bucket in doomed:
            if deleted := buckets.empty(self.place, bucket, self.tell):
                what = buckets.counted(deleted, "log file")
                self.tell(f"  {bucket}: {what} deleted, delivered while it was made")

    def _advice(self, stack: Stack) -> str:
        aws, name = "aws cloudformation", f"--stack-name {stack.name} --region {self.place.region}"
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            return (
                "an update failed, and so did the way back. Nothing was deleted. See why: "
                f"{aws} describe-stack-events {name} --max-items 40; mend it, then go back to the state "
                f"before the update: {aws} continue-update-rollback {name}, {_AGAIN}"
            )
        if stack.status == "DELETE_FAILED":
            return (
                "its deletion was begun and did not end. fix: finish it, which takes the whole deployment "
                f"away ({self._destroy()}), or this one stack ({self._destroy(stack)}), {_AGAIN}"
            )
        if stack.status in ("CREATE_FAILED", "UPDATE_FAILED"):
            return (
                "somebody deployed it without a way back and left it as it failed. fix: look at it, then "
                f"{aws} rollback-stack {name}, {_AGAIN}"
            )
        return f"fix: see what is wrong with {aws} describe-stack-events {name}, mend it, {_AGAIN}"

    def _destroy(self, stack: Stack | None = None) -> str:
        if stack is None:
            return f"make destroy PROFILE={self.names.profile}"
        return f"python -m deployment destroy --profile {self.names.profile} --only {stack.name}"
