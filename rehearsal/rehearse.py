"""Brings an embedded account into a state, and asks both commands to get out of it."""

from __future__ import annotations

import atexit
import io
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from deployment import place
from deployment.__main__ import DONE, REFUSED, STOPPED, main
from rehearsal import holdings, life, quotas, shortcut
from rehearsal.states import UNDELETED, State
from sandbox import account, deploy, faults

PROFILE = "sandbox"


class RehearsalError(AssertionError):
    """A command did not do what the state asks of it; the message has what it said."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    state: State
    seconds: float
    failure: str
    listings: int  # operations of the account that answered


@dataclass(kw_only=True)
class Rehearsal:
    """One account, empty but for the CDK's bootstrap."""

    assembly: Path
    before: set[str] = field(default_factory=set)

    def out_of(self, state: State) -> None:
        """Ends with an empty account, twice: by way of a whole deployment, and without."""
        if state.how == UNDELETED:
            self._out_of_half_a_deletion(state)
        else:
            self._out_of_half_a_deployment(state)

    def _out_of_half_a_deployment(self, state: State) -> None:
        for is_deployed_again in (False, True):
            with ordered(state):
                said = self.run("deploy", STOPPED)
            for words in (state.logical_id, "fix: ", "make destroy"):
                self._expect(words in said, f"the failed deployment does not say {words!r}", said)
            if is_deployed_again:
                self.run("deploy", DONE)
            self.empty()

    def _out_of_half_a_deletion(self, state: State) -> None:
        for is_deployed_again in (False, True):
            self.run("deploy", DONE)
            life.lead()
            with ordered(state):
                said = self.run("destroy", STOPPED)
            self._expect(state.logical_id in said, "the failed deletion does not say what failed", said)
            if is_deployed_again:
                said = self.run("deploy", REFUSED)
                self._expect(f"--only {state.stack}" in said, "the refusal has no next command", said)
                self.run("destroy", DONE, "--only", state.stack)
                self.run("deploy", DONE)
            self.empty()

    def empty(self) -> None:
        """Destroy, and nothing is there that was not there before."""
        said = self.run("destroy", DONE)
        left = {line for line in holdings.held() - self.before if not life.is_shared(line)}
        if left:
            some = "\n  ".join(line[:300] for line in sorted(left))
            raise RehearsalError(f"left behind:\n  {some}\n{said}")

    def run(self, verb: str, expected: int, *options: str) -> str:
        said = io.StringIO()
        command = [verb, "--profile", PROFILE, "--yes", "--app", str(self.assembly), *options]
        with redirect_stdout(said), redirect_stderr(said):
            status = main(command, lambda _: time.sleep(0.02), shortcut.make)
        self._expect(
            status == expected, f"{verb} ended with {status}, expected was {expected}", said.getvalue()
        )
        return said.getvalue()

    @staticmethod
    def _expect(holds: bool, otherwise: str, said: str) -> None:
        if not holds:
            raise RehearsalError(f"{otherwise}; it said:\n{said}")


@contextmanager
def rehearsal(assembly: Path) -> Iterator[Rehearsal]:
    """In an account of its own, which the environment leads to meanwhile."""
    kept = dict(os.environ)
    with account.Account():
        os.environ.update(deploy.environment())
        try:
            deploy.bootstrap()
            quotas.granted(assembly)
            # One place for all commands: its clients take longer to make than the stacks.
            with mock.patch.object(place, "here", return_value=place.here()):
                yield Rehearsal(assembly=assembly, before=holdings.held())
        finally:
            os.environ.clear()
            os.environ.update(kept)


@contextmanager
def ordered(state: State) -> Iterator[None]:
    """The state's faults happen here, all of them, and not after."""
    for fault in state.faults:
        faults.add(fault)
    try:
        yield
        if idle := [fault for fault in faults.listing() if not fault["fired"]]:
            raise RehearsalError(f"{state}: nothing failed as ordered: {idle}")
    finally:
        faults.reset()


class _Kept:
    """One account for state after state: each ends with proof that it holds what it held before, so the next
    begins as in a new one. After a failure there is no such proof, and a new one is made.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._account: Rehearsal | None = None

    def account(self, assembly: Path) -> Rehearsal:
        if self._account is None or self._account.assembly != assembly:
            self.close()
            self._account = self._open.enter_context(rehearsal(assembly))
        return self._account

    def close(self) -> None:
        self._account = None
        self._open.close()


_kept = _Kept()  # of this process
atexit.register(_kept.close)


def rehearsed(assembly: Path, state: State) -> Outcome:
    began, failure, listings = time.monotonic(), "", 0
    try:
        _kept.account(assembly).out_of(state)
        listings = holdings.asked()
    except Exception:  # the others can be rehearsed all the same
        failure = traceback.format_exc()
        _kept.close()
    return Outcome(state=state, seconds=time.monotonic() - began, failure=failure, listings=listings)
