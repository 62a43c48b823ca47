"""The bill of both profiles, and of the sandbox when it is paused; `--write` renews the README's table.

Synthesises the project, so it needs no account; figures: audit/bill/.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from audit.bill import __main__ as command  # noqa: E402
from audit.bill import invoice, prices, tell  # noqa: E402
from audit.bill.invoice import Bill, by_group  # noqa: E402
from audit.bill.usage import Usage  # noqa: E402
from audit.templates import InputError, Templates  # noqa: E402
from scripts.diagram import synthesise  # noqa: E402

README = ROOT / "README.md"
START, END = "<!-- generated: bill -->", "<!-- end of generated -->"
PAUSED = "paused"


def table(bills: Mapping[str, Bill]) -> str:
    """Always on by group, use as one figure, runs one by one; the columns are the bills."""
    names = list(bills)
    groups = dict.fromkeys(group for bill in bills.values() for group in by_group(bill.always))
    rows = [["USD a month, us-east-1", *(f"`{name}`" for name in names)]]
    for group in groups:
        sums = [by_group(bill.always).get(group, 0.0) for bill in bills.values()]
        if any(sums):
            rows.append([group, *map(_usd, sums)])
    rows.append(["**always on, together**", *(f"**{_usd(bill.idle)}**" for bill in bills.values())])
    rows.append(["a day", *(_usd(bill.idle_day) for bill in bills.values())])
    rows.append(["a small deployment's use", *(_use(bill) for bill in bills.values())])
    for kind in ("retraining", "refresh", "monitoring", "scoring"):
        rows.append([f"one {kind}", *(_run(bill, kind) for bill in bills.values())])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| --- |" + " ---: |" * len(names))
    return "\n".join(lines)


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value else ""


def _use(bill: Bill) -> str:
    return _usd(bill.used) if _serves(bill) else ""


def _run(bill: Bill, kind: str) -> str:
    """Of what is paused nothing runs."""
    return _usd(sum(run.usd for run in bill.runs if run.kind == kind)) if _serves(bill) else ""


def _serves(bill: Bill) -> bool:
    return any(item.group == "instances behind the endpoint" for item in bill.always)


def written(text: str, bills: Mapping[str, Bill]) -> str:
    if text.count(START) != 1 or END not in text.split(START, 1)[1]:
        raise ValueError(
            f"README.md must hold the marker {START} once and {END} after it, got {text.count(START)}: "
            "the table goes between them"
        )
    before, rest = text.split(START, 1)
    return f"{before}{START}\n\n{table(bills)}\n\n{END}{rest.split(END, 1)[1]}"


def bills(usage: Usage, folder: Path, profiles: tuple[str, ...]) -> Iterator[tuple[str, Bill]]:
    os.environ.setdefault("CDK_VALIDATION", "false")  # `make synth` runs the linter, a bill needs none
    listed = prices.read()
    for profile in profiles:
        assembly = synthesise(folder / profile, profile)
        yield profile, invoice.make(Templates.read(assembly), usage, listed)
    if "sandbox" in profiles:
        assembly = synthesise(folder / PAUSED, "sandbox", is_paused=True)
        yield PAUSED, invoice.make(Templates.read(assembly), usage, listed)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    profiles = (options.profile,) if options.profile else ("sandbox", "production")
    try:
        usage = Usage() if options.write else command.usage_of(options)
        with tempfile.TemporaryDirectory() as folder:
            found = dict(bills(usage, Path(folder), profiles))
    except (InputError, ValueError) as error:
        print(f"bill: {error}", file=sys.stderr)
        return 2
    if options.write:
        README.write_text(written(README.read_text(encoding="utf-8"), found), encoding="utf-8")
    elif options.json:
        print(json.dumps({name: tell.as_json(bill) for name, bill in found.items()}, indent=1))
    else:
        for name, bill in found.items():
            print("\n".join(tell.text(bill, title=name, is_brief=name == PAUSED)), end="\n\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python scripts/bill.py", description=__doc__)
    parser.add_argument("--profile", help="only this one; sandbox comes with what it costs when it is paused")
    parser.add_argument("--json", action="store_true", help="for tools")
    parser.add_argument(
        "--write", action="store_true", help="the README's table, with the use of the defaults"
    )
    command.add_knobs(parser.add_argument_group("use"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
