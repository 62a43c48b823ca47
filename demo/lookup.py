"""Fills requests up from the feature store: a client sends what it knows, histories come by entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

IDENTIFIER = "entity"
AT_ONCE = 100  # identifiers of one group in a BatchGetRecord
ATTEMPTS = 5

Row = dict[str, Any]
Found = dict[tuple[str, str], dict[str, float]]


class LookupFailedError(RuntimeError):
    """The store did not answer for some entities, however often it was asked."""


class Lookup:
    """
    runtime   a client of sagemaker-featurestore-runtime, of a role that may read the groups
    groups    entity -> name of its feature group: output `FeatureGroups` of the Operations stack
    entities  of the compiled contract
    """

    def __init__(
        self, runtime: Any, groups: Mapping[str, str], entities: Sequence[Mapping[str, Any]]
    ) -> None:
        self._runtime, self._groups, self._entities = runtime, groups, entities

    def enriched(self, rows: Iterable[Row]) -> list[Row]:
        """The rows with every history: null where there is no record, or a record without the value."""
        given = list(rows)
        wanted = {
            entity["name"]: sorted({key for row in given if (key := identifier(entity, row)) is not None})
            for entity in self._entities
        }
        found: Found = {}
        for entity in self._entities:
            for part in _parts(wanted[entity["name"]]):
                found |= self._records(entity, part)
        return [row | self._histories(row, found) for row in given]

    def _histories(self, row: Row, found: Found) -> Row:
        values: Row = {}
        for entity in self._entities:
            record = found.get((entity["name"], str(identifier(entity, row))), {})
            values |= {name: record.get(name) for name in entity["features"]}
        return values

    def _records(self, entity: Mapping[str, Any], keys: Sequence[str]) -> Found:
        found: Found = {}
        asked = {
            "FeatureGroupName": self._groups[entity["name"]],
            "RecordIdentifiersValueAsString": list(keys),
            "FeatureNames": [IDENTIFIER, *entity["features"]],
        }
        identifiers = [asked]
        for _ in range(ATTEMPTS):
            answer = self._runtime.batch_get_record(Identifiers=identifiers)
            if answer["Errors"]:
                codes = sorted({error["ErrorCode"] for error in answer["Errors"]})
                raise LookupFailedError(f"{asked['FeatureGroupName']} answered {', '.join(codes)}")
            for record in answer["Records"]:
                values = {one["FeatureName"]: one.get("ValueAsString") for one in record["Record"]}
                found[(entity["name"], record["RecordIdentifierValueAsString"])] = {
                    name: float(values[name]) for name in entity["features"] if values.get(name) is not None
                }
            identifiers = answer["UnprocessedIdentifiers"]
            if not identifiers:
                return found
        raise LookupFailedError(f"{asked['FeatureGroupName']} left records unanswered {ATTEMPTS} times")


def identifier(entity: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    """None where the row does not say all of what the entity is looked up by."""
    values = [row.get(column) for column in entity["columns"]]
    return None if any(value is None for value in values) else "|".join(str(value) for value in values)


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))
