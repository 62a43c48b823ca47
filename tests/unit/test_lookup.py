"""A client that knows only what it asks about gets the histories by entity, and null where there are none."""

from typing import Any

import pytest

from demo.lookup import AT_ONCE, Lookup, LookupFailedError

ENTITIES = [
    {"name": "place", "columns": ["place"], "features": ["rate", "yesterday"]},
    {"name": "place_kind", "columns": ["place", "kind"], "features": ["pair_rate"]},
]
GROUPS = {"place": "group-place", "place_kind": "group-pair"}
HELD = {
    ("group-place", "A"): {"rate": "0.25", "yesterday": "0.5"},
    ("group-place", "B"): {"rate": "0.75"},
    ("group-pair", "A|x"): {"pair_rate": "0.125"},
}


class Store:
    """Answers with HELD; leaves the first `slow` requests unanswered."""

    def __init__(self, slow: int = 0, errors: list[dict[str, str]] | None = None) -> None:
        self.slow, self.errors, self.asked = slow, errors or [], []

    def batch_get_record(self, Identifiers: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 as the API has it
        self.asked += Identifiers
        if self.slow:
            self.slow -= 1
            return {"Records": [], "Errors": [], "UnprocessedIdentifiers": Identifiers}
        records = [
            {
                "FeatureGroupName": one["FeatureGroupName"],
                "RecordIdentifierValueAsString": key,
                "Record": [
                    {"FeatureName": name, "ValueAsString": value}
                    for name, value in HELD[one["FeatureGroupName"], key].items()
                ],
            }
            for one in Identifiers
            for key in one["RecordIdentifiersValueAsString"]
            if (one["FeatureGroupName"], key) in HELD
        ]
        return {"Records": records, "Errors": self.errors, "UnprocessedIdentifiers": []}


def test_rows_get_every_history_and_keep_what_they_had() -> None:
    rows = [
        {"key": "1", "place": "A", "kind": "x"},
        {"key": "2", "place": "B", "kind": None},
        {"key": "3", "place": "nowhere", "kind": "x"},
    ]
    assert Lookup(Store(), GROUPS, ENTITIES).enriched(rows) == [
        {"key": "1", "place": "A", "kind": "x", "rate": 0.25, "yesterday": 0.5, "pair_rate": 0.125},
        {"key": "2", "place": "B", "kind": None, "rate": 0.75, "yesterday": None, "pair_rate": None},
        {"key": "3", "place": "nowhere", "kind": "x", "rate": None, "yesterday": None, "pair_rate": None},
    ]


def test_each_entity_is_asked_for_once_and_in_parts() -> None:
    store = Store()
    rows = [{"place": f"p{number % (AT_ONCE + 1)}"} for number in range(3 * AT_ONCE)]
    Lookup(store, GROUPS, ENTITIES[:1]).enriched(rows)
    sizes = [len(one["RecordIdentifiersValueAsString"]) for one in store.asked]
    assert sizes == [AT_ONCE, 1]


def test_unprocessed_records_are_asked_for_again() -> None:
    found = Lookup(Store(slow=2), GROUPS, ENTITIES[:1]).enriched([{"place": "A"}])
    assert found[0]["rate"] == 0.25
    with pytest.raises(LookupFailedError, match="unanswered"):
        Lookup(Store(slow=9), GROUPS, ENTITIES[:1]).enriched([{"place": "A"}])


def test_an_error_is_not_taken_for_a_missing_record() -> None:
    store = Store(errors=[{"ErrorCode": "ThrottlingException"}])
    with pytest.raises(LookupFailedError, match="ThrottlingException"):
        Lookup(store, GROUPS, ENTITIES[:1]).enriched([{"place": "A"}])
