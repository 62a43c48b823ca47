"""What the templates are compared with: a folder of templates, or a git revision, synthesised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from audit.templates import InputError, Templates

LAST_LINES = 12  # of a synthesis that failed
PATIENCE = 900  # seconds, for the synthesis


@contextmanager
def base_of(given: str, profile: str, root: Path, cdk: Path) -> Iterator[tuple[Templates, str]]:
    """
    The templates and what they are called; InputError where there are none.

    given  a folder or a template where such a path exists, else a revision of the repository at `root`
    cdk    the CDK's command, as an installation has it
    """
    if Path(given).exists():
        yield Templates.read(Path(given)), f"the templates in {given}"
        return
    commit = resolve(given, root)
    with tempfile.TemporaryDirectory(prefix="review-") as folder:
        tree = Path(folder) / "base"
        _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            assembly = _synthesise(tree / _prefix(root), Path(folder) / "cdk.out", profile, cdk, given)
            yield Templates.read(assembly), f"{given} ({commit[:10]})"
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def resolve(revision: str, root: Path) -> str:
    """The commit's full hash; InputError for what is none."""
    if shutil.which("git") is None:
        raise InputError(f"{revision}: no such folder, and without git it cannot be a revision; install git")
    asked = ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    found = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.strip():
        raise InputError(
            f"{revision}: neither a folder of templates nor a revision of the git repository at {root}; "
            "`git fetch` brings what others pushed, a clone of depth 1 has no other revision"
        )
    return found.stdout.strip().splitlines()[-1]


def _prefix(root: Path) -> str:
    """Where in the repository the app stands."""
    asked = ["git", "rev-parse", "--show-prefix"]
    return subprocess.run(asked, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def _git(root: Path, *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"git {' '.join(arguments[:2])} failed: {done.stderr.strip()}")


def _synthesise(tree: Path, output: Path, profile: str, cdk: Path, given: str) -> Path:
    """With this environment, not with the one that the revision locks: it need not be installed here."""
    if not cdk.exists():
        raise InputError(f"{cdk}: the CDK's command is not installed; `make setup` does that")
    command = [str(cdk.absolute()), "synth", "--quiet", "--output", str(output)]
    command += ["--context", f"profile={profile}"] if profile else []
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=_environment(cdk),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{given}: `cdk synth` of it was not done after {PATIENCE} s") from error
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise InputError(
            f"{given}: `cdk synth` of that revision fails with this environment; give a folder of templates "
            f"that was synthesised with its own instead\n{said}"
        )
    return output


def _environment(cdk: Path) -> Mapping[str, str]:
    """This Python and this Node first, and no path to the modules of this revision."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    places = [str(Path(sys.executable).parent.absolute()), str(cdk.parent.absolute()), ours.get("PATH", "")]
    # The linter of the CDK judges; a review only reads.
    return {**ours, "PATH": os.pathsep.join(places), "CDK_VALIDATION": "false"}
