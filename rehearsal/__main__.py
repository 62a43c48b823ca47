"""Deploying and deleting from every half-made state, in the embedded account: `python -m rehearsal`.

    python -m rehearsal cdk.out [--only operations] [--step 10] [--result docs/rehearsal.md]

Each state is brought about twice: once it is destroyed as it is, once it is deployed again and then
destroyed. Both must end with an account that holds what it held before, in which the next one is brought
about.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from deployment.assembly import wanted
from deployment.deploy import duration
from deployment.names import Names
from rehearsal import states
from rehearsal.rehearse import PROFILE, Outcome, rehearsed
from rehearsal.states import State


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 out of every state, 1 not."""
    options = _parser().parse_args(arguments)
    found = wanted(options.assembly, Names(profile=PROFILE))
    planned = [s for s in states.every(found, options.step) if (options.only or "") in s.stack]
    print(f"{len(planned)} states of {len(found)} stacks, {options.jobs} at a time", flush=True)
    began = time.monotonic()
    outcomes = _all(options.assembly, planned, options.jobs)
    passed, seconds = sum(not outcome.failure for outcome in outcomes), time.monotonic() - began
    print(f"{passed} of {len(outcomes)} states, {duration(seconds)}")
    if options.result:
        command = f"python -m rehearsal {' '.join(arguments if arguments is not None else sys.argv[1:])}"
        options.result.write_text(page(outcomes, command, seconds), encoding="utf-8")
    return 0 if passed == len(outcomes) else 1


def _all(assembly: Path, planned: Sequence[State], jobs: int) -> list[Outcome]:
    """In the order of the plan. Each process has one account after the other."""
    began, done = time.monotonic(), {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(rehearsed, assembly, state): state for state in planned}
        for number, future in enumerate(as_completed(running), 1):
            outcome = done[running[future]] = future.result()
            left = (time.monotonic() - began) / number * (len(planned) - number)
            print(
                f"{number}/{len(planned)} {outcome.state}: {outcome.failure or 'out of it'} "
                f"({outcome.seconds:.0f} s); about {duration(left)} left",
                flush=True,
            )
    return [done[state] for state in planned]


def page(outcomes: Sequence[Outcome], command: str, seconds: float) -> str:
    passed = sum(not outcome.failure for outcome in outcomes)
    listings = min((outcome.listings for outcome in outcomes if not outcome.failure), default=0)
    lines = [
        "# Deploying and deleting, rehearsed",
        "",
        f"Written by `make rehearse` on {datetime.now(UTC):%Y-%m-%d}, in {duration(seconds)} minutes:",
        "",
        f"    {command}",
        "",
        f"**{passed} of {len(outcomes)} states passed.** Each was brought about twice in the embedded",
        "account: once `destroy` followed, once `deploy` and then `destroy`; after a deletion that failed",
        "also `deploy`, which refuses with the next command. At the end the account held what it had held",
        f"before, by {listings} listing operations of every service in use, and the next state began in it.",
        "Keys wait for their day, and the rules that Step Functions makes for itself stay. How it is done:",
        "[rehearsal/](../rehearsal).",
        "",
        "| Stack | Place | Resource | What happens there | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        state, result = outcome.state, "failed" if outcome.failure else "passed"
        place = f"{state.place} of {state.of}"
        lines.append(f"| {state.stack} | {place} | {state.logical_id} | {state.how} | {result} |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("assembly", type=Path, help="what `cdk synth` wrote for the profile sandbox")
    parser.add_argument("--only", help="a part of a stack's name: operations")
    parser.add_argument("--step", type=int, default=states.STEP, help="every which resource")
    parser.add_argument("--jobs", type=int, default=2, help="how many accounts at a time")
    parser.add_argument("--result", type=Path, help="write a page about it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
