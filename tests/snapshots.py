"""Golden files: `make snapshots` rewrites them, review reads their diff."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def assert_equals_snapshot(actual: object, name: str) -> None:
    _assert_same(json.dumps(actual, indent=2, sort_keys=True).splitlines(), f"{name}.json")


def assert_lines_equal_snapshot(actual: list[str], name: str) -> None:
    """For what reads better as a line each, in an order of its own."""
    _assert_same(actual, f"{name}.txt")


def _assert_same(lines: list[str], file: str) -> None:
    path = FOLDER / file
    now = [f"{line}\n" for line in lines]
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(now), encoding="utf-8")
    before = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    diff = "".join(difflib.unified_diff(before, now, "reviewed", "now", n=2))
    assert not diff, f"{path.name} changed; if you meant it, run `make snapshots`:\n{diff[:4000]}"
