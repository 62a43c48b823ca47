"""Sets a machine up with nothing but Python: a virtual environment from the lock, in it Node and the CDK CLI.

Runs before anything is installed, so it uses the standard library alone. The second run compares a stamp and
returns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "set-up.sha256"
CDK = ROOT / "node_modules" / ".bin" / "cdk"
LOCKS = ("requirements.lock", "requirements-setup.lock", "package-lock.json")
OLDEST, NEWEST = (3, 11), (3, 12)
NEEDED_BYTES = 4 * 1024**3  # 2.0 GB installed, as much again while wheels are unpacked


class SetupError(Exception):
    """Something about this machine stops the set-up; the text says what and how to mend it."""


def fingerprint() -> str:
    """Changes when a lock, this script or the interpreter does."""
    digest = hashlib.sha256(f"{sys.version}\n{platform.machine()}\n{ROOT}\n".encode())
    for name in (*LOCKS, "scripts/setup.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def check_machine() -> None:
    got = ".".join(map(str, sys.version_info[:3]))
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SetupError(
            f"python {got} cannot be used: 3.11 or 3.12 is needed (Glue 5.1 runs 3.11); "
            "install one and name it: make PYTHON=python3.12 demo"
        )
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise SetupError(
            f"python {got} has no venv module: install it, on Debian or Ubuntu with "
            "`sudo apt-get install python3-venv`, then run the command again"
        )
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES and not VENV.exists():
        raise SetupError(
            f"{free / 1024**3:.1f} GiB are free on the disk of {ROOT}, "
            f"{NEEDED_BYTES / 1024**3:.0f} GiB are needed: free some or clone onto another disk"
        )


def run(title: str, command: list[str | Path], **environment: str) -> None:
    """Show one line of progress; on failure show everything the command said."""
    print(f"  {title} ...", end="", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f" {time.monotonic() - began:.0f} s", flush=True)
    if done.returncode:
        shown = " ".join(str(part) for part in command)
        raise SetupError(
            f"`{shown}` ended with exit status {done.returncode}:\n{done.stdout[-4000:]}\n"
            "if a package could not be fetched, check the network or the proxy settings of pip and npm, then "
            "run the command again: it goes on from what is there"
        )


def install() -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        run("virtual environment", [sys.executable, "-m", "venv", VENV])
    uv = VENV / "set-up" / "bin" / "uv"
    if not uv.exists():
        run(
            "installer (uv)",
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            + ["--target", VENV / "set-up", "--upgrade", "-r", "requirements-setup.lock"],
        )
    # Compiled once here: without .pyc files every later start pays for compiling the CDK, pandas and moto.
    run(
        "Python packages, about 1 GB to fetch the first time",
        [
            uv,
            "pip",
            "sync",
            "--python",
            python,
            "--require-hashes",
            "--compile-bytecode",
            "requirements.lock",
        ],
        UV_SYSTEM_CERTS="1",
    )
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    run("CDK command line", [VENV / "bin" / "npm", "ci", "--no-audit", "--no-fund", "--silent"], PATH=path)


def main() -> int:
    try:
        if sys.platform == "win32":
            raise SetupError("Windows is not supported: use the Windows Subsystem for Linux")
        wanted = fingerprint()
        # node_modules lies outside of .venv, where a tidy hand may have removed it.
        if STAMP.exists() and STAMP.read_text() == wanted and CDK.exists():
            return 0
        check_machine()
        print(f"Setting up in {VENV.relative_to(ROOT)} (once; later runs skip this)", flush=True)
        began = time.monotonic()
        install()
        STAMP.write_text(wanted)
        print(f"  done in {time.monotonic() - began:.0f} s", flush=True)
    except SetupError as error:
        print(f"\nset-up stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
