"""docs/guide.md says of each item of the guide where it is and what proves it: what it names exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
ITEMS = {f"G{number:03}" for number in range(1, 91)}
BUILT = {
    row[0]: row
    for line in DOCUMENT.split("## Not built yet")[0].splitlines()
    if (row := [cell.strip() for cell in line.strip("|").split("|")])[0] in ITEMS
}


def paths(text: str) -> set[str]:
    return {path for path in re.findall(r"`([^`]+)`", text) if re.search(r"\.\w+$", path) and "/" in path}


def test_every_item_appears_once() -> None:
    found = Counter(cell.strip() for line in DOCUMENT.splitlines() for cell in line.split("|"))
    counts = {name: count for name, count in found.items() if re.fullmatch(r"G\d+", name)}
    assert counts == dict.fromkeys(ITEMS, 1)


def test_every_named_path_exists() -> None:
    named = paths(DOCUMENT)
    assert len(named) > 60
    assert {path for path in named if not (ROOT / path).is_file()} == set()


@pytest.mark.parametrize("item", sorted(BUILT))
def test_built_item_names_code_and_a_test(item: str) -> None:
    *_, where, proof = BUILT[item]
    assert paths(where), "a built item names the file in which it is"
    assert {path for path in paths(proof) if re.match(r"tests/\w+/test_\w+\.py$", path)}
    assert not {path for path in paths(where) if path.startswith("tests/")}


def test_items_that_are_not_built_name_no_file() -> None:
    assert paths(DOCUMENT.split("## Not built yet")[1]) == set()
