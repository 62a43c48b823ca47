"""Synthesis depends on the files of this project and on nothing else: two of them give equal bytes, far
from any AWS.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Node gets no way out either: its proxies lead to a port where nobody listens, and the AWS names are not
# resolved.
PROGRAM = """
import socket, sys

def refuse(*_arguments, **_named):
    raise AssertionError("synthesis asked for the network")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse

import app, contracts
from settings import settings_for

assembly = app.start(outdir=sys.argv[1])
app.build(assembly, settings_for(sys.argv[2]), contracts.load("flights"))
assembly.synth()
"""


def synthesise(directory: Path, profile: str, seed: str) -> None:
    """In a fresh process without credentials or a way out; the home holds the CDK's unpacked library."""
    environment = {
        "CDK_VALIDATION": "false",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "HOME": str(Path.home()),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": str(ROOT),
        "TZ": "Pacific/Kiritimati" if seed == "2" else "UTC",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(directory), profile],
        cwd=directory.parent,
        env=environment,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("profile", ["production"])
def test_two_syntheses_are_equal_byte_by_byte_assets_included(profile: str, tmp_path: Path) -> None:
    """In other places, with another hash seed, in another time zone."""
    first, second = tmp_path / "one" / "cdk.out", tmp_path / "elsewhere" / "deeper" / "cdk.out"
    for directory, seed in ((first, "1"), (second, "2")):
        directory.parent.mkdir(parents=True)
        synthesise(directory, profile, seed)
    found = digests(first)
    assert len([name for name in found if name.endswith(".template.json")]) == 4
    assert len([name for name in found if name.startswith("asset.")]) > 10
    assert digests(second) == found


def test_network_would_be_noticed(tmp_path: Path) -> None:
    program = PROGRAM.replace("import app, contracts", 'socket.create_connection(("example.org", 80))')
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "sandbox"], capture_output=True, text=True, timeout=60
    )
    assert "synthesis asked for the network" in done.stderr


def test_assembly_names_no_place_on_this_machine(tmp_path: Path) -> None:
    directory = tmp_path / "cdk.out"
    synthesise(directory, "sandbox", "1")
    text_files = [path for path in directory.rglob("*") if path.suffix in {".json", ".py", ".txt", ".toml"}]
    assert text_files
    offending = [
        str(path.relative_to(directory))
        for path in text_files
        if str(ROOT) in path.read_text(encoding="utf-8") or str(tmp_path) in path.read_text(encoding="utf-8")
    ]
    assert offending == []
