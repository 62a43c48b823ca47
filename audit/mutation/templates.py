"""Every weakened variant of a set of templates, one property each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.mutation.definitions import of_definition
from audit.mutation.mutant import (
    GONE,
    Documents,
    Mutant,
    Place,
    found,
    properties,
    removing,
    setting,
    steps_of,
)
from audit.mutation.statements import of_statements
from audit.mutation.weakenings import GIVEN, TAKEN_AWAY, WEAKER
from audit.templates import Templates

_MACHINE, _ALARM = "AWS::StepFunctions::StateMachine", "AWS::CloudWatch::Alarm"


def mutants(documents: Documents) -> Iterator[Mutant]:
    """In a stable order: by stack and place in its template, then as the tables say."""
    by_address = Templates(documents).by_address
    for stack, (_, document) in sorted(documents.items()):
        for logical_id, entry in document["Resources"].items():
            resource = by_address[f"{stack}/{logical_id}"]
            place = Place(stack=stack, logical_id=logical_id, path=resource.path, type=resource.type)
            yield from _of_properties(place, entry)
            yield from _of_deletion(place, entry)
            yield from of_statements(place, entry)
            if place.type == _MACHINE:
                yield from of_definition(place, entry)


def _of_properties(place: Place, entry: Any) -> Iterator[Mutant]:
    for name in TAKEN_AWAY.get(place.type, ()):
        if name == "*":
            yield removing("resource removed", place)
        elif found(properties(entry), steps_of(name)) is not None:
            yield setting("property removed", place, ("Properties", *steps_of(name)), GONE, name)
    for kind, name, value in WEAKER.get(place.type, ()):
        if found(properties(entry), steps_of(name)) not in (None, value):
            yield setting(kind, place, ("Properties", *steps_of(name)), value, name)
    for kind, name, value in GIVEN.get(place.type, ()):
        if properties(entry).get(name) != value:
            yield setting(kind, place, ("Properties", name), value, name)
    if place.type == _ALARM and properties(entry).get("TreatMissingData") == "breaching":
        steps = ("Properties", "TreatMissingData")
        yield setting("silence taken for calm", place, steps, "notBreaching", steps[-1])


def _of_deletion(place: Place, entry: Any) -> Iterator[Mutant]:
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        if entry.get(name) in ("Retain", "RetainExceptOnCreate", "Snapshot"):
            yield setting("deletion allowed", place, (name,), "Delete", name)
