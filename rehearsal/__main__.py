"""Deploying and deleting from every half-made state, in the embedded account: `python -m rehearsal`.

    python -m rehearsal cdk.out [--only operations] [--step 10] [--result docs/rehearsal.md]

Each state is brought about twice in an account of its own: once it is destroyed as it is, once it is deployed
again and then destroyed. Both must end with an account that holds what it held before. Some 20 minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployment.assembly import wanted
from deployment.deploy import duration
from deployment.names import Names
from rehearsal import holdings, states
from rehearsal.rehearse import PROFILE, rehearsal
from rehearsal.states import State


@dataclass(frozen=True, kw_only=True)
class Outcome:
    state: State
    seconds: float
    failure: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 out of every state, 1 not."""
    options = _parser().parse_args(arguments)
    found = wanted(options.assembly, Names(profile=PROFILE))
    planned = [s for s in states.every(found, options.step) if (options.only or "") in s.stack]
    print(f"{len(planned)} states of {len(found)} stacks", flush=True)
    began, outcomes, listings = time.monotonic(), [], 0
    for number, state in enumerate(planned, 1):
        print(f"{number}/{len(planned)} {state} ...", flush=True)
        outcome, listings = _rehearsed(options.assembly, state)
        outcomes.append(outcome)
        left = (time.monotonic() - began) / number * (len(planned) - number)
        print(f"  {outcome.failure or 'out of it'}; about {duration(left)} left", flush=True)
    passed = sum(not outcome.failure for outcome in outcomes)
    print(f"{passed} of {len(outcomes)} states, {duration(time.monotonic() - began)}")
    if options.result:
        command = f"python -m rehearsal {' '.join(arguments if arguments is not None else sys.argv[1:])}"
        text = page(outcomes, command, listings, time.monotonic() - began)
        options.result.write_text(text, encoding="utf-8")
    return 0 if passed == len(outcomes) else 1


def _rehearsed(assembly: Path, state: State) -> tuple[Outcome, int]:
    """With how many listing operations of the account answered."""
    began, failure, listings = time.monotonic(), "", 0
    try:
        with rehearsal(assembly) as account:
            account.out_of(state)
            listings = holdings.asked()
    except Exception:  # the others can be rehearsed all the same
        failure = traceback.format_exc()
    return Outcome(state=state, seconds=time.monotonic() - began, failure=failure), listings


def page(outcomes: Sequence[Outcome], command: str, listings: int, seconds: float) -> str:
    passed = sum(not outcome.failure for outcome in outcomes)
    lines = [
        "# Deploying and deleting, rehearsed",
        "",
        f"Written by `make rehearse` on {datetime.now(UTC):%Y-%m-%d}, in {duration(seconds)} minutes:",
        "",
        f"    {command}",
        "",
        f"**{passed} of {len(outcomes)} states passed.** Each was brought about twice in an embedded account of its "
        "own: once `destroy` followed,",
        "once `deploy` and then `destroy`; after a deletion that failed also `deploy`, which refuses with the next "
        "command. At the end the account",
        f"held what it held before, by {listings} listing operations of every service in use; keys wait for their "
        "day, and Step Functions'",
        "own rules stay. What is rehearsed and how: [rehearsal/](../rehearsal).",
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
    parser.add_argument("--result", type=Path, help="write a page about it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
