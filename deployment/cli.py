"""The pinned CDK CLI: it deploys a stack, and deletes it with the roles that it deployed it with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deployment.assembly import STACK, artifacts_of
from deployment.errors import RefusedError
from deployment.place import Place

ROOT = Path(__file__).resolve().parents[1]
_LAST_LINES = 15


class Deployer(Protocol):
    """What deploys and deletes one stack by its name; True: it says that it is done."""

    def deploy(self, stack_name: str, said: Callable[[str], None]) -> bool: ...

    def destroy(self, stack_name: str) -> bool: ...


# From the place, the assembly, the names of the stacks that it must have, and whom to tell.
Make = Callable[[Place, Path, list[str], Callable[[str], None]], Deployer]


@dataclass(frozen=True, kw_only=True)
class Cdk:
    """
    assembly  a synthesised cloud assembly
    ids       the stacks in it: name -> id, which is what the CLI selects by
    """

    place: Place
    assembly: Path
    ids: Mapping[str, str]
    tell: Callable[[str], None]

    def destroy(self, stack_name: str) -> bool:
        """Whether the CLI says that the stack is gone. Its dependants are the caller's to delete before."""
        return self._run("destroy", stack_name, self._said, "--force")

    def deploy(self, stack_name: str, said: Callable[[str], None]) -> bool:
        """Whether the CLI says that the stack is as the assembly wants it. What it needs is there already.

        A failure takes the stack back by itself. Approval was asked for by the caller.
        """
        options = ("--require-approval", "never", "--progress", "events")
        return self._run("deploy", stack_name, said, *options)

    def _run(self, verb: str, stack_name: str, said: Callable[[str], None], *options: str) -> bool:
        command = _command(verb, self.ids[stack_name], "--exclusively", *options)
        process = subprocess.Popen(
            [*command, "--app", str(self.assembly)],
            cwd=ROOT,
            env=_environment(self.place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 for mypy: it is piped
        try:
            for line in process.stdout:
                if line.strip():
                    said(line.rstrip())
            return process.wait() == 0
        finally:
            process.terminate()  # of an interrupted command; CloudFormation goes on by itself

    def _said(self, line: str) -> None:
        self.tell(f"    {line}")


def synthesised(
    place: Place, profile: str, into: Path, *, is_checked: bool = False, region: str = ""
) -> Path:
    """The assembly of this checkout's app, with or without the CDK's linter.

    For a Region, when it is given: what CloudFormation does not know there is left out, and a Region that
    lacks what cannot be left out is refused.

    What is to go need not be in order; the rule packs of the app itself look in either case.
    """
    given = [f"profile={profile}", *([f"region={region}"] if region else [])]
    contexts = [word for each in given for word in ("--context", each)]
    linter = {} if is_checked else {"CDK_VALIDATION": "false"}
    run = subprocess.run(
        _command("synth", "--quiet", "--output", str(into), *contexts),
        cwd=ROOT,
        env=_environment(place) | linter,
        text=True,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        said = "\n".join((run.stdout + run.stderr).strip().splitlines()[-_LAST_LINES:])
        raise RefusedError(
            f"the app cannot be synthesised for profile {profile}; fix: mend it, or give an assembly that "
            f"`cdk synth` left earlier with --app cdk.out. The CLI said:\n{said}"
        )
    return into


def cdk(place: Place, assembly: Path, needed: list[str], tell: Callable[[str], None]) -> Cdk:
    """Refuses an assembly without the stacks that are to be deleted, for example one of another profile."""
    ids = stack_ids(assembly)
    if missing := [name for name in needed if name not in ids]:
        raise RefusedError(
            f"{assembly} has no stack {missing[0]}; got {', '.join(sorted(ids)) or 'none'}; "
            "fix: give the profile that it was synthesised for, or no --app"
        )
    _command()
    return Cdk(place=place, assembly=assembly, ids=ids, tell=tell)


def stack_ids(assembly: Path) -> dict[str, str]:
    return {
        artifact.get("properties", {}).get("stackName", name): name
        for name, artifact in artifacts_of(assembly).items()
        if artifact["type"] == STACK
    }


def _command(*arguments: str) -> list[str]:
    script = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    node = shutil.which("node", path=_path())
    if node is None or not script.exists():
        raise RefusedError("the CDK CLI is not installed (its version is pinned); fix: make setup")
    return [node, str(script), *arguments, "--no-notices", "--no-color"]


def _environment(place: Place) -> dict[str, str]:
    return {**place.environment(), "PATH": _path()}


def _path() -> str:
    """Node lies beside this Python, and the app is run with it."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
