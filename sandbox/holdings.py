"""Everything that the account holds, searched for values that must not be in it: /_sandbox/search.

Not through the API, which would show what a caller may see: moto's state of every service, the engines' own,
and the files that jobs and functions left on the account's disk. A service that is added is searched as well.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sandbox import account, control
from sandbox.unpacked import PACKED, texts

_WORD = re.compile(rb"[A-Za-z0-9]+")
_ONE_WORD = re.compile(r"[A-Za-z0-9]+")
_AT_ONCE = 4_000_000  # bytes of small texts that are searched together
_SHOWN = 50
Place = tuple[str, bytes]


class Needles:
    """Values that are looked for as words: what stands around one may be anything but letters and digits."""

    def __init__(self, values: Iterable[str]) -> None:
        given = {value for value in values if value.strip()}
        self._words = {value.encode() for value in given if _ONE_WORD.fullmatch(value)}
        phrases = sorted(re.escape(value) for value in given if not _ONE_WORD.fullmatch(value))
        bounded = rf"(?<![A-Za-z0-9])(?:{'|'.join(phrases)})(?![A-Za-z0-9])"
        self._phrases = re.compile(bounded.encode()) if phrases else None
        self._starts = [re.sub(r"\\(.)", r"\1", phrase).encode() for phrase in phrases]

    def __len__(self) -> int:
        return len(self._words) + len(self._starts)

    def found(self, content: bytes) -> set[bytes]:
        """The values that the content holds, packed or not."""
        hits: set[bytes] = set()
        for text in texts(content):
            hits |= self._words.intersection(_WORD.findall(text))
            if self._phrases and any(start in text for start in self._starts):
                hits.update(self._phrases.findall(text))
        return hits


class Search:
    """`allowed`: beginnings of the places in which the values may be; a find there shows that it works."""

    def __init__(self, needles: Needles, allowed: Iterable[str]) -> None:
        self._needles, self._allowed = needles, tuple(allowed)
        self._seen: dict[int, Any] = {}  # one is held once; kept alive, so that no other takes its id
        self._told: set[tuple[str, int]] = (
            set()
        )  # texts, by where they may be: a copy elsewhere is another one

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
        return next((each for each in self._allowed if place.startswith(each)), "")

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
        waiting = [(place, root)]
        while waiting:
            place, value = waiting.pop()
            if isinstance(value, str | bytes | bytearray):
                text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
                known = (self._beginning(place), hash(text))
                if len(text) > 2 and known not in self._told:
                    self._told.add(known)
                    yield place, text
                continue
            parts = _parts(value)
            if parts is None or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            waiting += [(f"{place}/{name}"[:300], part) for name, part in parts]


def _objects(backend: Any) -> Iterator[Place]:
    """Every version of every object, with its name, its metadata and its tags in the walk over the state."""
    for bucket in list(backend.buckets.values()):
        for name in list(bucket.keys):
            for version in bucket.keys.getlist(name):
                if hasattr(version, "value"):  # else a delete marker
                    yield f"s3://{bucket.name}/{name}", version.value


def _parts(value: Any) -> Iterator[tuple[str, Any]] | None:
    """What an object holds; None for what holds nothing of its own: numbers, functions, classes, locks."""
    if isinstance(value, Mapping):
        return ((str(kind), part) for key, content in list(value.items()) for kind, part in
                ((f"{key}"[:80], content), ("key", key)))  # fmt: skip
    if isinstance(value, list | tuple | set | frozenset) or type(value).__name__ == "deque":
        return ((str(number), part) for number, part in enumerate(list(value)))
    kind = type(value)
    if isinstance(value, type) or not kind.__module__.startswith(("moto.", "sandbox.")):
        return None
    names = [*getattr(value, "__dict__", ())]
    names += [name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if name != "__dict__"]
    return ((name, getattr(value, name, None)) for name in names)


def _route(request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("values"):
        raise control.ControlError(
            'no values, allowed: {"values": ["..."], "allowed": ["s3://bucket/", ...]}'
        )
    return Search(Needles(request["values"]), request.get("allowed", ())).run()


def install() -> None:
    control.route("search", _route)
