"""Makes .opinions, the environment of the engines that give `make audit` a second opinion, from its lock.

Apart from .venv: what checkov pins does not go together with what the CDK and the embedded account need.
`lock` as the argument resolves requirements-opinions.lock again.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".opinions"
STAMP = HOME / "opinions.sha256"
LOCK = ROOT / "requirements-opinions.lock"
UV = ROOT / ".venv" / "set-up" / "bin" / "uv"
ENGINES = "checkov\ncloudformation-validate\n"


def lock() -> None:
    """Hashes, and no index or file URLs, so that any mirror serves it."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"]
    # Elsewhere, or uv would take what pyproject.toml overrides for the project itself.
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            [UV, "pip", "compile", "--quiet", "--no-header", *options, "-"],
            cwd=folder,
            input=ENGINES,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    if "://" in made:
        sys.exit("the resolved lock holds a URL: an engine depends on something that no registry has")
    LOCK.write_text(made, encoding="utf-8")


def install() -> None:
    wanted = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode() + LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    print("Setting up the engines of a second opinion in .opinions (once, 100 packages)", flush=True)
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, HOME], check=True)
    subprocess.run(
        [UV, "pip", "sync", "--quiet", "--python", HOME / "bin" / "python", "--require-hashes"]
        + ["--compile-bytecode", "--system-certs", LOCK],
        check=True,
    )
    STAMP.write_text(wanted, encoding="utf-8")


def main() -> int:
    try:
        lock() if sys.argv[1:] == ["lock"] else install()
    except (OSError, subprocess.CalledProcessError) as error:
        print(
            f"second opinions: {error}\nThe audit works without them and says so; with a network, run "
            "`make opinions` again.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
