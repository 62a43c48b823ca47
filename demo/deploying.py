"""The stacks in the embedded account, by the pinned CDK CLI: synthesised, bootstrapped, deployed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from demo.account import Account
from sandbox.account import ACCOUNT

ROOT = Path(__file__).resolve().parents[1]


def deploy(
    account: Account, work: Path, console: Console, app: Path | None = None, contract: str = "flights"
) -> dict[str, float]:
    """Seconds by step. `app`: an assembly that is there; else the project is synthesised and audited."""
    timing: dict[str, float] = {}

    def step(name: str, arguments: list[str], cwd: Path = ROOT) -> None:
        started = time.monotonic()
        cdk(account, work, arguments, cwd)
        timing[f"{name}_seconds"] = time.monotonic() - started

    where = f"aws://{ACCOUNT}/{account.site.region}"
    # Needs no app, so it does not wait for one.
    with ThreadPoolExecutor(1) as pool:
        bootstrap = pool.submit(step, "bootstrap", ["bootstrap", where], work)
        if app is None:
            app = work / "cdk.out"
            shutil.rmtree(app, ignore_errors=True)
            synth = ["synth", "--quiet", "--output", str(app), "--context", f"contract={contract}"]
            _tell(console, "synthesise and audit (cdk-nag)", timing, "synth", lambda: step("synth", synth))
        _tell(console, "cdk bootstrap", timing, "bootstrap", bootstrap.result)
    everything = ["deploy", "--all", "--app", str(app), "--require-approval", "never"]
    _tell(console, "cdk deploy --all", timing, "deploy", lambda: step("deploy", everything))
    return timing


def _tell(
    console: Console, title: str, timing: dict[str, float], name: str, work: Callable[[], None]
) -> None:
    console.print(f"[bold]{title}[/bold]")
    with console.status("working"):
        work()
    console.print(f"  [dim]{timing[f'{name}_seconds']:5.1f} s[/dim]")


def cdk(account: Account, work: Path, arguments: list[str], cwd: Path = ROOT) -> None:
    """The CLI with nothing in its environment that leads to a real account."""
    site = account.site
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        # Our Node first.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "AWS_ACCESS_KEY_ID": site.access_key,
        "AWS_SECRET_ACCESS_KEY": site.secret_key,
        "AWS_REGION": site.region,
        "AWS_ENDPOINT_URL": site.endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_HOME": str(work / "cdk-home"),
        "CDK_DISABLE_VERSION_CHECK": "1",
        "NO_COLOR": "1",
    }
    subprocess.run(
        [str(ROOT / "node_modules" / ".bin" / "cdk"), *arguments, "--no-notices"],
        cwd=cwd,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outputs(account: Account) -> dict[str, str]:
    """Of all stacks together, without those that only other stacks use."""
    stacks = account.site.client("cloudformation").describe_stacks()["Stacks"]
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in stacks
        for output in stack.get("Outputs", [])
        if not output["OutputKey"].startswith("ExportsOutput")
    }
