"""docs/decisions/README.md lists every decision under its own title."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs/decisions"
LISTED = dict(
    re.findall(r"\[([^\]]+)\]\((\d{4}-[\w-]+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
)


def test_every_decision_is_listed_once_in_order() -> None:
    assert list(LISTED.values()) == sorted(path.name for path in FOLDER.glob("0*.md"))


def test_every_title_is_that_of_its_page() -> None:
    for title, name in LISTED.items():
        heading = (FOLDER / name).read_text(encoding="utf-8").splitlines()[0]
        assert re.sub(r"^# \d+\.? ", "", heading) == title, f"{name} begins with {heading!r}"
