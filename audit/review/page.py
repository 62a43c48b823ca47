"""The review for people: one HTML page that stands by itself, and a summary for a pull request's comment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audit.findings import few
from audit.report import breakable
from audit.review.compare import Difference
from audit.review.difference import Change, Kind, counts
from audit.review.drawing import png, svg
from audit.review.places import ORDER, stages_of
from audit.review.shapes import Layout
from audit.templates import Templates

FOLDER = Path(__file__).parent
# A comment of GitHub's may have 65,536 characters.
LONGEST = 60_000
MANY = 12  # groups of a class that a comment shows
SERIOUS = (Kind.DATA_LOSS, Kind.REPLACEMENT, Kind.WIDER_ACCESS)


@dataclass(frozen=True, kw_only=True)
class Review:
    """`difference` and `base`: None and "" where there is nothing to compare with."""

    templates: Templates
    name: str
    base: str
    difference: Difference | None
    layout: Layout

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.difference.changes if self.difference else ()

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if self.difference is None:
            return "Nothing to compare with was given: this is what the templates hold."
        if not self.changes:
            return f"No difference to {self.base}."
        worst = self.changes[0].kind
        number = len(self.changes)
        words = {
            Kind.DATA_LOSS: "Data can be lost",
            Kind.REPLACEMENT: "Resources are made anew",
            Kind.WIDER_ACCESS: "Access becomes wider",
            Kind.COST: "It costs something else",
            Kind.BEHAVIOUR: "It acts differently",
            Kind.COSMETIC: "Only words, tags and code behind resources change",
        }[worst]
        return f"{words}: {number} {'difference' if number == 1 else 'differences'} to {self.base}."


def write(review: Review, folder: Path) -> Path:
    """Writes index.html, review.svg, review.png and review.md; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    drawing = svg(review.layout)
    (folder / "review.svg").write_text(drawing, encoding="utf-8")
    (folder / "review.png").write_bytes(png(review.layout))
    (folder / "review.md").write_text(markdown(review), encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render(review, drawing), encoding="utf-8")
    return page


def render(review: Review, drawing: str) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment.get_template("review.html.j2").render(
        review=review,
        counts=counts(review.changes),
        groups=[(kind, grouped(review.changes, kind)) for kind in sorted(Kind, reverse=True)],
        resources=by_stage(review),
        drawing=drawing,
        kinds=list(Kind),
    )


def grouped(changes: Iterable[Change], kind: Kind) -> list[list[Change]]:
    """Changes that say the same of resources of one type are one entry, in the order of the first."""
    found: dict[tuple[str, str, str], list[Change]] = defaultdict(list)
    for one in changes:
        if one.kind is kind:
            found[one.type, one.what, one.why].append(one)
    return list(found.values())


Line = tuple[str, list[tuple[str, str]]]  # type, and (name, mark) of its resources


def by_stage(review: Review) -> list[tuple[str, list[Line], int]]:
    """Stage, its resources by type, how many; in the order of the diagram. What is gone is not in it."""
    stages = stages_of(review.templates)
    found: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for resource in review.templates.resources:
        name = resource.path.partition("/")[2] or resource.path
        found[stages[resource.path]][resource.type].append((name, _mark(review, resource.path)))
    order = [*(stage for stage in ORDER if stage in found), *(stage for stage in found if stage not in ORDER)]
    return [
        (
            stage,
            [(kind, sorted(names)) for kind, names in sorted(found[stage].items())],
            sum(map(len, found[stage].values())),
        )
        for stage in order
    ]


def _mark(review: Review, path: str) -> str:
    """A word for the style of a resource that is new or changes."""
    if review.difference is None:
        return ""
    if path in review.difference.added:
        return "new"
    worst = review.difference.touched.get(path)
    return worst.option if worst is not None else ""


# ---- the comment ----


def markdown(review: Review) -> str:
    """Cut where a comment would be too long; the page has all of it."""
    lines = [f"## Review of {review.name}", "", f"**{review.verdict}**", ""]
    if review.difference is not None and review.changes:
        lines += _table(counts(review.changes))
        for kind in sorted(Kind, reverse=True):
            lines += _section(kind, grouped(review.changes, kind))
    lines += [
        f"{len(review.templates.resources)} resources in {', '.join(review.templates.stacks)}. "
        "The page with the diagram is `index.html` beside this summary."
    ]
    if review.difference is not None:
        lines += ["", f"What replaces a resource: {review.difference.source}, and AWS's resource schemas."]
    text = "\n".join(lines) + "\n"
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition("\n")[0] + "\n\n… the rest is in the page.\n"


def _table(numbers: Mapping[Kind, int]) -> list[str]:
    head = ["| Class | Differences | |", "| --- | ---: | --- |"]
    return [*head, *(f"| {kind.words} | {number} | {kind.meaning} |" for kind, number in numbers.items()), ""]


def _section(kind: Kind, groups: Sequence[Sequence[Change]]) -> list[str]:
    """The serious ones open, the others folded."""
    if not groups:
        return []
    lines = [line for same in groups[:MANY] for line in _entry(same)]
    if len(groups) > MANY:
        lines.append(f"- … and {len(groups) - MANY} more kinds of it")
    number = sum(map(len, groups))
    if kind in SERIOUS:
        return [f"### {kind.words.capitalize()} ({number})", "", *lines, ""]
    summary = f"<summary>{kind.words.capitalize()} ({number})</summary>"
    return ["<details>", summary, "", *lines, "", "</details>", ""]


def _entry(same: Sequence[Change]) -> list[str]:
    first = same[0]
    where = few((f"`{_code(one.path)}`" for one in same), 4)
    kind = f" ({first.type.removeprefix('AWS::')})" if first.type else ""
    line = f"- {where}{kind} {_escaped(first.what)}"
    if first.why:
        line += f"<br>{_escaped(first.why)}"
    if len(same) == 1 and (first.before or first.after):
        before, after = (
            f"`{_code(text[:160])}`" if text else "nothing" for text in (first.before, first.after)
        )
        line += f"<br>{before} → {after}"
    return [line]


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")


def _escaped(text: str) -> str:
    """So that nothing in a name is markup."""
    for char in "\\*_<>[]|":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", " ")
