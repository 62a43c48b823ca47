"""The candidates of a run side by side, and the trials of its search. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

WINNER = "tuned"  # the best trial's name among the candidates

Record = Mapping[str, Any]


class ArtefactError(ValueError):
    """A model lies elsewhere than in its run's folder."""


def table(
    plan: Record,
    trained: Sequence[Record],
    search: Record,
    *,
    home: str,
    instance_type: str,
    usd_per_hour: float | None,
) -> dict[str, Any]:
    """candidates.json. `home`: the address that the paths of models are relative to."""
    planned = {each["name"]: each["hyperparameters"] for each in plan["candidates"]}
    candidates = [
        _candidate(each, planned[each["name"]], home) for each in trained if each.get("model") is not None
    ]
    best = _best(search)
    if best is not None:
        fixed = plan["tuning"]["hyperparameters"]
        family = next(each["family"] for each in plan["candidates"] if each["name"] == search["candidate"])
        entry = {**best, "name": WINNER, "family": family}
        candidates.append(_candidate(entry, {**fixed, **best["hyperparameters"]}, home))
    failed = [
        {"name": each["name"], "family": each["family"], "job": each.get("job")}
        | {"error": each["error"], "reason": each["reason"]}
        for each in trained
        if each.get("model") is None
    ]
    return {
        "format": 1,
        "run_id": plan["run_id"],
        "instance_type": instance_type,
        "usd_per_hour": usd_per_hour,
        "candidates": candidates,
        "failed": failed,
        "tuning": _tuning(search) if search["job"] else None,
    }


def lost(content: Record) -> str:
    """A sentence to put behind another one; empty when nothing was lost."""
    told = [f"candidate {each['name']} ({each['error']}: {each['reason']})" for each in content["failed"]]
    tuning = content["tuning"]
    if tuning and tuning["error"]:
        told.append(f"the search {tuning['job']} ({tuning['error']}: {tuning['reason']})")
    return f". Lost: {'; '.join(told)}" if told else ""


def trials(run_id: str, search: Record, ranges: Mapping[str, Any]) -> dict[str, Any]:
    """tuning.json: the trials in the order of their start."""
    started = sorted(search["trials"], key=lambda each: (each.get("started") or "~", each["job"]))
    return {
        "format": 1,
        "run_id": run_id,
        "job": search["job"],
        "candidate": search["candidate"],
        "strategy": search["strategy"],
        "objective": dict(search["objective"]),
        "ranges": dict(ranges),
        "parents": list(search.get("parents") or []),
        "status": search["status"],
        "trials": [
            {
                "job": each["job"],
                "number": number,
                "status": each["status"],
                "hyperparameters": _own(each["hyperparameters"]),
                "objective": each.get("objective"),
                "seconds": _seconds(each),
                "started": each.get("started"),
                "ended": each.get("ended"),
                "stopped_early": each["status"] == "Stopped",
                "best": each["job"] == search.get("best"),
            }
            for number, each in enumerate(started, 1)
        ],
    }


def _candidate(each: Record, hyperparameters: Record, home: str) -> dict[str, Any]:
    if not each["model"].startswith(home):
        raise ArtefactError(
            f"the model of {each['name']} lies at {each['model']}, allowed: below {home}: the evaluation is "
            "given this folder alone"
        )
    return {
        "name": each["name"],
        "family": each["family"],
        "job": each["job"],
        "path": each["model"].removeprefix(home),
        "seconds": each.get("seconds"),
        "billable_seconds": each.get("billable_seconds"),
        "hyperparameters": dict(hyperparameters),
    }


def _best(search: Record) -> dict[str, Any] | None:
    """The best trial, if it left a model."""
    for each in search.get("trials") or []:
        if each["job"] == search.get("best") and each.get("model"):
            return {**each, "hyperparameters": _own(each["hyperparameters"])}
    return None


def _tuning(search: Record) -> dict[str, Any]:
    done = search["trials"]
    return {
        "job": search["job"],
        "of": search["candidate"],
        "seconds": _sum(_seconds(each) for each in done),
        "billable_seconds": _sum(each.get("billable_seconds") for each in done),
        "trials": len(done),
        "best": search.get("best"),
        "error": search.get("error"),
        "reason": search.get("reason"),
    }


def _sum(values: Any) -> int | None:
    """None where nothing is known: a sum of nothing would look free of charge."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _seconds(each: Record) -> int | None:
    if each.get("seconds") is not None:
        return int(each["seconds"])
    if not each.get("started") or not each.get("ended"):
        return None
    span = datetime.fromisoformat(each["ended"]) - datetime.fromisoformat(each["started"])
    return round(span.total_seconds())


def _own(hyperparameters: Record) -> dict[str, str]:
    """Without what SageMaker adds for itself, and as it is meant: texts come in quotes."""
    return {
        name: str(value).strip('"') for name, value in hyperparameters.items() if not name.startswith("_")
    }
