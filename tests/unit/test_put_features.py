"""The feature store is filled with what a run made: every entity, as often as asked, refusals counted."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from put_features import handler, records

ENTITIES = [
    {"name": "place", "columns": ["place"], "features": ["rate", "yesterday"]},
    {"name": "place_kind", "columns": ["place", "kind"], "features": ["pair_rate"]},
]
GROUPS = {"place": "group-place-1", "place_kind": "group-pair-1"}
CONTENT = {
    "format": 1,
    "day": "2024-03-01",
    "event_time": "2024-03-01T05:00:00Z",
    "records": {
        "place": [
            {"place": "A", "rate": 2 / 3, "yesterday": None},
            {"place": "B", "rate": 0.0, "yesterday": 1.0},
        ],
        "place_kind": [{"place": "A", "kind": "x", "pair_rate": 0.25}],
    },
}


class Store:
    """Takes records; refuses those of the identifiers named."""

    def __init__(self, refused: dict[str, str] | None = None) -> None:
        self.refused, self.taken = refused or {}, []

    def put_record(self, **request: Any) -> None:
        values = {one["FeatureName"]: one["ValueAsString"] for one in request["Record"]}
        if code := self.refused.get(values["entity"]):
            raise ClientError({"Error": {"Code": code, "Message": f"{values}"}}, "PutRecord")
        self.taken.append((request["FeatureGroupName"], values))


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the function against a store and a run's file."""

    def run(store: Store, content: Any = CONTENT) -> dict[str, Any]:
        monkeypatch.setattr(handler, "_store", lambda: store)
        monkeypatch.setattr(handler, "_entities", lambda _bucket, _run: content)
        monkeypatch.setattr(handler, "contract", lambda: {"features": {"entities": ENTITIES}})
        monkeypatch.setenv("MODELS_BUCKET", "models")
        monkeypatch.setenv("FEATURE_GROUPS", json.dumps(GROUPS))
        return handler.handler({"plan": {"run_id": "r1"}}, None)

    return run


def test_every_entity_goes_into_its_group(fill) -> None:
    store = Store()
    answer = fill(store)
    at = {"event_time": "2024-03-01T05:00:00Z"}
    assert sorted(store.taken, key=str) == [
        ("group-pair-1", {"entity": "A|x", **at, "pair_rate": "0.25"}),
        ("group-place-1", {"entity": "A", **at, "rate": repr(2 / 3)}),
        ("group-place-1", {"entity": "B", **at, "rate": "0.0", "yesterday": "1.0"}),
    ]
    assert answer == {
        "put": 3,
        "groups": {"group-place-1": 2, "group-pair-1": 1},
        "event_time": "2024-03-01T05:00:00Z",
    }


def test_number_comes_back_to_the_last_bit(fill) -> None:
    store = Store()
    fill(store)
    assert float(dict(store.taken)["group-place-1"].get("rate", "nan")) in (2 / 3, 0.0)


def test_refused_records_are_counted_and_the_others_stay(fill) -> None:
    store = Store({"A": "ThrottlingException", "A|x": "ValidationError"})
    with pytest.raises(handler.RefusedRecordsError, match="2 of 3 records were not put") as refused:
        fill(store)
    assert [values["entity"] for _, values in store.taken] == ["B"]
    assert "1 times ThrottlingException" in str(refused.value)
    assert "0.66" not in str(refused.value), "values stay out of errors, which end up in logs"


def test_run_that_built_nothing_puts_nothing(fill) -> None:
    assert fill(Store(), None) == {"put": 0, "groups": {}, "event_time": None}


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"records": {"other": []}}], ids=["another format", "an unknown entity"]
)
def test_file_of_another_contract_is_refused(fill, changes: dict[str, Any]) -> None:
    with pytest.raises(records.EntitiesError):
        fill(Store(), CONTENT | changes)
