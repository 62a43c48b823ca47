"""`python -m deployment.status --profile <profile>`: how the loop does, as one page in the terminal.

It only reads. What cannot be read says why and how to get it; the rest is shown all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from deployment import cost, data, loop, models, place, view
from deployment.errors import StoppedError, explained
from deployment.view import Deployment, NothingToSeeError, Section, Unread

QUIET, RINGS, CANNOT_LOOK = 0, 1, 2
WIDTH, LABEL = 110, 20
EYES: tuple[tuple[str, Callable[[Deployment], Section]], ...] = (
    ("stacks", loop.the_stacks),
    ("alarms", loop.alarms),
    ("runs", loop.runs),
    ("models", models.standing),
    ("schedules", loop.schedules),
    ("data", data.lag),
    ("token keys", data.keys),
    ("dead letters", data.dead_letters),
    ("set aside", data.set_aside),
    ("cost", cost.month_to_date),
)
# Without these nobody can say that all is quiet.
NEEDED = {"stacks", "alarms", "runs", "models", "dead letters"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 quiet, 1 something rings or failed, 2 cannot look."""
    options = _parser().parse_args(arguments)
    try:
        seen = view.deployed(place.here(), options.profile, options.at)
    except (NothingToSeeError, StoppedError) as error:
        return _cannot(str(error), options.json)
    except (BotoCoreError, ClientError) as error:
        return _cannot(explained(error), options.json)
    found = gather(seen, without={"cost"} if options.without_cost else set())
    status = verdict(found)
    lines = [_as_json(seen, found, status)] if options.json else _page(seen, found, status)
    for line in lines:
        print(line)
    return status


def gather(seen: Deployment, without: set[str]) -> list[Section | Unread]:
    """Side by side, as each waits for the network most of its time; in the order of EYES."""
    seen.of_type("")  # the stacks' resources, once
    eyes = [(title, eye) for title, eye in EYES if title not in without]
    for service in (
        "cloudwatch",
        "dynamodb",
        "s3",
        "sqs",
        "ssm",
        "sagemaker",
        "stepfunctions",
        "glue",
        "secretsmanager",
    ):
        seen.place.client(service)  # clients are shared by threads, but not made by them
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda each: view.look(each[0], lambda: each[1](seen)), eyes))


def verdict(found: Sequence[Section | Unread]) -> int:
    if any(isinstance(each, Section) and each.bad for each in found):
        return RINGS
    return CANNOT_LOOK if any(isinstance(each, Unread) and each.title in NEEDED for each in found) else QUIET


def _page(seen: Deployment, found: Sequence[Section | Unread], status: int) -> Iterator[str]:
    yield (
        f"{seen.names.prefix} in account {seen.place.account}, {seen.place.region}, "
        f"as of {seen.at.astimezone(UTC):%F %H:%M} UTC"
    )
    for each in found:
        yield ""
        yield each.title.upper()
        rows = [("unread", each.why)] if isinstance(each, Unread) else each.rows
        for label, text in rows:
            yield from row(label, text)
    yield ""
    yield from _ending(found, status)


def row(label: str, text: str) -> Iterator[str]:
    first, *rest = textwrap.wrap(text, WIDTH - LABEL - 4, break_on_hyphens=False) or [""]
    if len(label) > LABEL:
        yield f"  {label}"
        label = ""
    yield f"  {label:<{LABEL}}  {first}"
    yield from (f"{'':{LABEL + 4}}{line}" for line in rest)


def _ending(found: Sequence[Section | Unread], status: int) -> Iterator[str]:
    bad = [line for each in found if isinstance(each, Section) for line in each.bad]
    unread = [each.title for each in found if isinstance(each, Unread)]
    if unread:
        yield f"not read: {', '.join(unread)}"
    if status == RINGS:
        yield f"{len(bad)} to look at:"
        yield from (f"  {line}" for line in bad)
    else:
        yield "quiet" if status == QUIET else "cannot tell: what is not read could ring"


def _as_json(seen: Deployment, found: Sequence[Section | Unread], status: int) -> str:
    return json.dumps(
        {
            "profile": seen.names.profile,
            "account": seen.place.account,
            "region": seen.place.region,
            "at": seen.at.isoformat(),
            "paused": seen.is_paused,
            "status": {QUIET: "quiet", RINGS: "rings", CANNOT_LOOK: "cannot look"}[status],
            "bad": [line for each in found if isinstance(each, Section) for line in each.bad],
            "sections": {each.title: each.facts for each in found if isinstance(each, Section)},
            "unread": {each.title: each.why for each in found if isinstance(each, Unread)},
        },
        indent=2,
    )


def _cannot(why: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"status": "cannot look", "why": why}))
    else:
        print(f"cannot look: {why}", file=sys.stderr)
    return CANNOT_LOOK


def instant(text: str) -> datetime:
    """With a time zone, for argparse."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text} has no time zone: add +00:00")
    return when


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment.status", description=__doc__)
    parser.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--without-cost", action="store_true", help="asking Cost Explorer costs 0.01 USD")
    parser.add_argument(
        "--at", type=instant, help="ISO time with a zone, where the account's clock is not this machine's"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
