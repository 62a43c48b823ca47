"""Everything that the account holds, searched for values that must not be in it: /_sandbox/search.

Not through the API, which would show what a caller may see: moto's state of every service, the engines' own,
and the files that jobs and functions left on the account's disk. A service that is added is searched as well.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import account, control
from sandbox.needles import Needles
from sandbox.unpacked import PACKED

_AT_ONCE = 4_000_000  # bytes of small texts that are searched together
_SHOWN = 50
_SHORTEST = 2  # bytes of a text in which nobody looks
Place = tuple[str, bytes]


class Search:
    """`allowed`: beginnings of the places in which the values may be; a find there shows that it works."""

    def __init__(self, needles: Needles, allowed: Iterable[str]) -> None:
        self._needles, self._allowed = needles, tuple(allowed)
        self._seen: dict[int, Any] = {}  # one is held once; kept alive, so that no other takes its id
        # Texts, by where they may be: a copy elsewhere is another one.
        self._told: dict[str, set[int]] = {beginning: set() for beginning in ("", *self._allowed)}
        self._towards = {each[:end] for each in self._allowed for end in range(len(each) + 1)}
        self._kinds: dict[type, _Kind] = {}

    def run(self) -> dict[str, Any]:
        began, size = time.monotonic(), 0
        forbidden: Counter[str] = Counter()
        expected: dict[str, set[bytes]] = {beginning: set() for beginning in self._allowed}
        looked_at: Counter[str] = Counter()
        for beginning, places in self._together(self._everything()):
            size += sum(len(text) for _, text in places)
            looked_at.update(place.split("/", 1)[0].split(":", 1)[0] for place, _ in places)
            found = self._needles.found(b"\n".join(text for _, text in places))
            if beginning:
                expected[beginning] |= found
            elif found:
                for place, text in places:  # several may have one name: versions, keys and values
                    forbidden[place] += len(self._needles.found(text))
        return {
            "values": len(self._needles),
            "bytes": size,
            "places": dict(looked_at),
            # Numbers of different values, never the values.
            "forbidden": [{"place": p, "values": forbidden[p]} for p in sorted(+forbidden)][:_SHOWN],
            "allowed": {beginning: len(found) for beginning, found in expected.items()},
            "seconds": time.monotonic() - began,
        }

    def _beginning(self, place: str) -> str:
        if not place.startswith(self._allowed):  # nearly all of them
            return ""
        return next(each for each in self._allowed if place.startswith(each))

    def _together(self, places: Iterator[Place]) -> Iterator[tuple[str, list[Place]]]:
        """Large and packed contents alone, small ones many at a time: most of the time is the calls' own."""
        small: defaultdict[str, list[Place]] = defaultdict(list)
        sizes: Counter[str] = Counter()
        for place, text in places:
            beginning = self._beginning(place)
            if len(text) > _AT_ONCE // 8 or text.startswith(PACKED):
                yield beginning, [(place, text)]
                continue
            small[beginning].append((place, text))
            sizes[beginning] += len(text)
            if sizes[beginning] > _AT_ONCE:
                yield beginning, small.pop(beginning)
                sizes[beginning] = 0
        yield from small.items()

    def _everything(self) -> Iterator[Place]:
        yield from self._services()
        for name, module in sorted(sys.modules.items()):
            if name.startswith("sandbox.") and name != __name__:
                for variable, value in list(vars(module).items()):
                    if not variable.startswith("__"):
                        yield from self._walk(value, f"{name}:{variable}")
        for path in sorted(account.workdir().rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield f"disk/{path.relative_to(account.workdir())}", path.read_bytes()

    def _services(self) -> Iterator[Place]:
        from moto.core.base_backend import BackendDict

        for backends in list(BackendDict._instances):  # type: ignore[misc]
            for regions in list(backends.values()):
                for backend in list(regions.values()):
                    if backends.service_name == "s3":
                        yield from _objects(backend)
                    yield from self._walk(backend, backends.service_name)

    def _walk(self, root: Any, place: str) -> Iterator[Place]:
        """Texts and bytes below an object of moto or of the sandbox, each once."""
        if self._kind(root).is_text:
            yield place, _encoded(root)
            return
        waiting = [(place, root)]
        while waiting:
            place, value = waiting.pop()
            if id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            # Only what lies on the way to a place that is allowed may be in it, or not, by its own name.
            shared = None if place in self._towards else self._told[self._beginning(place)]
            for name, part in self._kind(value).parts(value):
                kind = self._kinds.get(type(part)) or self._kind(part)
                if kind.is_text:
                    told = self._told[self._beginning(_below(place, name))] if shared is None else shared
                    text = part if _hashes_as_bytes(part) else _encoded(part)
                    known = hash(text)
                    if known not in told and len(text) > _SHORTEST:
                        told.add(known)
                        yield _below(place, name), _encoded(text)
                elif kind.parts is not _nothing and id(part) not in self._seen:
                    waiting.append((_below(place, name), part))

    def _kind(self, value: Any) -> _Kind:
        """Kept by type, but for an object that stands in for one of another type."""
        kind = self._kinds.get(type(value))
        if kind is None:
            kind = _kind_of(value)
            if value.__class__ is type(value):
                self._kinds[type(value)] = kind
        return kind


def _objects(backend: Any) -> Iterator[Place]:
    """Every version of every object, with its name, its metadata and its tags in the walk over the state."""
    for bucket in list(backend.buckets.values()):
        for name in list(bucket.keys):
            for version in bucket.keys.getlist(name):
                if hasattr(version, "value"):  # else a delete marker
                    yield f"s3://{bucket.name}/{name}", version.value


def _below(place: str, name: Any) -> str:
    return f"{place}/{f'{name}'[:80]}"[:300]


def _hashes_as_bytes(text: Any) -> bool:
    """Whether equal letters have equal hashes: other types may have their own hash, other letters have."""
    return type(text) is bytes or (type(text) is str and text.isascii())


def _encoded(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)


_Parts = Iterable[tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """Of the objects of one type: whether they are looked for values themselves, or what they hold."""

    parts: Callable[[Any], _Parts]
    is_text: bool = False


def _kind_of(value: Any) -> _Kind:
    kind = type(value)
    if isinstance(value, str | bytes | bytearray):
        return _Kind(parts=_nothing, is_text=True)
    if isinstance(value, Mapping):
        return _Kind(parts=_of_mapping)
    if isinstance(value, list | tuple | set | frozenset) or kind.__name__ == "deque":
        return _Kind(parts=_of_sequence)
    if isinstance(value, type) or not kind.__module__.startswith(("moto.", "sandbox.")):
        return _Kind(parts=_nothing)
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if name != "__dict__"]

    def of_object(one: Any) -> _Parts:
        names = [*getattr(one, "__dict__", ()), *slots]
        return [(name, getattr(one, name, None)) for name in names]

    return _Kind(parts=of_object)


def _nothing(_: Any) -> _Parts:
    """Of what holds nothing of its own: numbers, functions, classes, locks."""
    return ()


def _of_mapping(value: Mapping[Any, Any]) -> _Parts:
    for key, content in list(value.items()):
        yield key, content
        yield "key", key


def _of_sequence(value: Iterable[Any]) -> _Parts:
    return enumerate(list(value))


def _route(request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("values"):
        raise control.ControlError(
            'no values, allowed: {"values": ["..."], "allowed": ["s3://bucket/", ...]}'
        )
    return Search(Needles(request["values"]), request.get("allowed", ())).run()


def install() -> None:
    control.route("search", _route)
