"""No column of a data set appears in the code: a second data set needs a folder in contracts/ and nothing
else.
"""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

import pytest

import contracts

ROOT = Path(__file__).parents[2]
CODE = [
    "app.py",
    "bundles.py",
    "settings.py",
    "security",
    "stacks",
    "lambda",
    "glue_jobs",
    "sagemaker_jobs",
    "sandbox",
]
# Words of the code's own that a data set happens to use too.
ORDINARY = {
    "name",
    "type",
    "model",
    "month",
    "hour",
    "minute",
    "day",
    "year",
    "features",
    "origin",
    "engine",
    "speed",
}


def columns(contract: str) -> set[str]:
    compiled = contracts.load(contract)
    names = {column for table in compiled["tables"].values() for column in table["columns"]}
    return {name for name in names | set(compiled["features"]["columns"]) if len(name) > 3} - ORDINARY


@pytest.mark.parametrize("contract", ["flights", "diabetes", "digits", "weather"])
def test_code_knows_no_column_of_a_data_set(contract: str) -> None:
    known = columns(contract)
    assert len(known) >= 5
    files = [
        path
        for name in CODE
        for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    ]
    quoted = {f"{path.relative_to(ROOT)}: {word}" for path in files for word in strings(path) & known}
    assert quoted == set()


def strings(path: Path) -> set[str]:
    return {
        token.string.strip("rbfRBF").strip("'\"")
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.STRING
    }
