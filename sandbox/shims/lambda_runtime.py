"""What runs inside a function's process: imports the handler once, then answers one event after the other.

Standard library only, started with `python -I`: a function sees its own code and the installed packages, and
nothing of this repository. Frames on both pipes: header length, payload length, header (JSON), payload.
"""

from __future__ import annotations

import datetime as _datetime_module
import importlib
import json
import os
import resource
import struct
import sys
import time as _time_module
import traceback
from pathlib import Path

_FRAME = struct.Struct(">II")
_offset = 0.0  # seconds that the account's clock is ahead of the machine's
_real_time, _real_datetime = _time_module.time, _datetime_module.datetime


class Context:
    """The handler's second argument, as the managed runtime offers it."""

    def __init__(self, header):
        self.aws_request_id = header["request_id"]
        self.invoked_function_arn = header["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline = _time_module.monotonic() + header["timeout"]

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - _time_module.monotonic()) * 1000))


def use_account_clock():
    """time.time and datetime.now tell the account's time: objects, ledger and function must agree on it."""

    class AnyDatetime(type):
        def __instancecheck__(cls, value):
            return isinstance(value, _real_datetime)

        def __subclasscheck__(cls, other):
            return issubclass(other, _real_datetime)

    class datetime(_real_datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(_real_time() + _offset, tz)

        @classmethod
        def utcnow(cls):
            return cls.fromtimestamp(_real_time() + _offset, _datetime_module.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls):
            return cls.now()

    class date(_datetime_module.date, metaclass=type("AnyDate", (type,), {
        "__instancecheck__": lambda _, value: isinstance(value, _real_date),
        "__subclasscheck__": lambda _, other: issubclass(other, _real_date),
    })):  # fmt: skip
        @classmethod
        def today(cls):
            return datetime.now().date()

    _real_date = _datetime_module.date
    _datetime_module.datetime, _datetime_module.date = datetime, date
    _time_module.time = lambda: _real_time() + _offset
    _time_module.time_ns = lambda: int((_real_time() + _offset) * 1e9)


def error(kind, message, trace=()):
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(trace)}


def load():
    """The handler, or why there is none, in the words of the managed runtime."""
    name = os.environ["_HANDLER"]
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        return None, error(
            "Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack"
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as cause:
        message = f"Unable to import module '{module_name}': {cause}"
        return None, error("Runtime.ImportModuleError", message, traceback.format_tb(cause.__traceback__))
    except SyntaxError as cause:
        message = f"Syntax error in module '{module_name}': {cause}"
        return None, error("Runtime.UserCodeSyntaxError", message)
    except Exception as cause:
        return None, error(type(cause).__name__, str(cause), traceback.format_tb(cause.__traceback__))
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, error("Runtime.HandlerNotFound", message)
    return getattr(module, function_name), None


def call(handler, header, payload):
    try:
        event = json.loads(payload)
        answer = handler(event, Context(header))
    except Exception as cause:
        frames = traceback.format_tb(cause.__traceback__)[1:]  # without the frame of this file
        text = (
            f"[ERROR] {type(cause).__name__}: {cause}\n"
            + "Traceback (most recent call last):\n"
            + "".join(frames)
        )
        print(text, file=sys.stderr)
        return False, json.dumps(
            {
                "errorMessage": str(cause),
                "errorType": type(cause).__name__,
                "requestId": header["request_id"],
                "stackTrace": frames,
            }
        )
    try:
        return True, json.dumps(answer, ensure_ascii=False)
    except (TypeError, ValueError) as cause:
        return False, json.dumps(error("Runtime.MarshalError", f"Unable to marshal response: {cause}"))


def peak_memory_mb():
    try:
        with Path(
            "/proc/self/status"
        ).open() as status:  # ru_maxrss would hold the parent's, from before exec
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * 1024)  # macOS counts bytes


def send(pipe, header, payload=b""):
    head = json.dumps(header).encode()
    pipe.write(_FRAME.pack(len(head), len(payload)) + head + payload)
    pipe.flush()


def main():
    global _offset
    responses = os.fdopen(os.dup(1), "wb")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever the function prints is log
    sys.stdout.reconfigure(line_buffering=True)
    _offset = float(os.environ.pop("_SANDBOX_CLOCK_OFFSET"))
    use_account_clock()
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    started = _time_module.monotonic()
    handler, failure = load()
    send(responses, {"init_ms": (_time_module.monotonic() - started) * 1000, "error": failure})
    while True:
        frame = requests.read(_FRAME.size)
        if len(frame) < _FRAME.size:
            return
        head_length, length = _FRAME.unpack(frame)
        header = json.loads(requests.read(head_length))
        payload = requests.read(length)
        _offset = header["clock_offset"]
        started = _time_module.monotonic()
        ok, answer = call(handler, header, payload)
        elapsed = (_time_module.monotonic() - started) * 1000
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(
            2, f"\n\x00{header['request_id']}\n".encode()
        )  # tells the reader where this event's log ends
        send(
            responses,
            {"ok": ok, "ms": elapsed, "memory_mb": peak_memory_mb()},
            answer.encode("utf-8", "surrogatepass"),
        )


if __name__ == "__main__":
    main()
