"""What is installed is what was reviewed: every package by version and hash."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXACT = re.compile(r"[A-Za-z0-9._-]+==[\w.+!-]+( ; .+)? \\$")
HASH = re.compile(r"^ {4}--hash=sha256:[0-9a-f]{64}( \\)?$", re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "at_least"),
    [("requirements.lock", 100), ("requirements-setup.lock", 1), ("requirements-opinions.lock", 50)],
)
def test_every_package_is_locked_by_its_hash(lock: str, at_least: int) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    packages = [
        each for each in re.split(r"^(?=[^ #\n])", text, flags=re.MULTILINE) if each[:1] not in ("", "#")
    ]
    assert len(packages) >= at_least
    assert [each for each in packages if not EXACT.match(each.splitlines()[0])] == []
    assert [each for each in packages if not HASH.search(each)] == []
    assert "://" not in text, "a lock that names where it comes from cannot be installed from a mirror"


def test_every_node_package_is_locked_by_its_hash() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert [name for name, each in packages.items() if not each["integrity"].startswith("sha512-")] == []


def test_the_hashes_are_asked_for() -> None:
    """pip and uv check hashes on request; `npm ci` installs the lock and nothing else."""
    setup = (ROOT / "scripts/setup.py").read_text(encoding="utf-8")
    assert setup.count('"--require-hashes"') == 2
    assert (ROOT / "scripts/opinions.py").read_text(encoding="utf-8").count('"--require-hashes"') == 1
    assert re.search(r'"npm", "ci"', setup)
