"""Values by entity as records of the feature store. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

EVENT_TIME = "event_time"
IDENTIFIER = "entity"
FORMAT = 1


class EntitiesError(ValueError):
    """The run's entities.json does not fit the contract or the feature store."""


class Record(NamedTuple):
    group: str
    identifier: str
    values: list[dict[str, str]]


def identifier(columns: list[str], record: Mapping[str, Any]) -> str:
    """The key of a look-up: the group's columns, joined as the feature table joins keys."""
    return "|".join(str(record[column]) for column in columns)


def records(
    content: Mapping[str, Any], entities: list[dict[str, Any]], groups: Mapping[str, str]
) -> list[Record]:
    """What to put, group by group.

    content   entities.json of a run
    entities  the contract's
    groups    entity -> name of its feature group
    """
    if content.get("format") != FORMAT:
        raise EntitiesError(
            f"entities.json has format {content.get('format')!r}, allowed is {FORMAT}: run the refresh again"
        )
    known = {entity["name"] for entity in entities}
    if known != set(groups) or not set(content["records"]) <= known:
        raise EntitiesError(
            f"the contract looks up by {sorted(known)}, the feature store by {sorted(groups)}, the run made "
            f"{sorted(content['records'])}: deploy again, then refresh"
        )
    return [record for entity in entities for record in _of(entity, content, groups[entity["name"]])]


def _of(entity: Mapping[str, Any], content: Mapping[str, Any], group: str) -> Iterator[Record]:
    for found in content["records"].get(entity["name"], []):
        name = identifier(entity["columns"], found)
        # A feature without a value is left out: the store knows no null, and a record is replaced whole.
        values = [
            {"FeatureName": feature, "ValueAsString": repr(float(found[feature]))}
            for feature in entity["features"]
            if found[feature] is not None
        ]
        head = [
            {"FeatureName": IDENTIFIER, "ValueAsString": name},
            {"FeatureName": EVENT_TIME, "ValueAsString": content["event_time"]},
        ]
        yield Record(group, name, [*head, *values])
