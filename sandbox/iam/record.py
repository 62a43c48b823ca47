"""The record of every authorised or refused call: what the audit of granted versus exercised is made from."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from sandbox import account, clock, control
from sandbox.iam.evaluate import Decision, Principal

_BATCH = 200  # calls per write: a line each is cheap, a system call each is not


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One decision. A request makes several: its action on each resource, roles passed, keys used."""

    time: str  # the account's clock, ISO, UTC
    principal: str  # role, user or service; not the session
    kind: str  # role | user | root | service
    action: str
    resource: str
    allowed: bool
    reason: str  # the layer that allowed, or what was missing: implicit-deny-identity, ...
    session: str = ""  # name of the role session
    layer: str = ""  # whose statement decided: identity | resource | boundary | session | endpoint
    policy: str = ""  # "<role>/<policy name>", a managed policy's ARN, or the resource's ARN
    statement: str = ""  # index in the policy, "3" or "3:Sid"
    via: tuple[str, ...] = ()  # statements of the other layers that allowed as well
    missing: tuple[str, ...] = ()  # condition keys that were asked for and not there
    assumed: tuple[str, ...] = ()  # context that the loopback cannot show and that is taken as given
    implied_by: str = ""  # the action that AWS makes this one for (kms:Decrypt for s3:GetObject)
    mapped: bool = True  # False: the exact resource is not known, "*" was asked
    network: str = ""  # id of the VPC endpoint
    operation: str = ""


_calls: list[Call] = []
_lock = threading.Lock()
_file: TextIO | None = None
_unwritten = 0


def add(call: Call) -> None:
    global _unwritten
    with _lock:
        _calls.append(call)
        _unwritten += 1
        if _unwritten >= _BATCH:
            _write()


def add_decision(
    principal: Principal,
    session: str,
    action: str,
    resource: str,
    decision: Decision,
    **facts: Any,
) -> None:
    add(
        Call(
            time=clock.now().isoformat(timespec="milliseconds"),
            principal=principal.label,
            session=session,
            kind=principal.kind,
            action=action,
            resource=resource,
            allowed=decision.allowed,
            reason=decision.reason,
            layer=decision.layer,
            policy=decision.policy,
            statement=decision.statement,
            via=decision.via,
            missing=decision.missing,
            **facts,
        )
    )


def calls(since: int = 0) -> tuple[Call, ...]:
    """All calls so far, oldest first; `since` = how many the caller has already seen."""
    with _lock:
        return tuple(_calls[since:])


def denials(since: int = 0) -> tuple[Call, ...]:
    return tuple(call for call in calls(since) if not call.allowed)


def flush() -> None:
    with _lock:
        _write()


def install() -> None:
    control.route("record", summary)


def reset() -> None:
    """Empty; from now on each call is also a JSON line in record.jsonl of the account's work folder."""
    global _file, _unwritten
    with _lock:
        _write()
        if _file:
            _file.close()
            _file = None
        _calls.clear()
        _unwritten = 0


def path() -> Path:
    return account.workdir() / "record.jsonl"


def read(file: Path) -> Iterator[Call]:
    """The calls of a file that an account wrote."""
    names = {field.name for field in fields(Call)}
    tuples = ("via", "missing", "assumed")
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            values = {name: value for name, value in json.loads(line).items() if name in names}
            yield Call(**values | {name: tuple(values.get(name, ())) for name in tuples})


def line(call: Call) -> str:
    """One JSON line; what has its default value is left out."""
    compact = {name: value for name, value in asdict(call).items() if value not in ("", ())}
    if call.mapped:
        del compact["mapped"]
    return json.dumps(compact, separators=(",", ":"))


def summary(request: dict[str, Any] | None = None) -> dict[str, Any]:
    """For a person: how many calls, and the refused ones."""
    wanted = request or {}
    found = calls()
    refused = [asdict(call) for call in found if not call.allowed]
    return {
        "calls": len(found),
        "denied": len(refused),
        "unmapped": sorted({call.action for call in found if not call.mapped}),
        "denials": refused[-int(wanted.get("last", 50)) :],
    }


def _write() -> None:
    global _file, _unwritten
    # Opened by the first call, not by reset(): stopping an account must not empty the file it leaves behind.
    if _unwritten and _file is None:
        with contextlib.suppress(account.AccountError):
            _file = path().open("w", encoding="utf-8")
    if _file and _unwritten:
        _file.writelines(line(call) + "\n" for call in _calls[-_unwritten:])
        _file.flush()
    _unwritten = 0
