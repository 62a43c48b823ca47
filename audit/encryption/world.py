"""What the map looks at: resources, requests of state machines, and the keys that both name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from audit.encryption.rows import Keeper
from audit.policies import Statement, statements
from audit.rules.definitions import requests
from audit.templates import Resource, Templates

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A resource, or a request of a state machine that makes one (its operation as `kind`)."""

    kind: str
    path: str
    address: str
    given: Mapping[str, Any]
    resource: Resource


RUN_TIME = object()


def find(given: Any, path: Sequence[str | int]) -> Any:
    """The value at the path, None where a step is missing, RUN_TIME where a request fills it in later."""
    for step in path:
        if _is_later(given):
            return RUN_TIME
        if isinstance(step, int):
            given = given[step] if isinstance(given, list) and len(given) > step else None
        elif isinstance(given, Mapping) and f"{step}.$" in given:
            return RUN_TIME
        else:
            given = given.get(step) if isinstance(given, Mapping) else None
    return RUN_TIME if _is_later(given) else given


def _is_later(value: Any) -> bool:
    """An expression of JSONata, or a pipeline's look at its parameters or at another step."""
    if isinstance(value, Mapping):
        return len(value) == 1 and next(iter(value)) in ("Get", "Std:Join")
    return isinstance(value, str) and value.startswith("{%")


def is_on(value: Any) -> bool:
    return str(value).lower() == "true"


def has(given: Mapping[str, Any], path: Path) -> bool:
    value = find(given, path)
    return bool(value) and str(value).lower() != "false"


class Keys:
    """Keys as properties name them: by ARN, id or alias."""

    def __init__(self, templates: Templates) -> None:
        self._known: dict[str, str] = {}
        for key in templates.of("AWS::KMS::Key", "AWS::KMS::ReplicaKey"):
            for name in (
                templates.arn(key),
                f"<{key.address}>",
                f"<{key.address}.Arn>",
                f"<{key.address}.KeyId>",
            ):
                self._known[name] = key.path
        for alias in templates.of("AWS::KMS::Alias"):
            target = self._known.get(str(alias.get("TargetKeyId")), alias.path)
            for name in (str(alias.get("AliasName")), f"<{alias.address}>"):
                self._known[name] = target

    def read(self, given: Any, default: Keeper) -> tuple[Keeper, str]:
        if given is RUN_TIME:
            return "run time", "chosen at run time"
        if not isinstance(given, str) or not given:
            return default, default
        if "alias/aws/" in given:
            return "aws managed", "aws managed"
        alias = given[given.index("alias/") :] if "alias/" in given else given
        return "customer", self._known.get(given) or self._known.get(alias, given)


class World:
    """The templates, with what several rows ask for."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates
        self.keys = Keys(templates)

    @cached_property
    def things(self) -> list[Thing]:
        found = [
            Thing(kind=each.type, path=each.path, address=each.address, given=each.properties, resource=each)
            for each in self.templates.resources
        ]
        return found + [
            Thing(
                kind=each.action.lower(),
                path=f"{each.workflow.path}/{each.name}",
                address=each.workflow.address,
                given=each.request,
                resource=each.workflow,
            )
            for each in requests(self.templates)
        ]

    @cached_property
    def denials(self) -> list[Statement]:
        return [each for each in statements(self.templates) if each.kind == "resource" and not each.allows]

    def named(self, kind: str, given: Any) -> Resource | None:
        """A resource by its ARN, name or Ref."""
        for resource in self.templates.of(kind):
            arn = self.templates.arn(resource)
            if str(given) in (arn, f"<{resource.address}>", arn.rpartition(":")[2]):
                return resource
        return None
