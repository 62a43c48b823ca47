"""A SageMaker container as a process: its command, its /opt/ml and its environment; no container engine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox import regions, work

SHIMS = Path(__file__).parents[1] / "shims"
CONTAINERS = SHIMS / "containers"
_ISOLATION = SHIMS / "isolation"
_OPT_ML = re.compile(r"/opt/ml(?=/|$|[\s\"',:])")
_INTERPRETER = re.compile(r"(.*/)?python(3(\.\d+)?)?$")
_FLUSH_SECONDS = 2.0

# Images that this interpreter stands in for: the same library versions are installed here.
_IMAGES = {"sagemaker-xgboost": re.compile(r"3\.2-0(-cpu-py3)?$")}
_ACCOUNT_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([\w./-]+):([\w.-]+)$")


class ImageError(ValueError):
    """Nothing here stands in for this image."""


def image_name(uri: str) -> str:
    """The name of a known image; ImageError for any other, or another version of it."""
    match = _ACCOUNT_IMAGE.match(uri or "")
    if not match or match[2] not in _IMAGES:
        raise ImageError(
            f"no local stand-in for image {uri!r}; allowed: <account>.dkr.ecr.<region>.amazonaws.com/"
            f"{', '.join(_IMAGES)}:3.2-0"
        )
    if not _IMAGES[match[2]].match(match[3]):
        raise ImageError(f"image {uri} has version {match[3]}; the sandbox has what version 3.2-0 carries")
    return match[2]


def rooted(text: str, root: Path) -> str:
    """/opt/ml paths inside the text, moved to where this job's /opt/ml is."""
    return _OPT_ML.sub(str(root), text)


def command(argv: Sequence[str], root: Path) -> list[str]:
    """The command with its paths moved, run by this interpreter where it names one."""
    moved = [rooted(one, root) for one in argv]
    return [sys.executable, *moved[1:]] if _INTERPRETER.match(moved[0]) else moved


def environment(
    root: Path, *, credentials: Any | None, isolated: bool, given: Mapping[str, str]
) -> dict[str, str]:
    """Exactly what the container knows; an isolated one has neither keys nor an address to call."""
    paths = [str(_ISOLATION)] if isolated else []
    packages = str(root.parent / "packages")
    base = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(root.parent),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": os.pathsep.join([*paths, str(CONTAINERS), packages]),
        "PIP_TARGET": packages,  # what a script installs stays its own, and out of this interpreter
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "AWS_REGION": regions.current(),
        "AWS_DEFAULT_REGION": regions.current(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_BASE_DIR": str(root),
        "ML_ROOT": str(root),
    }
    if credentials is not None and not isolated:
        base |= credentials.environment()
    return base | {name: rooted(value, root) for name, value in given.items()}


class Container:
    """A running command; its lines go to `write` in batches. `keep`: how many of them stay in `lines`."""

    def __init__(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        folder: Path,
        write: Callable[[list[str]], None],
        keep: int | None = None,
    ) -> None:
        self.lines: deque[str] = deque(maxlen=keep)
        self._unwritten: deque[str] = deque()
        self._write = write
        self._process = subprocess.Popen(
            list(argv),
            env=dict(variables),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"container {self._process.pid}", daemon=True)
            for target in (self._read, self._flush)
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status; None while it still runs after that time."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._end()
        return status

    def stop(self, grace: float) -> int:
        """As a container is stopped: a signal to its first process, time to react, then the end of all."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._end()
        return self._process.wait()

    def _end(self) -> None:
        """Nothing outlives the first process of a container."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for thread in self._threads:
            thread.join(10)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            # Tabs reach CloudWatch as #011, and metric expressions are written for that.
            text = line.rstrip("\n").replace("\t", "#011")
            self.lines.append(text)
            self._unwritten.append(text)
        self._done.set()

    def _flush(self) -> None:
        over = False
        while not over:
            over = self._done.wait(_FLUSH_SECONDS)
            if count := len(self._unwritten):
                lines = [self._unwritten.popleft() for _ in range(count)]
                try:
                    self._write(lines)
                except Exception as error:  # the account may just be ending; the container goes on
                    work.fail(f"log of container {self._process.pid}", error)
