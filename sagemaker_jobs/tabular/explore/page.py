"""report.html: what was found in words, then figures and tables. One file; it loads nothing."""

import base64
from collections.abc import Mapping
from typing import Any

from tabular.explore.canvas import Drawing
from tabular.explore.page_template import TEMPLATE
from tabular.explore.report import Look

MOST_PAIRS, MOST_TESTS = 15, 25
LEVELS = {"alert": ("!", "act"), "look": ("?", "look"), "fine": ("✓", "fine")}


def render(looked: Look, drawn: Mapping[str, Drawing]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": number,
        "p": p_value,
        "share": share,
        "sentence": sentence,
        "level": LEVELS.__getitem__,
    }
    found = looked.found
    images = {
        name: {
            "uri": "data:image/png;base64," + base64.b64encode(figure.png).decode(),
            "alt": figure.alt,
            "note": figure.note,
        }
        for name, figure in drawn.items()
    }
    return environment.from_string(TEMPLATE).render(
        found=found,
        images=images,
        facts=facts(found),
        columns=found["columns"],
        units=looked.units,
        pairs=found["correlation"][:MOST_PAIRS],
        tests=by_skill(found),
        most_tests=MOST_TESTS,
        missing={entry["feature"]: entry["share"] for entry in found["missing"]["columns"]},
    )


def facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few numbers at the top."""
    windows, sample = found["windows"], found["sample"]
    told = [
        ("rows", f"{found['rows']:,}"),
        ("days", f"{windows['train']['start']} to {windows['holdout']['end']}"),
        ("features", f"{len(found['columns'])}"),
        ("training rows, labelled", f"{windows['train']['labelled']:,} of {windows['train']['rows']:,}"),
        ("looked at closely", f"{sample['train']['rows']:,} training rows"),
    ]
    if found.get("sufficiency"):
        told.append(("labels", found["sufficiency"]["verdict"]))
    return told


def by_skill(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tests in the order of the figure above them."""
    order = [entry["feature"] for entry in found.get("alone") or []]
    return sorted(found.get("association") or [], key=lambda entry: order.index(entry["feature"]))


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def number(value: Any) -> str:
    """Four digits, for people."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e9):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
