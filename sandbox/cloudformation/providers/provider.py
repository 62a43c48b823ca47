"""How a resource type is made of API calls: a table entry where the shapes are plain, else a class."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore import xform_name
from botocore.model import Shape

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging

Properties = dict[str, Any]
Attributes = dict[str, Any]


class ReplacementError(Exception):
    """The change cannot be made in place, although the schema alone does not say so."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """For which resource of which stack a provider acts, and with which credentials."""

    stack_name: str
    stack_id: str
    logical_id: str
    resource_type: str
    client: Callable[[str], Any]
    made: list[str] = field(default_factory=list)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def begun(self, ref: str) -> None:
        """The resource exists from here on: should the rest of its creation fail, it has to be deleted."""
        self.made.append(ref)

    def name(self, length: int = 64, *, lower: bool = False) -> str:
        """A generated physical name: <stack>-<logical id>-<random>, cut in front of the random part."""
        random = uuid.uuid4().hex[:12]
        name = (
            f"{f'{self.stack_name}-{self.logical_id}'[: length - 13]}-{random if lower else random.upper()}"
        )
        return name.lower() if lower else name

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{regions.current()}:{ACCOUNT}:{resource}"

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One API call; parameters may have the types and the case of CloudFormation, never unknown names."""
        client = self.client(service)
        unknown: list[str] = []
        shape = client.meta.service_model.operation_model(operation).input_shape
        typed = _coerce(shape, dict(parameters), operation, unknown)
        if unknown:
            raise UnsupportedError(f"no counterpart in the {service} API for {', '.join(sorted(unknown))}")
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**typed)
        answer.pop("ResponseMetadata", None)
        return answer


class Provider(Protocol):
    """Makes, changes and deletes the resources of one type.

    The properties record which of them are read: the engine fails a resource of which one was not looked at.
    """

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]: ...

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        """The reference, normally the same, and the attributes that may have changed."""
        ...

    def delete(self, context: Context, ref: str, properties: Properties) -> None: ...


class Watched(dict[str, Any]):
    """Properties that know which of them were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def all(self) -> Properties:
        """A plain copy, for providers that pass everything on to an API that refuses unknown names."""
        self.read.update(self)
        return dict(self)

    def without(self, *names: str) -> Properties:
        """A plain copy but for these, which the provider is to read itself."""
        kept = {key: value for key, value in self.items() if key not in names}
        self.read.update(kept)
        return kept

    @property
    def unread(self) -> set[str]:
        return set(self) - self.read


class Placed(ABC):
    """No object of its own: `put` lays a document on others, and takes it off those no longer named."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        ref = self.ref(context, properties)
        context.begun(ref)
        self.put(context, {}, properties)
        return ref, {"Id": ref}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        self.put(context, old, new)
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        self.put(context, properties, {})

    def ref(self, context: Context, properties: Properties) -> str:
        return context.name()

    @abstractmethod
    def put(self, context: Context, old: Properties, new: Properties) -> None: ...


