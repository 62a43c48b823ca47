"""Documents lead somewhere: every link in them exists, and the README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "sandbox/README.md"]
STAGES = (
    "base",
    "ingest",
    "lake",
    "transform",
    "explore",
    "train",
    "evaluate",
    "deploy",
    "monitor",
    "retrain",
)


def anchors(text: str) -> set[str]:
    """Headings as GitHub spells them in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)\s]+)\)", document.read_text(encoding="utf-8"))
    for link in links:
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: there is no such heading"


def test_readme_is_short_and_names_every_stage_with_code_and_a_test() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    rows = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith("| ")}
    for stage in STAGES:
        *_, stack, code, test, _end = rows[stage].split("|")
        assert "](stacks/" in stack
        assert "](" in code
        assert re.search(r"\]\(tests/\w+/test_\w+\.py\)", test)
