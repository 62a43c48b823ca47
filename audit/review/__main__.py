"""`python -m audit.review <templates> --base <git revision or folder>`: what a change would do, worst first.

Draws the templates, lists their resources by stage, and classifies the difference to the base as data loss,
replacement, wider access, cost, behaviour or cosmetic. Offline. Exit status: 0 the review is written, 1 it is
written and has a difference of the class that --fail-on names, or a worse one, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from audit.__main__ import LOG_WIDTH
from audit.review.base import base_of
from audit.review.compare import Difference, compare
from audit.review.difference import Kind, counts
from audit.review.layout import lay
from audit.review.page import SERIOUS, Review, grouped, write
from audit.review.places import picture
from audit.templates import InputError, Templates

NEVER = "never"
COLOURS = {Kind.DATA_LOSS: "bold red", Kind.REPLACEMENT: "red", Kind.WIDER_ACCESS: "yellow"}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    try:
        templates = Templates.read(options.templates)
        review = _review(templates, options)
    except InputError as error:
        print(f"review: {error}", file=sys.stderr)
        return 2
    page = write(review, options.output)
    _tell(review, console)
    console.print(f"the review: {page}", markup=False)
    limit = next((kind for kind in Kind if kind.option == options.fail_on), None)
    return 1 if limit is not None and any(one.kind >= limit for one in review.changes) else 0


def _review(templates: Templates, options: argparse.Namespace) -> Review:
    difference: Difference | None = None
    name = ""
    if options.base:
        root = options.templates.absolute().parent
        cdk = options.modules / ".bin" / "cdk"
        with base_of(options.base, options.profile, root, cdk) as (base, name):
            difference = compare(base, templates, options.modules)
    touched = difference.touched if difference else {}
    added = difference.added if difference else frozenset[str]()
    title = ", ".join(templates.stacks) + (f" ({options.profile})" if options.profile else "")
    layout = lay(picture(templates), touched, added)
    return Review(templates=templates, name=title, base=name, difference=difference, layout=layout)


def _tell(review: Review, console: Console) -> None:
    """The counts, and a line for each kind of the serious differences."""
    console.print(review.verdict, style="bold", markup=False)
    if not review.changes:
        return
    console.print(", ".join(f"{number} {kind.words}" for kind, number in counts(review.changes).items()))
    for kind in SERIOUS:
        for same in grouped(review.changes, kind):
            more = f" and {len(same) - 1} more" if len(same) > 1 else ""
            line = f"{kind.words:12}  {same[0].path}{more} {same[0].what}"
            if len(line) > console.width:
                line = f"{line[: console.width - 1]}…"
            console.print(line, style=COLOURS[kind], markup=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m audit.review", description=__doc__)
    parser.add_argument("templates", type=Path, help="a folder of templates (cdk.out), or one template")
    parser.add_argument("--base", default="", help="a folder of templates, or a git revision to synthesise")
    parser.add_argument("--profile", default="", help="with which a git revision is synthesised")
    parser.add_argument(
        "--fail-on",
        choices=[NEVER, *(kind.option for kind in sorted(Kind, reverse=True))],
        default=NEVER,
        help="end with status 1 for a difference of this class or a worse one",
    )
    parser.add_argument(
        "--modules", type=Path, default=Path("node_modules"), help="the node_modules with the CDK CLI"
    )
    parser.add_argument("--output", type=Path, default=Path("review-report"), help="folder for the review")
    return parser


if __name__ == "__main__":
    sys.exit(main())
