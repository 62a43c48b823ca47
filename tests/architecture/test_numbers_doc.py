"""docs/numbers.md says which test recomputes each number of the reports: it exists, and asks a library."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/numbers.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", DOCUMENT)
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in DOCUMENT.splitlines()
    if line.startswith("| ") and not line.startswith(("| Number", "| ---"))
]
LIBRARIES = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", "xgboost"}


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse((ROOT / "tests/unit" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted({file for file, _ in NAMED}))
def test_named_tests_exist_in_files_that_ask_a_library(name: str) -> None:
    tree = parsed(name)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {test for file, test in NAMED if file == name} - defined == set()
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported & LIBRARIES


def test_every_row_names_a_number_what_recomputes_it_and_a_test() -> None:
    assert len(ROWS) > 45
    for number, call, tests in ROWS:
        assert number
        assert call
        assert re.fullmatch(r"`test_\w+\.py::test_\w+`(, `test_\w+\.py::test_\w+`)*", tests), number


def test_every_test_of_the_files_for_it_is_named() -> None:
    """A test that only recomputes numbers and stands in no row is one that no reader finds."""
    known = {test for _, test in NAMED}
    # It says more of a row that another test proves.
    known.add("test_thinned_curves_keep_points_of_the_whole_ones")
    files = sorted(path.name for path in (ROOT / "tests/unit").glob("test_numbers_*.py"))
    assert len(files) == 5
    for name in files:
        defined = {
            node.name
            for node in parsed(name).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }
        assert defined - known == set()
