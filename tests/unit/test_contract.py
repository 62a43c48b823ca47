"""The shipped contracts compile, to the same plain JSON each time."""

import json
from datetime import date

import pytest
from shared.rules import InvalidRecordError

import contracts
from contracts import ContractError
from contracts.diabetes import replay as diabetes
from contracts.flights import replay as flights
from tests.any_door import any_door


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_shipped_contract_is_plain_json(name: str) -> None:
    contract = contracts.load(name)
    assert json.loads(json.dumps(contract)) == contract
    assert contract["name"] == name
    assert set(contract) == {
        "format", "name", "version", "description", "domain", "time_zone", "lateness_days", "token_epochs",
        "tables", "features",
        "model", "monitor", "quality", "partitions",
    }  # fmt: skip


def test_caller_owns_the_contract() -> None:
    contracts.load("flights")["tables"].clear()
    assert contracts.load("flights")["tables"]


def test_unknown_contract_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match="got 'flight', allowed: diabetes, flights"):
        contracts.load("flight")


def test_label_outcome_is_no_column_of_the_streamed_table() -> None:
    contract = contracts.load("flights")
    assert not set(contract["model"]["leak_columns"]) & contract["tables"]["flights"]["columns"].keys()


def test_identifier_has_one_token_in_both_tables_that_join_on_it() -> None:
    tables_ = contracts.load("flights")["tables"]
    assert (
        tables_["flights"]["columns"]["tailnum"]["token"] == tables_["planes"]["columns"]["tailnum"]["token"]
    )


def test_replayed_flights_lie_in_the_asked_days_in_scheduled_order() -> None:
    found = list(flights.records("flights", date(2013, 3, 1), date(2013, 3, 3)))
    assert {record["flight_date"] for record in found} == {"2013-03-01", "2013-03-02"}
    order = [(record["flight_date"], record["sched_dep_time"]) for record in found]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("name", "replay", "days"),
    [
        pytest.param("flights", flights, (date(2013, 7, 3), date(2013, 7, 5)), id="flights"),
        pytest.param("diabetes", diabetes, (None, None), id="diabetes"),
    ],
)
def test_real_records_pass_their_own_contract(name: str, replay, days) -> None:
    door, first = any_door(contracts.load(name)), contracts.load(name)["token_epochs"]["first"]
    for table in replay.TABLES:
        count = 0
        for record in replay.records(table, *days):
            door[table].read(record, epoch=None if door[table].event_time else first)
            count += 1
        assert count, table


def test_the_one_impossible_wind_of_the_source_is_refused() -> None:
    door = any_door(contracts.load("flights"))
    refused = []
    for record in flights.records("weather"):
        try:
            door["weather"].read(record)
        except InvalidRecordError as error:
            refused += error.violations
    assert [(one.column, one.got, one.allowed) for one in refused] == [
        ("wind_speed", "1048.36058", "0 to 200")
    ]
