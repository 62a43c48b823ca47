"""Faults that a test or the demo orders in advance; engines ask whether one is due."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

_lock = threading.Lock()
_faults: list[_Armed] = []


@dataclass(frozen=True, kw_only=True)
class Fault:
    """After `after` matching occasions have passed unharmed, the next `times` ones fail.

    kind: the engine's word ("glue", "lambda", "firehose", "spot", ...); target: name or glob pattern;
    detail: what the engine shall do, in its own words ("timeout", "throttle", an error message, ...).
    """

    kind: str
    target: str = "*"
    after: int = 0
    times: int = 1
    detail: str = ""

    def __post_init__(self) -> None:
        if not self.kind:
            raise ValueError("fault kind is empty: name the engine, for example glue or lambda")
        if self.after < 0 or self.times < 1:
            raise ValueError(
                f"fault counts out of range: got after={self.after} times={self.times}, "
                "allowed after >= 0 and times >= 1"
            )


@dataclass
class _Armed:
    fault: Fault
    passed: int = 0
    fired: int = 0


def add(fault: Fault) -> None:
    with _lock:
        _faults.append(_Armed(fault))


def due(kind: str, target: str) -> Fault | None:
    """Counts one occasion; the fault that shall happen now, if any."""
    with _lock:
        for armed in _faults:
            fault = armed.fault
            if fault.kind != kind or not fnmatchcase(target, fault.target) or armed.fired >= fault.times:
                continue
            if armed.passed < fault.after:
                armed.passed += 1
                continue
            armed.fired += 1
            return fault
    return None


def listing() -> list[dict[str, object]]:
    with _lock:
        return [{**asdict(a.fault), "passed": a.passed, "fired": a.fired} for a in _faults]


def reset() -> None:
    with _lock:
        _faults.clear()
