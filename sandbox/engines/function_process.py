"""One execution environment of a function: a warm process with the function's code, environment and role."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sandbox import clock

_FRAME = struct.Struct(">II")
_RUNTIME = Path(__file__).parent.parent / "shims" / "lambda_runtime.py"
_INIT_SECONDS = 10  # as on AWS; a slower import is started again inside the first invocation there


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of one invocation; error is the X-Amz-Function-Error header, None if the handler returned."""

    payload: bytes
    error: str | None = None
    log: list[str] = field(default_factory=list)
    ms: float = 0.0
    memory_mb: int = 0
    init_ms: float | None = None
    broken: bool = False  # the environment cannot be used again


class Environment:
    """Started cold; invoke() may be called by one thread at a time."""

    def __init__(self, *, fingerprint: str, folder: Path, variables: dict[str, str], timeout: float) -> None:
        self.fingerprint = fingerprint
        self.stream = f"{clock.now():%Y/%m/%d}/[{variables['AWS_LAMBDA_FUNCTION_VERSION']}]{uuid.uuid4().hex}"
        self._timeout = timeout
        self._lines: list[str] = []
        self._marks: dict[str, threading.Event] = {}
        self._invocations = 0
        variables = variables | {
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "_SANDBOX_CLOCK_OFFSET": str(clock.offset().total_seconds()),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_RUNTIME)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            cwd=folder,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_log, name="function-log", daemon=True)
        self._reader.start()
        self._ready: dict[str, Any] | None = None

    def invoke(self, payload: bytes, *, request_id: str, arn: str) -> Outcome:
        if self._ready is None:
            self._ready = self._start(request_id)
            if self._ready.get("failure"):
                return self._failed(self._ready["failure"], request_id)
        mark = self._marks[request_id] = threading.Event()
        timer = threading.Timer(self._timeout, self.kill)
        self._timed_out = False
        timer.start()
        try:
            header = {
                "request_id": request_id,
                "arn": arn,
                "timeout": self._timeout,
                "clock_offset": clock.offset().total_seconds(),
            }
            answer = self._exchange(header, payload)
        finally:
            timer.cancel()
        self._invocations += 1
        if answer is None:
            return self._died(request_id, timed_out=timer.finished.is_set() and self._timed_out)
        mark.wait(5)
        self._marks.pop(request_id, None)
        head, body = answer
        return Outcome(
            payload=body,
            error=None if head["ok"] else "Unhandled",
            log=self._take_log(),
            ms=head["ms"],
            memory_mb=head["memory_mb"],
            init_ms=self._ready["init_ms"] if self._invocations == 1 else None,
        )

    def kill(self) -> None:
        self._timed_out = True
        self._end()

    def close(self) -> None:
        """Ends the process and leaves nothing of it behind."""
        self._end()
        self._process.wait(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _end(self) -> None:
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            return

    def _start(self, request_id: str) -> dict[str, Any]:
        timer = threading.Timer(max(_INIT_SECONDS, self._timeout), self.kill)
        self._timed_out = False
        timer.start()
        try:
            frame = self._receive()
        finally:
            timer.cancel()
        if frame is None:
            return {"failure": self._exit_error(request_id, timed_out=self._timed_out, phase="INIT")}
        head = frame[0]
        return {"init_ms": head["init_ms"], "failure": head["error"]}

    def _exchange(self, header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes] | None:
        pipe = _pipe(self._process.stdin)
        head = json.dumps(header).encode()
        try:
            pipe.write(_FRAME.pack(len(head), len(payload)) + head)
            pipe.write(payload)
            pipe.flush()
        except OSError:
            return None
        return self._receive()

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        pipe = _pipe(self._process.stdout)
        frame = pipe.read(_FRAME.size)
        if len(frame) < _FRAME.size:
            return None
        head_length, length = _FRAME.unpack(frame)
        head, body = pipe.read(head_length), pipe.read(length)
        return (json.loads(head), body) if len(body) == length else None

    def _died(self, request_id: str, *, timed_out: bool) -> Outcome:
        return self._failed(self._exit_error(request_id, timed_out=timed_out), request_id)

    def _exit_error(self, request_id: str, *, timed_out: bool, phase: str = "") -> dict[str, Any]:
        self._end()
        code = self._process.wait(5)
        self._reader.join(5)
        if timed_out:
            text = f"RequestId: {request_id} Error: Task timed out after {self._timeout:.2f} seconds"
            return {"errorType": "Sandbox.Timedout", "errorMessage": text}
        how = f"signal: {-code}" if code < 0 else f"exit status {code}"
        text = f"RequestId: {request_id} Error: Runtime exited with error: {how}" + (
            f" ({phase})" if phase else ""
        )
        return {"errorType": "Runtime.ExitError", "errorMessage": text}

    def _failed(self, error: dict[str, Any], request_id: str) -> Outcome:
        shown = {**error, "requestId": request_id} if "requestId" in error else error
        line = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
        return Outcome(
            payload=json.dumps(shown).encode(),
            error="Unhandled",
            log=[*self._take_log(), line],
            ms=self._timeout * 1000 if error["errorType"] == "Sandbox.Timedout" else 0.0,
            broken=True,
        )

    def _take_log(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _read_log(self) -> None:
        pipe = _pipe(self._process.stderr)
        for raw in pipe:
            line = raw.decode(errors="replace").rstrip("\n")
            if line.startswith("\x00"):
                if mark := self._marks.get(line[1:]):
                    mark.set()
                continue
            self._lines.append(line)
        pipe.close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the function's process was started without pipes")
    return stream
