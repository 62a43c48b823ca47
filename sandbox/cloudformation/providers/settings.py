"""Types that are one object with many settings, each put and removed by an operation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cloudformation.providers.provider import Context, Properties

Call = tuple[str, dict[str, Any]]  # operation, parameters without the resource's key


@dataclass(frozen=True, kw_only=True)
class Setting:
    """put(value) gives the calls that set a property; unset those that take it back."""

    put: Callable[[Any], Call | list[Call]]
    unset: Call | None = None  # None: the service cannot take it back, so neither can we


def apply(
    context: Context,
    service: str,
    key: Mapping[str, Any],
    settings: Mapping[str, Setting],
    old: Properties,
    new: Properties,
) -> None:
    """Bring a resource from its old settings to the new ones, in the order of the table."""
    for name, setting in settings.items():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if after is None:
            if setting.unset is None:
                raise ValueError(f"{name} cannot be removed once it is set")
            calls: Iterable[Call] = [setting.unset]
        else:
            made = setting.put(after)
            calls = made if isinstance(made, list) else [made]
        for operation, parameters in calls:
            context.call(service, operation, {**key, **parameters})
