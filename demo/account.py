"""The embedded account as a process of its own; asked and stopped over HTTP, as the real one is reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from demo.actors import ActorError, Site
from sandbox import account as settings

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


class Account:
    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.site = Site(
            endpoint=f"http://localhost:{port}",
            region=settings.REGION,
            access_key=settings.ROOT_ACCESS_KEY,
            secret_key=settings.ROOT_SECRET,
        )

    def __enter__(self) -> Account:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "up", "--with-parent", "--warm", "--port", str(self.port)],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise ActorError(f"the embedded account did not start:\n{self._log_path.read_text()[-3000:]}")
            try:
                self.ask("health")
                return self
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    self.stop()
                    raise ActorError(f"the embedded account gave no answer in {START_SECONDS} s") from None
                time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._log is not None:
            self._log.close()

    def wait(self) -> None:
        """Until someone ends the account."""
        if self._process is not None:
            self._process.wait()

    def peak_memory_mb(self) -> float | None:
        """Largest resident size of the account's process so far, its children not counted; None off Linux."""
        status = Path(f"/proc/{self._process.pid}/status") if self._process else None
        if status is None or not status.exists():
            return None
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def ask(self, route: str, **parameters: Any) -> Any:
        body = json.dumps(parameters).encode() if parameters else None
        request = urllib.request.Request(f"http://localhost:{self.port}/_sandbox/{route}", body)  # noqa: S310 loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=900) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ActorError(
                f"the account's control route {route} answered {error.read().decode()[:2000]}"
            ) from None

    def now(self) -> datetime:
        return datetime.fromisoformat(self.ask("clock")["now"]).astimezone(UTC)

    def set_clock(self, when: datetime) -> None:
        self.ask("clock", set=when.isoformat())

    def advance(self, by: timedelta) -> None:
        self.ask("clock", advance=by.total_seconds())

    def settle(self, timeout_seconds: int = 600) -> None:
        """Until nothing runs but what waits for the clock; work that failed is an error of the story."""
        answer = self.ask("idle", timeout=timeout_seconds)
        if not answer["idle"]:
            raise ActorError(f"after {timeout_seconds} s the account still works on: {answer}")

    def fault(self, kind: str, target: str, **how: Any) -> None:
        self.ask("faults", kind=kind, target=target, **how)
