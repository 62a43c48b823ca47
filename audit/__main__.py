"""`python -m audit <templates>`: what the templates of a folder allow, reach, encrypt and leave open.

Works on the assembly of `cdk synth` and on any folder of CloudFormation templates, offline. Exit status: 0
nothing is open, 1 findings are open, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from rich.console import Console

from audit import evidence, exercised, ledger, opinions, report
from audit.templates import InputError

LOG_WIDTH = 140  # characters: of the log of a build, which has no width of its own


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    try:
        known = evidence.Known(
            rows=ledger.read(options.ledger, options.profile),
            calls=exercised.read_calls(options.record) if options.record else None,
            explanations=exercised.read_explanations(options.explanations),
            engines=options.opinions,
        )
        found = evidence.gather(options.templates, known, options.today)
    except InputError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    page = report.write(found, options.output)
    report.tell(found, console)
    console.print(f"the report: {page}")
    return 1 if found.verdict.open else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    parser.add_argument("templates", type=Path, help="a folder of templates (cdk.out), or one template")
    parser.add_argument("--ledger", type=Path, help="YAML list of accepted findings")
    parser.add_argument("--profile", default="", help="whose rows of the ledger count; without it all do")
    parser.add_argument("--record", type=Path, help="exercised.json of a run: what roles really did")
    parser.add_argument("--explanations", type=Path, help="YAML list: why unused permissions stay")
    parser.add_argument(
        "--opinions",
        type=Path,
        default=opinions.HOME,
        help="virtual environment with checkov and cloudformation-validate (`make opinions`)",
    )
    parser.add_argument("--output", type=Path, default=Path("audit-report"), help="folder for the reports")
    parser.add_argument(
        "--today", type=date.fromisoformat, default=date.today(), help="the day on which rows must be good"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
