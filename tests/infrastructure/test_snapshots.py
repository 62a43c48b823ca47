"""A change to the architecture must be seen in review: run `make snapshots`, read the diff."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Assembly
from tests.snapshots import assert_equals_snapshot

ASSET_HASH = re.compile(r"[0-9a-f]{64}")
STACKS = ("Base", "Data", "Model", "Operations")


def without_asset_hashes(template: Mapping[str, Any]) -> Any:
    """Code has its own tests; a snapshot changes only when the architecture does."""
    return json.loads(ASSET_HASH.sub("<asset>", json.dumps(template)))


@pytest.mark.parametrize("stack", STACKS)
def test_template_equals_snapshot(stack: str, production: Assembly) -> None:
    assert_equals_snapshot(without_asset_hashes(production.templates[stack]), f"{stack}.template")


def test_what_the_sandbox_differs_in_equals_snapshot(production: Assembly, sandbox: Assembly) -> None:
    """Only resources that one profile has and the other has not; their properties are in settings.py."""
    there = {
        name: {
            f"{stack}/{logical_id}": resource["Type"]
            for stack, template in assembly.templates.items()
            for logical_id, resource in template["Resources"].items()
        }
        for name, assembly in (("production", production), ("sandbox", sandbox))
    }
    only = {
        name: {key: kind for key, kind in mine.items() if key not in there[other]}
        for name, mine, other in (
            ("production", there["production"], "sandbox"),
            ("sandbox", there["sandbox"], "production"),
        )
    }
    assert_equals_snapshot(only, "profile_differences")


def test_no_stack_is_without_snapshot(production: Assembly) -> None:
    assert set(production.templates) == set(STACKS)
