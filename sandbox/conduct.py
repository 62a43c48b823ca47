"""Control routes of whoever conducts the account, person or test: clock, rest, faults, record by role."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from sandbox import clock, control, faults, work
from sandbox.iam import record


def install() -> None:
    control.route("clock", _clock)
    control.route("idle", _idle)
    control.route("faults", _faults)
    control.route("roles", _roles)
    control.route("exercised", _exercised)


def _clock(request: dict[str, Any]) -> dict[str, Any]:
    """`set` (ISO, with a zone) or `advance` (seconds) moves it; timers on the way fire in time order."""
    if "set" in request:
        clock.set(_instant(request["set"]))
    elif "advance" in request:
        clock.advance(timedelta(seconds=float(request["advance"])))
    due = [{"at": when.isoformat(), "name": name} for when, name in clock.timers()[:20]]
    return {"now": clock.now().isoformat(), "due": due}


def _instant(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise control.ControlError(
            f"clock instant {text!r} is not ISO: allowed is for example 2013-06-01T06:00:00+00:00"
        ) from None
    if when.tzinfo is None:
        raise control.ControlError(f"clock instant {text!r} has no time zone: add +00:00")
    return when


def _idle(request: dict[str, Any]) -> dict[str, Any]:
    """Waits until nothing works but what waits for the clock; says what failed so far."""
    calm = work.idle(float(request.get("timeout", 600)))
    return {"idle": calm} | work.status()


def _faults(request: dict[str, Any]) -> list[dict[str, object]]:
    """Arms a fault when `kind` is given; lists what is armed."""
    if "kind" in request:
        given = {name: request[name] for name in ("kind", "target", "detail") if name in request}
        counts = {name: int(request[name]) for name in ("after", "times") if name in request}
        try:
            faults.add(faults.Fault(**given, **counts))
        except ValueError as error:
            raise control.ControlError(str(error)) from None
    return faults.listing()


def _roles(_: dict[str, Any]) -> list[dict[str, Any]]:
    """Calls of each principal: how many, of how many actions, how many refused; the busiest first."""
    calls: Counter[str] = Counter()
    denied: Counter[str] = Counter()
    actions: dict[str, set[str]] = defaultdict(set)
    for call in record.calls():
        calls[call.principal] += 1
        actions[call.principal].add(call.action)
        denied[call.principal] += not call.allowed
    return [
        {"role": name, "calls": count, "actions": len(actions[name]), "denied": denied[name]}
        for name, count in calls.most_common()
    ]


def _exercised(_: dict[str, Any]) -> list[dict[str, Any]]:
    """Which action each principal was let through with, or refused, and how often."""
    counts = Counter((call.principal, call.action, call.allowed) for call in record.calls())
    pairs = sorted({(principal, action) for principal, action, _ in counts})
    return [
        {
            "principal": principal,
            "action": action,
            "allowed": counts[principal, action, True],
            "denied": counts[principal, action, False],
        }
        for principal, action in pairs
    ]
