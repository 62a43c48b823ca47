"""Mutation testing of the posture: one property is broken, and a check has to notice.

    python -m audit.mutants <templates> [--list] [--only PATTERN]
    python -m audit.mutants --code [--list] [--only PATTERN]

The first breaks the templates of a folder, the second the code that makes ours. A mutant is killed by the
first check that finds more than it found before, or by the access matrix when it says something else. What
survives needs a reason (security/surviving_mutants.yaml). Exit status: 0 all is killed or explained, 1
something is not, or a reason answers nothing, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from audit.mutation import judge, score, survivors
from audit.mutation.mutant import Mutant
from audit.mutation.survivors import Result, Verdict
from audit.mutation.templates import mutants
from audit.templates import InputError, Templates

REASONS, PAGE = Path("security/surviving_mutants.yaml"), Path("docs/mutation-score.md")
_STATE: dict[str, Any] = {}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    of = "code" if options.code else "templates"
    try:
        reasons = survivors.read(options.reasons, of)
        results = _of_code(options, console) if options.code else _of_templates(options, console)
    except InputError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    verdict = survivors.judged(results, reasons)
    _tell(verdict, console, is_listed=options.list, is_whole=not options.only)
    if options.write and not options.only:
        command = f"python -m audit.mutants {'--code' if options.code else options.templates}"
        score.write(options.page, of, verdict, command, options.today)
    is_stale = bool(verdict.unused) and not options.only
    return 1 if verdict.unexplained or is_stale else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m audit.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("templates", type=Path, nargs="?", default=Path("cdk.out"))
    parser.add_argument("--code", action="store_true", help="break security/ and stacks/ instead")
    parser.add_argument("--list", action="store_true", help="every mutant with what killed it")
    parser.add_argument("--only", type=re.compile, help="mutants whose line holds this pattern")
    parser.add_argument("--reasons", type=Path, default=REASONS, help="YAML list: why what survives may")
    parser.add_argument("--write", action="store_true", help=f"the score into {PAGE}")
    parser.add_argument("--page", type=Path, default=PAGE, help=argparse.SUPPRESS)
    parser.add_argument("--today", type=date.fromisoformat, default=date.today(), help=argparse.SUPPRESS)
    return parser


def _of_templates(options: argparse.Namespace, console: Console) -> list[Result]:
    every = list(mutants(Templates.read(options.templates).documents))
    chosen = [number for number, one in enumerate(every) if not options.only or options.only.search(one.what)]
    return _in_parallel(_judge, chosen, console, _begin, (options.templates,))


def _of_code(options: argparse.Namespace, console: Console) -> list[Result]:
    from audit.mutation import code

    every = code.mutants(Path.cwd())
    chosen = [number for number, one in enumerate(every) if not options.only or options.only.search(one.what)]
    return _in_parallel(code.judge, chosen, console, code.begin, (Path.cwd(),))


def _in_parallel(
    work: Any, numbers: Sequence[int], console: Console, begin: Any, given: tuple[Any, ...]
) -> list[Result]:
    """Spawned and not forked: the caller may hold a Node process, which only one can speak to."""
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=begin, initargs=given) as pool,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("mutants", total=len(numbers))
        results = []
        for result in pool.map(work, numbers, chunksize=4):
            results.append(result)
            progress.advance(task)
    return results


def _begin(folder: Path) -> None:
    documents = Templates.read(folder).documents
    _STATE.update(all=list(mutants(documents)), before=judge.baseline(documents))


def _judge(number: int) -> Result:
    mutant: Mutant = _STATE["all"][number]
    before: judge.Baseline = _STATE["before"]
    by = judge.killer(mutant.applied(before.documents), before, {mutant.place.stack})
    return Result(kind=mutant.kind, path=mutant.place.path, subject=mutant.subject, by=by)


def _tell(verdict: Verdict, console: Console, *, is_listed: bool, is_whole: bool) -> None:
    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False)

    for result in verdict.results if is_listed else ():
        say(f"{result.by or 'SURVIVES':40} {result.what}")
    for name, number in Counter(
        one.by.partition(":")[0] for one in verdict.results if one.is_killed
    ).most_common():
        say(f"{number:5} killed by {name}")
    for reason, number in Counter(reason for _, reason in verdict.explained).items():
        word = "equivalent" if reason.is_equivalent else "survive"
        say(f"{number:5} {word}: {reason.kind}, {reason.path}, {reason.subject}: {reason.reason}")
    for result in verdict.unexplained:
        say(f"survives without a reason: {result.what}")
    for reason in verdict.unused if is_whole else ():
        say(f"a reason without its survivor: {reason.kind}, {reason.path}, {reason.subject}")
    say(score.said(verdict))


if __name__ == "__main__":
    sys.exit(main())
