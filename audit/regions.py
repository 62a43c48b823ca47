"""What templates ask of the Region that they are deployed to, and whether a Region has it.

Resolved as CloudFormation would: the rules of each template, then what its mappings hold for the Region. Then
what no template says by itself: instance types and endpoint services (regions.yaml, dated).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audit.quotas import instance_types
from audit.templates import Templates

Json = Any
_TABLE = Path(__file__).with_name("regions.yaml")
_GATEWAY = "Gateway"


@dataclass(frozen=True, kw_only=True)
class Lack:
    """
    what       that a Region lacks: a rule's name, a mapping's entry, a type
    sentence   why, and what to do
    is_sure    False: the table does not know the Region
    """

    what: str
    sentence: str
    is_sure: bool = True


def lacking(templates: Templates, region: str) -> list[Lack]:
    """The worst first; a rule's own words spare the mapping that it speaks for."""
    broken = list(_broken_rules(templates, region))
    unmapped = [] if broken else list(_unmapped(templates, region))
    return [*broken, *unmapped, *_types(templates, region), *_services(templates, region)]


def endpoint_services(templates: Templates, region: str) -> dict[str, str]:
    """Service name -> Gateway or Interface."""
    return {
        str(endpoint.get("ServiceName")).replace("<Region>", region): str(
            endpoint.get("VpcEndpointType", default=_GATEWAY)
        )
        for endpoint in templates.of("AWS::EC2::VPCEndpoint")
    }


def mapped(templates: Templates, region: str) -> dict[tuple[str, str], Json]:
    """(mapping, second key) -> what the templates look up for the Region; None where there is no row."""
    found: dict[tuple[str, str], Json] = {}
    for _, document in templates.documents.values():
        for name, key in _lookups(document):
            found[(name, key)] = document["Mappings"].get(name, {}).get(region, {}).get(key)
    return found


def _broken_rules(templates: Templates, region: str) -> Iterator[Lack]:
    for _, document in templates.documents.values():
        for name, rule in (document.get("Rules") or {}).items():
            for assertion in rule.get("Assertions", []):
                if _holds(assertion.get("Assert"), region) is False:
                    yield Lack(what=name, sentence=str(assertion.get("AssertDescription", "")))


def _holds(condition: Json, region: str) -> bool | None:
    """None where it depends on more than the Region."""
    if not isinstance(condition, Mapping) or len(condition) != 1:
        return None
    function, given = next(iter(condition.items()))
    if function in ("Fn::Contains", "Fn::Equals") and given[1] == {"Ref": "AWS::Region"}:
        return region in given[0] if function == "Fn::Contains" else region == given[0]
    if function in ("Fn::And", "Fn::Or", "Fn::Not"):
        parts = [_holds(part, region) for part in given]
        if function == "Fn::Not":
            return None if parts[0] is None else not parts[0]
        deciding = function == "Fn::Or"
        return deciding if deciding in parts else None if None in parts else not deciding
    return None


def _lookups(value: Json) -> Iterator[tuple[str, str]]:
    """Every Fn::FindInMap whose first key is the Region."""
    if isinstance(value, Mapping):
        given = value.get("Fn::FindInMap")
        if isinstance(given, list) and len(given) == 3 and given[1] == {"Ref": "AWS::Region"}:
            yield str(given[0]), str(given[2])
        for each in value.values():
            yield from _lookups(each)
    elif isinstance(value, list):
        for each in value:
            yield from _lookups(each)


def _unmapped(templates: Templates, region: str) -> Iterator[Lack]:
    for (name, key), value in sorted(mapped(templates, region).items()):
        if value is None:
            yield Lack(what=f"{name}.{key}", sentence=f"mapping {name} has no row for {region}: add it")


def _types(templates: Templates, region: str) -> Iterator[Lack]:
    known = table()["instance_types"]
    for name in sorted(instance_types(templates)):
        without = known["types"].get(name.removeprefix("ml."))
        if without is None or region not in known["regions"]:
            yield _unknown(name, f"whether {region} has {name}", known)
        elif region in without:
            fix = "choose another type in settings.py"
            yield Lack(what=name, sentence=f"{region} has no {name} ({_origin(known)}): {fix}")


def _services(templates: Templates, region: str) -> Iterator[Lack]:
    known, regions = table()["services"], table()["regions"]
    unknown = []
    for name in sorted(endpoint_services(templates, region)):
        without = known["names"].get(name.rpartition(f".{region}.")[2])
        if without is None or region not in regions["open"]:
            unknown.append(name.rpartition(".")[2])
        elif region in without:
            yield Lack(what=name, sentence=f"{region} has no endpoint service {name} ({_origin(known)})")
    if unknown:
        yield _unknown("endpoint services", f"whether {region} has those of {', '.join(unknown)}", known)


def _unknown(what: str, question: str, known: Mapping[str, Any]) -> Lack:
    return Lack(
        what=what, sentence=f"{question} does not stand in the table ({_origin(known)})", is_sure=False
    )


def _origin(known: Mapping[str, Any]) -> str:
    return f"{known['source']}, {known['date']}"


@cache
def table() -> dict[str, Any]:
    """regions.yaml: each figure with its source and date."""
    found: dict[str, Any] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return found
