"""docs/security.md is the index of practices: what it names exists, and it names everything."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([\w/.]+\.(?:py|md|json))`", DOCUMENT))
TESTS = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT))


def test_every_named_file_exists() -> None:
    assert len(NAMED) > 20
    assert {name for name in NAMED if not (ROOT / name).exists()} == set()


def test_every_security_file_is_named() -> None:
    files = [*ROOT.glob("security/*.py"), *ROOT.glob("tests/security/test_*.py")]
    present = {str(path.relative_to(ROOT)) for path in files if path.name != "__init__.py"}
    assert present - NAMED == set()


def test_every_named_test_exists() -> None:
    missing = {
        f"{file}::{test}"
        for file, test in TESTS
        if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    }
    assert missing == set()


def test_every_decision_says_context_and_decision_on_a_page() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert decisions
    numbers = [path.name[:4] for path in decisions]
    assert len(numbers) == len(set(numbers))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        for part in ("Context", "Decision"):
            assert re.search(rf"^(## |\*\*){part}", text, re.MULTILINE), f"{path.name} has no part {part!r}"
        assert len(text.splitlines()) < 60, f"{path.name} is longer than a page"
