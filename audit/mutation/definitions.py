"""Weakenings inside state machines: what is taken from requests and states, flags that are switched off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from audit.mutation.mutant import Documents, Mutant, Place, entry, properties

# Members of requests inside definitions; and of the states around them.
FROM_REQUESTS = (
    "VpcConfig",
    "NetworkConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "VolumeKmsKeyId",
    "KmsKeyId",
    "StoppingCondition",
    "DataCaptureConfig",
)
FROM_STATES = ("Retry", "Catch", "TimeoutSeconds")
FLAGS = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableCapture")


def of_definition(place: Place, resource: Any) -> Iterator[Mutant]:
    """The definition is text in pieces, so what is taken away is renamed: nobody reads it then."""
    text = json.dumps(properties(resource).get("DefinitionString"))
    for name in FROM_REQUESTS:
        yield from _each(text, place, "request field removed", name, _member(name), _member(f"Not{name}"))
    for name in FROM_STATES:
        yield from _each(text, place, "state guard removed", name, _member(name), _member(f"Not{name}"))
    for name in FLAGS:
        on, off = f"{_member(name)}true", f"{_member(name)}false"
        yield from _each(text, place, "request flag off", name, on, off)


def _member(name: str) -> str:
    quoted = json.dumps(json.dumps(name))[1:-1]
    return f"{quoted}:"


def _each(text: str, place: Place, kind: str, name: str, old: str, new: str) -> Iterator[Mutant]:
    for number in range(text.count(old)):
        yield _replacing(place, kind, f"{name} (the {number + 1}.)", old, new, number)


def _replacing(place: Place, kind: str, subject: str, old: str, new: str, number: int) -> Mutant:
    def change(documents: Documents) -> None:
        given = entry(documents, place)["Properties"]
        parts = json.dumps(given["DefinitionString"]).split(old)
        joined = old.join(parts[: number + 1]) + new + old.join(parts[number + 1 :])
        given["DefinitionString"] = json.loads(joined)

    return Mutant(kind=kind, place=place, subject=subject, change=change)
