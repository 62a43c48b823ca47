"""Resolves pyproject.toml into requirements.lock: hashes, no index or file URLs, so any mirror serves it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = ROOT / ".venv" / "set-up" / "bin" / "uv"


def main() -> int:
    # uv's own lock file records where each file was fetched from; it is made and left in a temporary folder.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
        (Path(folder) / "README.md").touch()
        subprocess.run([UV, "lock", "--project", folder], check=True)
        exported = subprocess.run(
            [UV, "export", "--project", folder, "--all-groups", "--no-emit-project", "--no-header"]
            + ["--format", "requirements-txt"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    if "://" in exported:
        sys.exit("the resolved lock holds a URL: a dependency is not a registry package; see pyproject.toml")
    (ROOT / "requirements.lock").write_text(exported)
    return 0


if __name__ == "__main__":
    sys.exit(main())
