"""`python -m audit.bill <templates>`: what they cost, always on apart from by use, with the use as options.

Exit status: 0 the bill is made (what it does not know is named in it), 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from audit.bill import invoice, prices, tell
from audit.bill.usage import IDLE, Usage, option
from audit.templates import InputError, Templates


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        usage = IDLE if options.idle else usage_of(options)
        bill = invoice.make(Templates.read(options.templates), usage, prices.read(options.prices))
    except InputError as error:
        print(f"bill: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(tell.as_json(bill), indent=1))
    else:
        title = options.title or str(options.templates)
        print("\n".join(tell.text(bill, title=title, is_brief=options.idle)))
    return 0


def add_knobs(parser: argparse._ActionsContainer) -> None:
    for each in fields(Usage):
        parser.add_argument(
            option(each.name), type=float, default=each.default, help=f"{each.metadata['help']} (%(default)g)"
        )


def usage_of(options: argparse.Namespace) -> Usage:
    return Usage(**{each.name: getattr(options, each.name) for each in fields(Usage)})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m audit.bill", description=__doc__)
    parser.add_argument("templates", type=Path, help="a folder of templates (cdk.out), or one template")
    parser.add_argument("--json", action="store_true", help="for tools")
    parser.add_argument("--idle", action="store_true", help="only what is paid without any use")
    parser.add_argument("--title", help="what stands above the bill")
    parser.add_argument("--prices", type=Path, default=prices.TABLE, help="another table of prices")
    add_knobs(parser.add_argument_group("use"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
