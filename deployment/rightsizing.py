"""`python -m deployment.rightsizing --profile <profile>`: what is too large or too small, and what to change.

It only reads and changes nothing. With little data it says so and recommends nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment import measured, place, sizes, view
from deployment.errors import StoppedError, explained
from deployment.sizes import FITS, OVER, UNDER, UNKNOWN, Advice
from deployment.status import instant, row
from deployment.view import NothingToSeeError

FITTING, TO_CHANGE, CANNOT_LOOK = 0, 1, 2
ORDER = (UNDER, OVER, UNKNOWN, FITS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 nothing to change, 1 something is too large or too small, 2 cannot look."""
    options = _parser().parse_args(arguments)
    try:
        found = _measured(options)
    except (NothingToSeeError, StoppedError, OSError, ValueError) as error:
        print(f"cannot look: {error}", file=sys.stderr)
        return CANNOT_LOOK
    except (BotoCoreError, ClientError) as error:
        print(f"cannot look: {explained(error)}", file=sys.stderr)
        return CANNOT_LOOK
    if options.record:
        options.record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    advices = sizes.judge(found)
    for line in [_as_json(found, advices)] if options.json else page(found, advices):
        print(line)
    return TO_CHANGE if any(each.verdict in (UNDER, OVER) for each in advices) else FITTING


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    if options.recorded:
        found: dict[str, Any] = json.loads(options.recorded.read_text(encoding="utf-8"))
        return found
    return measured.gather(view.deployed(place.here(), options.profile, options.at), options.days)


def page(found: Mapping[str, Any], advices: Sequence[Advice]) -> Iterator[str]:
    yield f"profile {found['profile']}, the {found['days']} days before {found['at'][:16]} UTC"
    for verdict in ORDER:
        some = [each for each in advices if each.verdict == verdict]
        if some:
            yield ""
            yield verdict.upper()
        for each in some:
            yield f"  {each.resource}"
            yield from row("    because", each.why)
            if each.change:
                yield from row("    change", each.change)
                yield from row("    confidence", each.confidence)
    for name, why in found["unread"].items():
        yield ""
        yield from row(f"unread: {name}", why)
    count = Counter(each.verdict for each in advices)
    yield ""
    yield ", ".join(f"{count[verdict]} {verdict}" for verdict in ORDER)


def _as_json(found: Mapping[str, Any], advices: Sequence[Advice]) -> str:
    answer = {key: found[key] for key in ("profile", "at", "days", "unread")}
    return json.dumps(answer | {"advice": [asdict(each) for each in advices]}, indent=2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment.rightsizing", description=__doc__)
    parser.add_argument("--profile", default="sandbox", help="as in settings.py; not the AWS CLI's profile")
    parser.add_argument("--days", type=int, default=measured.DAYS, help="how far it looks back")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--record", type=Path, help="write what was measured into this file too")
    parser.add_argument("--recorded", type=Path, help="judge such a file instead of an account")
    parser.add_argument(
        "--at", type=instant, help="ISO time with a zone: the end of the window; default: now"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
