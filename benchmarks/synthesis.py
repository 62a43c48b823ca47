"""How long `make synth PROFILE=production` takes, and what building the templates costs without the checks.

python -m benchmarks.synthesis
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, table

ROOT = Path(__file__).parents[1]
PROFILE = "production"
# app.py as it is, less the audit.
BUILD = """
import gc, sys
gc.disable()
import app, contracts, settings
empty = app.start(outdir=sys.argv[2])
app.build(empty, settings.settings_for(sys.argv[1]), contracts.load("flights")).synth()
"""


def main() -> None:
    print(table(figures()))


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="synthesis-") as folder:
        checked = synthesis_seconds(Path(folder, "checked"))
        cpu = build(PROFILE, Path(folder, "unchecked"))
    what = f"synthesis of {PROFILE}"
    return [
        Figure(what=f"{what}, by the CLI, with cdk-nag and linter", value=checked, unit="s", at_most=15),
        Figure(what=f"{what}, without them, Python and Node", value=cpu, unit="CPU s", at_most=4),
    ]


def synthesis_seconds(assembly: Path) -> float:
    """What `make synth` runs, but into another folder: cdk.out may be somebody's."""
    command = [ROOT / "node_modules/.bin/cdk", "synth", "--quiet", "--output", assembly]
    started = time.perf_counter()
    _run([*command, "--context", f"profile={PROFILE}"], CDK_VALIDATION="true")
    return time.perf_counter() - started


def build(profile: str, assembly: Path) -> float:
    """CPU seconds of a new interpreter and of the Node process that it starts."""
    before = _children()
    _run([sys.executable, "-c", BUILD, profile, assembly], CDK_VALIDATION="false")
    return _children() - before


def _run(command: list[str | Path], **variables: str) -> None:
    """With the Node beside this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"synthesis ended with exit status {done.returncode}: {done.stderr[-3000:]}")


def _children() -> float:
    """CPU of all processes that were started from here and have ended, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
