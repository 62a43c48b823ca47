"""What a run was asked for: checked where it enters, so that no clock and no typing error decides on data."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

ACTIONS = ("refresh", "retrain", "monitor")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class PlanError(ValueError):
    """The run cannot be planned."""


class RequestError(PlanError):
    """The input of the execution is wrong."""


class HyperparameterError(RequestError):
    """A hyperparameter that the contract does not list, or of another type."""


# Ours, beside the contract's: whether the trees of the champion stay and new ones are added to them.
START, STARTS = "start_from", ("nothing", "champion")


@dataclass(frozen=True, kw_only=True)
class Request:
    """through: first local date whose data the run may not use. months: None = find out what is new.

    event: the input as it came, for the second call of the same run.
    hyperparameters: what the input sets, of any candidate that lists it; start: what their trees begin with.
    """

    event: Mapping[str, Any]
    action: str
    trigger: str
    through: date
    months: tuple[str, ...] | None
    hyperparameters: Mapping[str, str]
    start: str
    execution_id: str
    started_at: datetime

    @property
    def run_id(self) -> str:
        """The same for a repeated call of one execution, another for every other execution."""
        digest = hashlib.sha256(self.execution_id.encode()).hexdigest()
        return f"r{self.through:%Y%m%d}-{digest[:8]}"


def read(event: Mapping[str, Any], execution: Mapping[str, Any], model: Mapping[str, Any]) -> Request:
    """`event` is the execution's input, `model` the contract's part of that name."""
    action = event.get("action", "retrain")
    if action not in ACTIONS:
        raise RequestError(f"action: got {action!r}, allowed: {', '.join(ACTIONS)}")
    started_at = _instant("execution.started_at", execution["started_at"])
    given, start = hyperparameters(event.get("hyperparameters") or {}, listed(model["candidates"]))
    return Request(
        event=event,
        action=action,
        trigger=str(event.get("trigger", "manual")),
        through=_through(event, started_at),
        months=_months(event.get("months")),
        hyperparameters=given,
        start=start,
        execution_id=execution["id"],
        started_at=started_at,
    )


def listed(candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every hyperparameter that some candidate has, with the first one's value; no lists."""
    found: dict[str, Any] = {}
    for candidate in candidates:
        for name, value in candidate["hyperparameters"].items():
            if isinstance(value, int | float | str):
                found.setdefault(name, value)
    return found


def hyperparameters(given: Mapping[str, Any], agreed: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """What the input sets, as the text that CreateTrainingJob takes, and what to start from."""
    if not isinstance(given, Mapping):
        raise HyperparameterError(f"hyperparameters: got {type(given).__name__}, allowed: an object")
    unknown = sorted(set(given) - set(agreed) - {START})
    if unknown:
        raise HyperparameterError(
            f"hyperparameters: got {', '.join(unknown)}, allowed: {', '.join(agreed)} (the contract's list), "
            f"and {START}"
        )
    start = given.get(START, STARTS[0])
    if start not in STARTS:
        raise HyperparameterError(f"hyperparameters.{START}: got {start!r}, allowed: {', '.join(STARTS)}")
    for name, value in given.items():
        if name == START:
            continue
        wanted = agreed[name]
        if isinstance(wanted, int | float) and not _is_number(value):
            raise HyperparameterError(
                f"hyperparameters.{name}: got {value!r}, allowed: a number like {wanted}"
            )
    return {name: str(value) for name, value in given.items() if name != START}, start


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _through(event: Mapping[str, Any], started_at: datetime) -> date:
    given = event.get("through")
    if given is None:
        time = event.get("time")
        return (_instant("time", time) if time else started_at).date()
    if not isinstance(given, str) or not DAY.fullmatch(given):
        raise RequestError(f"through: got {given!r}, allowed: a date like 2013-05-01")
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise RequestError(f"through: got {given!r}, which is no day of the calendar ({error})") from error


def _instant(name: str, value: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise RequestError(f"{name}: got {value!r}, allowed: a time like 2013-05-01T00:00:00Z") from error
    return instant if instant.tzinfo is None else instant.astimezone(UTC)


def _months(given: Any) -> tuple[str, ...] | None:
    """A list, or one text with commas."""
    if not given:
        return None
    months = given.split(",") if isinstance(given, str) else given
    wrong = [month for month in months if not isinstance(month, str) or not MONTH.fullmatch(month)]
    if wrong:
        raise RequestError(f"months: got {wrong[0]!r}, allowed: months like 2013-05")
    return tuple(sorted(set(months)))
