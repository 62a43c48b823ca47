"""The pinned CDK CLI: it deletes a stack with the roles that it deployed it with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployment.errors import DeletionRefusedError
from deployment.place import Place

ROOT = Path(__file__).resolve().parents[1]
_LAST_LINES = 15


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
        command = _command("destroy", self.ids[stack_name], "--exclusively", "--force")
        command += ["--app", str(self.assembly)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(self.place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 for mypy: it is piped
        for line in process.stdout:
            if line.strip():
                self.tell(f"    {line.rstrip()}")
        return process.wait() == 0


def synthesised(place: Place, profile: str, into: Path) -> Path:
    """The assembly of this checkout's app, without the CDK's linter: what is to go need not be in order."""
    run = subprocess.run(
        _command("synth", "--quiet", "--output", str(into), "--context", f"profile={profile}"),
        cwd=ROOT,
        env=_environment(place) | {"CDK_VALIDATION": "false"},
        text=True,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        said = "\n".join((run.stdout + run.stderr).strip().splitlines()[-_LAST_LINES:])
        raise DeletionRefusedError(
            f"the app cannot be synthesised for profile {profile}; fix: mend it, or give an assembly that "
            f"`cdk synth` left earlier with --app cdk.out. The CLI said:\n{said}"
        )
    return into


def cdk(place: Place, assembly: Path, needed: list[str], tell: Callable[[str], None]) -> Cdk:
    """Refuses an assembly without the stacks that are to be deleted, for example one of another profile."""
    ids = stack_ids(assembly)
    if missing := [name for name in needed if name not in ids]:
        raise DeletionRefusedError(
            f"{assembly} has no stack {missing[0]}; got {', '.join(sorted(ids)) or 'none'}; "
            "fix: give the profile that it was synthesised for, or no --app"
        )
    _command()
    return Cdk(place=place, assembly=assembly, ids=ids, tell=tell)


def stack_ids(assembly: Path) -> dict[str, str]:
    manifest = assembly / "manifest.json"
    if not manifest.exists():
        raise DeletionRefusedError(
            f"{assembly} is no cloud assembly: it has no manifest.json; allowed: what `cdk synth` wrote"
        )
    artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    return {
        artifact.get("properties", {}).get("stackName", name): name
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def _command(*arguments: str) -> list[str]:
    script = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    node = shutil.which("node", path=_path())
    if node is None or not script.exists():
        raise DeletionRefusedError("the CDK CLI is not installed (its version is pinned); fix: make setup")
    return [node, str(script), *arguments, "--no-notices", "--no-color"]


def _environment(place: Place) -> dict[str, str]:
    return {**place.environment(), "PATH": _path()}


def _path() -> str:
    """Node lies beside this Python, and the app is run with it."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
