"""How long the synthesised stacks take to deploy into a fresh embedded account, which has been bootstrapped.

    python -m benchmarks.deployment

Once by the CDK CLI, as `make demo` does it, and once without, as `make sandbox` and the tests do.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks import synthesis
from benchmarks.figures import Figure, table
from benchmarks.processes import fresh
from sandbox import account, deploy

PROFILE = "sandbox"


def main() -> None:
    print(table(figures()))


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="deployment-") as folder:
        assembly = Path(folder, "cdk.out")
        synthesis.build(PROFILE, assembly)
        by_cli, without = fresh(cli_seconds, assembly), fresh(seconds, assembly)
    what = "deployment of all stacks into the embedded account"
    return [
        Figure(what=f"{what}, by the CDK CLI", value=by_cli, unit="s", at_most=15),
        Figure(what=f"{what}, without the CLI", value=without, unit="s", at_most=15),
    ]


def cli_seconds(assembly: Path) -> float:
    with account.Account():
        deploy.bootstrap()
        started = time.perf_counter()
        done = deploy.cdk("deploy", "--all", "--require-approval", "never", app=assembly)
        taken = time.perf_counter() - started
    if done.returncode:
        raise deploy.DeploymentError(f"cdk deploy failed: {done.stderr.strip()[-3000:]}")
    return taken


def seconds(assembly: Path) -> float:
    with account.Account():
        deploy.bootstrap()
        started = time.perf_counter()
        deploy.deploy(assembly)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
