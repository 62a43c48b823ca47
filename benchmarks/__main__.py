"""Measures what the project promises about its own speed, one thing after the other, and compares.

    python -m benchmarks [--only transform,endpoint] [--long]

Each benchmark has a process of its own and can be run alone, with more detail: `python -m
benchmarks.transform`. A figure means something on a machine that does nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks import figures
from benchmarks.processes import figures_of

BENCHMARKS = (
    "synthesis",
    "deployment",
    "transform",
    "endpoint",
    "predict",
    "explore",
    "authorisation",
    "stream",
    "etl",
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    found: list[figures.Figure] = []
    failed: dict[str, Exception] = {}
    for place, name in enumerate(options.only, start=1):
        print(f"{place}/{len(options.only)} {name} ...", flush=True)
        began = time.monotonic()
        try:
            found += figures_of(name, long=options.long) if name == "etl" else figures_of(name)
        except Exception as error:  # the others can be measured all the same
            failed[name] = error
        print(f"    {time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{figures.table(found)}\n\n{figures.verdict(found)}")
    if "synthesis" in options.only:
        print("not measured here: the set-up (budget: 60 s after downloads); `make setup` says its seconds")
    if "etl" in options.only and not options.long:
        print(
            "not measured: ten times the data (budget: 5 times the CPU), which takes minutes; --long does it"
        )
    for name, error in failed.items():
        print(f"benchmark {name} failed: {type(error).__name__}: {error}", file=sys.stderr)
    return 1 if failed or any(figure.within is False for figure in found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", type=_names, default=BENCHMARKS, metavar="NAMES", help=f"some of {','.join(BENCHMARKS)}"
    )
    parser.add_argument("--long", action="store_true", help="ten times the data as well: some minutes")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in BENCHMARKS:
            raise argparse.ArgumentTypeError(
                f"there is no benchmark {name!r}; allowed: {', '.join(BENCHMARKS)}, with commas between"
            )
    return names


if __name__ == "__main__":
    raise SystemExit(main())
