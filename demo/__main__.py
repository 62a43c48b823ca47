"""`python -m demo`: synthesise, deploy into the embedded account, live through the year, write the report."""

from __future__ import annotations

import argparse
import importlib
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from botocore.exceptions import ClientError
from rich.console import Console

import contracts
from demo import claims, deploying, evidence, exercised, report, science
from demo.account import Account
from demo.actors import ActorError
from demo.source import Source
from demo.story import Plot, Story

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".sandbox"
REPORT = ROOT / "demo-report"
DATA_SET = "flights"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        return _run(options, console)
    except (ActorError, subprocess.CalledProcessError) as error:
        output = getattr(error, "output", None)
        console.print(f"[bold red]stopped:[/bold red] {error}\n{output or ''}", markup=not output)
        return 1


def _run(options: argparse.Namespace, console: Console) -> int:
    began = time.monotonic()
    contract = contracts.load(options.contract)
    _free(options.port)
    WORK.mkdir(exist_ok=True)
    plot = plot_of(options.contract, is_slice=options.slice)
    with Account(options.port, WORK / "account.log") as account:
        source = Source(contract, plot.start, plot.end)  # reads while the stacks are made
        timing = deploying.deploy(account, WORK, console, contract=options.contract)
        story = Story(account, contract, deploying.outputs(account), plot, console, source)
        try:
            story.tell()
        except (ActorError, ClientError) as error:
            _explain(story, console)
            raise ActorError(f"the story cannot go on: {error}") from error
        seconds = time.monotonic() - began
        memory = account.peak_memory_mb()
        facts = {
            **timing,
            "seconds": seconds,
            "peak_memory_mb": memory,
            "colophon": f"Whole story {seconds:.0f} s; "
            f"peak memory of the account's process {memory or 0:.0f} MB.",
        }
        found = evidence.gather(story, facts)
        checked = claims.check(found)
        found["claims"] = [asdict(claim) for claim in checked]
        run_id = found["science"]["run_id"]
        pages = science.pages(story.analyst, run_id) if run_id else {}
        page = report.write(found, REPORT, pages)
        exercised.write(story, REPORT)
        for claim in checked:
            mark, colour = ("holds", "green") if claim.holds else ("FAILS", "bold red")
            console.print(f"[{colour}]{mark}[/{colour}] {claim.title}")
            console.print(f"      {claim.found}", style="dim", markup=False)
        console.print(
            f"\n[bold green]done[/bold green] in {time.monotonic() - began:.0f} s; the report: {page}"
        )
        if options.keep:
            _keep(account, console)
    return 0 if all(claim.holds for claim in checked) else 1


def plot_of(contract: str, *, is_slice: bool = False) -> Plot:
    """What the folder of a data set says is to be played; a data set without a slice is played whole."""
    replay = importlib.import_module(f"contracts.{contract}.replay")
    sliced = getattr(replay, "SLICED", {}) if is_slice else {}
    return Plot(**{"rows_a_month": None, **replay.PLAYED, **sliced})


def _explain(story: Story, console: Console) -> None:
    """What the account knows of a failure that the story ran into."""
    for execution in story.operator.executions():
        if execution["status"] in ("FAILED", "TIMED_OUT", "ABORTED"):
            said = f"{execution['machine']} {execution['name']}: {execution['error']}: {execution['cause']}"
            console.print(said[:500] + said[-2_500:], style="red", markup=False)
            for cause in story.operator.retries(execution["arn"]):
                console.print(f"  {cause}", style="red", markup=False)
    for failure in story.account.ask("health")["work"]["failures"]:
        console.print(f"{failure['name']}: {failure['message']}"[:2_000], style="red", markup=False)
    console.print(f"the account's own words are in {WORK / 'account.log'}")


def _free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise ActorError(
                f"port {port} is taken: stop what listens there (an account left open by KEEP=1?) "
                "or give --port"
            )


def _keep(account: Account, console: Console) -> None:
    site = account.site
    console.print("\nThe account stays up; Ctrl-C ends it. In another terminal:\n")
    for name, value in (
        ("AWS_ENDPOINT_URL", site.endpoint),
        ("AWS_REGION", site.region),
        ("AWS_ACCESS_KEY_ID", site.access_key),
        ("AWS_SECRET_ACCESS_KEY", site.secret_key),
    ):
        console.print(f"  export {name}={value}")
    console.print("  .venv/bin/aws stepfunctions list-state-machines")
    try:
        account.wait()
    except KeyboardInterrupt:
        console.print("ended")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--slice", action="store_true", help="the months that the data set names, and 5,000 rows in each"
    )
    parser.add_argument("--contract", default=DATA_SET, help="a folder of contracts/: the data set to play")
    parser.add_argument("--keep", action="store_true", help="leave the account up at the end")
    parser.add_argument("--port", type=int, default=5700)
    return parser


if __name__ == "__main__":
    sys.exit(main())