Spec = str | Callable[[Context, Properties, dict[str, Any]], Any]
Identifier = Callable[[str], Any]
Shaped = Callable[[Properties], Properties]


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A type whose properties are the API's parameters.

    ref and attributes are specs: "Name" is a parameter, ".Trail.Arn" a path in the answer to create, and in a
    text {ref}, {region}, {account} and {Parameter} are filled in.
    """

    service: str
    create_operation: str
    ref: Spec
    attributes: Mapping[str, Spec] = field(default_factory=dict)
    name: str | None = None  # the parameter to generate when the template leaves it out
    name_length: int = 64
    lower: bool = False
    key: str | None = None  # parameter that names the resource in update and delete; default: name
    update_operation: str | None = None
    delete_operation: str | None = None
    shape: Shaped | None = None  # properties -> API parameters, where they differ
    update_shape: Shaped | None = None  # what of these the update takes, where it is less
    delete_extra: tuple[str, ...] = ()  # properties that delete needs besides the key
    update_extra: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()  # without meaning for the API; each entry has a comment where it is used
    tags: str | Identifier | None = None  # what the tag operations take; None: the type has no tags
    tag_resource_type: str | None = None  # EC2's word for the type, which its TagSpecifications want

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = self._parameters(properties)
        if self.name and not parameters.get(self.name):
            parameters[self.name] = context.name(self.name_length, lower=self.lower)
        answer = context.call(self.service, self.create_operation, self._with_tags(properties, parameters))
        ref = str(self._value(self.ref, context, parameters, answer, ""))
        found = {
            n: self._value(spec, context, parameters, answer, ref) for n, spec in self.attributes.items()
        }
        return ref, found

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        before, after = self._parameters(old), self._parameters(new)
        if before != after:
            if not self.update_operation:
                raise ReplacementError(f"{self.service} has no operation to change this")
            parameters = self.update_shape(after) if self.update_shape else after
            key = {self._key: ref} if self._key else {}
            context.call(self.service, self.update_operation, {**parameters, **key, **self.update_extra})
        if self.tags:
            identifier = (
                self.tags(ref) if callable(self.tags) else self._value(self.tags, context, after, {}, ref)
            )
            tagging.retag(context, self.service, identifier, old.get("Tags"), new.get("Tags"))
        recomputable = {
            n: s for n, s in self.attributes.items() if not (isinstance(s, str) and s.startswith("."))
        }
        return ref, {n: self._value(spec, context, after, {}, ref) for n, spec in recomputable.items()}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        if not self.delete_operation:
            return
        extra = {name: properties[name] for name in self.delete_extra if name in properties}
        key = {self._key: ref} if self._key else {}
        context.call(self.service, self.delete_operation, {**key, **extra})

    @property
    def _key(self) -> str | None:
        return self.key or self.name

    def _parameters(self, properties: Properties) -> Properties:
        for name in self.ignored:
            properties.get(name)
        if isinstance(properties, Watched):
            properties = properties.without("Tags", *self.ignored)
        plain = {k: v for k, v in properties.items() if k != "Tags" and k not in self.ignored}
        return self.shape(plain) if self.shape else plain

    def _with_tags(self, properties: Properties, parameters: Properties) -> Properties:
        if not self.tags or not properties.get("Tags"):
            return parameters
        return {**parameters, **tagging.at_creation(self.service, properties["Tags"], self.tag_resource_type)}

    def _value(
        self, spec: Spec, context: Context, parameters: Properties, answer: dict[str, Any], ref: str
    ) -> Any:
        if callable(spec):
            return spec(context, parameters, answer)
        if spec.startswith("."):
            found: Any = answer
            for part in spec[1:].split("."):
                found = found[int(part)] if isinstance(found, list) else found.get(part)
            return found
        if "{" in spec:
            texts = {k: v for k, v in parameters.items() if isinstance(v, str)}
            return spec.format(**{**texts, "ref": ref, "region": regions.current(), "account": ACCOUNT})
        return parameters.get(spec, ref)


def _coerce(shape: Shape, value: Any, place: str, unknown: list[str]) -> Any:
    """A CloudFormation value in the type of the API's shape; collects members that the shape lacks."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return value
        return _structure(shape, value, place, unknown)
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [_coerce(shape.member, item, place, unknown) for item in items]
    if kind == "map":
        return {
            str(key): _coerce(shape.value, item, f"{place}.{key}", unknown) for key, item in value.items()
        }
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        return text(value)
    return value


def _structure(shape: Shape, value: Any, place: str, unknown: list[str]) -> dict[str, Any]:
    members = {name.lower(): name for name in shape.members}
    found = {}
    for key, item in value.items():
        name = key if key in shape.members else members.get(key.lower())
        if name is None:
            unknown.append(f"{place}.{key}")
        else:
            found[name] = _coerce(shape.members[name], item, f"{place}.{key}", unknown)
    return found


def text(value: Any) -> str:
    """Policies and the like as JSON, booleans as AWS writes them."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def renamed(**names: str) -> Shaped:
    """A shape that only gives properties other names: renamed(WorkGroupConfiguration="Configuration")."""
    return lambda properties: {names.get(key, key): value for key, value in properties.items()}


def lower_first(value: Any) -> Any:
    """Property names in the case of the APIs that write theirs small, at any depth."""
    if isinstance(value, dict):
        return {
            re.sub(r"^[A-Z]", lambda m: m[0].lower(), key): lower_first(item) for key, item in value.items()
        }
    return [lower_first(item) for item in value] if isinstance(value, list) else value
