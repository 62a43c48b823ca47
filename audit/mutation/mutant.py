"""What a mutant is, and the ways to change one place of a template."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.policies import listed

Documents = dict[str, tuple[Path, Any]]
Steps = tuple[Any, ...]
GONE = object()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A resource of the documents; `path` is its construct's."""

    stack: str
    logical_id: str
    path: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """
    kind     what was done, in two or three words
    subject  the property or statement it was done to
    change   works on a copy of the documents, and touches the place's stack alone
    """

    kind: str
    place: Place
    subject: str
    change: Callable[[Documents], None]

    @property
    def what(self) -> str:
        return f"{self.place.path} | {self.kind} | {self.subject}"

    def applied(self, documents: Documents) -> Documents:
        """The documents with a changed copy of the one stack."""
        file, document = documents[self.place.stack]
        changed = {**documents, self.place.stack: (file, copy.deepcopy(document))}
        self.change(changed)
        return changed


def entry(documents: Documents, place: Place) -> Any:
    return documents[place.stack][1]["Resources"][place.logical_id]


def setting(kind: str, place: Place, steps: Steps, value: Any, subject: str) -> Mutant:
    """Another value at a place of the entry, or (GONE) none."""

    def change(documents: Documents) -> None:
        inner = at(entry(documents, place), steps[:-1])
        if value is GONE:
            del inner[steps[-1]]
        else:
            inner[steps[-1]] = copy.deepcopy(value)

    return Mutant(kind=kind, place=place, subject=subject, change=change)


def removing(kind: str, place: Place) -> Mutant:
    """Without the resource, and without what refers to it: a reference to nothing would not deploy."""

    def change(documents: Documents) -> None:
        entries = documents[place.stack][1]["Resources"]
        del entries[place.logical_id]
        for logical_id in entries:
            entries[logical_id] = _unreferred(entries[logical_id], place.logical_id)

    return Mutant(kind=kind, place=place, subject=place.type, change=change)


def _unreferred(value: Any, name: str, *, is_text: bool = False) -> Any:
    """List entries that refer to the resource go; inside of a text its place is taken by a dash."""
    if isinstance(value, Mapping):
        if _is_reference(value, name):
            return "-"
        return {
            key: _unreferred(each, name, is_text=is_text or key.startswith("Fn::"))
            for key, each in value.items()
        }
    if not isinstance(value, list):
        return value
    kept = value if is_text else [each for each in value if each != name and not _refers(each, name)]
    return [_unreferred(each, name, is_text=is_text) for each in kept]


def _is_reference(value: Mapping[str, Any], name: str) -> bool:
    return value.get("Ref") == name or listed(value.get("Fn::GetAtt"))[:1] == [name]


def _refers(value: Any, name: str) -> bool:
    """Whether a reference is the entry, or a member of it; what is deeper goes by itself."""
    if not isinstance(value, Mapping):
        return False
    members = [each for each in value.values() if isinstance(each, Mapping)]
    return any(_is_reference(each, name) for each in (value, *members))


def at(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = value[step]
    return value


def found(value: Any, steps: Steps) -> Any:
    """None where a step is missing."""
    try:
        return at(value, steps)
    except (KeyError, IndexError, TypeError):
        return None


def properties(entries: Any) -> Mapping[str, Any]:
    given = entries.get("Properties")
    return given if isinstance(given, Mapping) else {}


def steps_of(name: str) -> Steps:
    return tuple(int(step) if step.isdigit() else step for step in name.split("."))


Mutants = Iterator[Mutant]
