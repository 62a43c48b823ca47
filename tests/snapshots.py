"""Golden files: `make snapshots` rewrites them, review reads their diff."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def assert_equals_snapshot(actual: object, name: str) -> None:
    path = FOLDER / f"{name}.json"
    now = (json.dumps(actual, indent=2, sort_keys=True) + "\n").splitlines(keepends=True)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(now), encoding="utf-8")
    before = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    diff = "".join(difflib.unified_diff(before, now, "reviewed", "now", n=2))
    assert not diff, f"{path.name} changed; if you meant it, run `make snapshots`:\n{diff[:4000]}"
