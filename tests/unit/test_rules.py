"""The rules of the door, one value at a time."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shared.columns import Refused, from_text, reader
from shared.rules import InvalidRecordError, Table, UnknownColumnError
from shared.tokens import Tokens

TOKENS = Tokens(b"k" * 32)
ZONE = ZoneInfo("America/New_York")
TABLE: dict[str, Any] = {
    "source": "stream",
    "event_time": "at",
    "max_rejected_share": 0.5,
    "columns": {
        "at": {"type": "timestamp", "required": True},
        "person": {
            "type": "string",
            "required": True,
            "max_length": 10,
            "classification": "direct_identifier",
            "token": "person",
        },
        "age": {
            "type": "integer",
            "required": False,
            "minimum": 0,
            "maximum": 120,
            "classification": "quasi_identifier",
            "generalise": {"bin": 10},
        },
        "grade": {"type": "string", "required": False, "enum": ["a", "b"]},
        "score": {"type": "number", "required": False, "minimum": 0, "maximum": 1},
    },
}


def any_table() -> Table:
    return Table("visits", TABLE, TOKENS, ZONE)


def any_record(**changes: Any) -> dict[str, Any]:
    return {
        "at": "2024-02-29T23:30:00-05:00",
        "person": "ann",
        "age": 37,
        "grade": "a",
        "score": 0.5,
    } | changes


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        pytest.param({"type": "integer"}, 7, 7, id="integer"),
        pytest.param({"type": "integer"}, 7.0, 7, id="integer written as 7.0"),
        pytest.param({"type": "number"}, 7, 7.0, id="number written as 7"),
        pytest.param({"type": "boolean"}, True, True, id="boolean"),
        pytest.param({"type": "date"}, "2024-02-29", "2024-02-29", id="leap day"),
        pytest.param({"type": "timestamp"}, "2024-03-01T00:30:00+02:00", "2024-02-29T22:30:00Z", id="to UTC"),
        pytest.param(
            {"type": "timestamp"}, "2024-03-01T00:30:00.25Z", "2024-03-01T00:30:00.250000Z", id="fraction"
        ),
        pytest.param({"type": "string", "pattern": "[A-Z]{2}"}, "AB", "AB", id="pattern"),
        pytest.param({"type": "integer", "minimum": 1, "maximum": 3}, 3, 3, id="the maximum itself"),
    ],
)
def test_column_reads(column: dict[str, Any], value: Any, stored: Any) -> None:
    read = reader(column)
    for _ in range(2):  # the second time it may be remembered
        assert read(value) == stored
        assert type(read(value)) is type(stored)


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        pytest.param({"type": "integer"}, "7", "integer", id="text for a number"),
        pytest.param({"type": "integer"}, True, "integer", id="true is not 1"),
        pytest.param({"type": "integer"}, 7.5, "integer", id="a part of a whole"),
        pytest.param({"type": "integer"}, 2**63, "9223372036854775807", id="more than the lake holds"),
        pytest.param({"type": "integer", "minimum": 1, "maximum": 3}, 4, "1 to 3", id="above the maximum"),
        pytest.param({"type": "integer", "enum": [1, 2]}, 3, "one of 1, 2", id="not in the enum"),
        pytest.param({"type": "number"}, False, "number", id="false is not 0"),
        pytest.param({"type": "number"}, float("inf"), "finite", id="infinite"),
        pytest.param({"type": "number", "maximum": 3}, float("nan"), "-inf to 3", id="not a number"),
        pytest.param({"type": "number", "minimum": 0.5}, 0.4, "0.5 to inf", id="below the minimum"),
        pytest.param({"type": "string"}, 5, "string", id="number for text"),
        pytest.param({"type": "string"}, "", "null when it is missing", id="empty text"),
        pytest.param({"type": "string"}, ["a"], "string", id="list for text"),
        pytest.param({"type": "string", "pattern": "[A-Z]{2}"}, "ABC", "[A-Z]{2}", id="pattern, whole value"),
        pytest.param({"type": "string", "max_length": 2}, "abc", "at most 2", id="too long"),
        pytest.param({"type": "boolean"}, 1, "true or false", id="1 is not true"),
        pytest.param({"type": "date"}, "2023-02-29", "2013-01-31", id="no leap year"),
        pytest.param({"type": "date"}, 20240229, "2013-01-31", id="number for a date"),
        pytest.param({"type": "timestamp"}, "2024-02-29T10:00:00", "an offset", id="no time zone"),
        pytest.param({"type": "timestamp"}, "yesterday", "ISO 8601", id="no timestamp"),
        pytest.param({"type": "timestamp"}, 1709200000, "ISO 8601", id="number for a timestamp"),
        pytest.param({"type": "timestamp"}, "0001-01-01T00:00:00+14:00", "ISO 8601", id="before year one"),
    ],
)
def test_column_refuses(column: dict[str, Any], value: Any, allowed: str) -> None:
    with pytest.raises(Refused) as caught:
        reader(column)(value)
    assert allowed in caught.value.allowed


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "517", 517),
        ("integer", "517.0", 517),
        ("integer", "5.5", "5.5"),
        ("integer", "1_000", "1_000"),
        ("number", "0.5", 0.5),
        ("number", "-1e3", -1000.0),
        ("number", "nan", "nan"),
        ("number", "1_0", "1_0"),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", "yes", "yes"),
        ("string", "NA", None),
        ("integer", "", None),
        ("string", "007", "007"),
        ("timestamp", "2024-01-01", "2024-01-01"),
    ],
)
def test_csv_text_becomes(kind: str, text: str, value: Any) -> None:
    found = from_text({"type": kind}, text)
    assert (found, type(found)) == (value, type(value))


def test_record_is_anonymised_and_placed_on_its_local_date() -> None:
    table = any_table()
    stored = table.read(any_record())
    assert stored == {
        "at": "2024-03-01T04:30:00Z",
        "person": TOKENS.token("person", "ann"),
        "age": 30,
        "grade": "a",
        "score": 0.5,
    }
    assert table.partition(stored) == "2024-02-29"


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        pytest.param("America/New_York", "2024-03-10T04:59:59Z", "2024-03-09", id="winter: last second"),
        pytest.param("America/New_York", "2024-03-10T05:00:00Z", "2024-03-10", id="winter: midnight"),
        pytest.param("America/New_York", "2024-07-01T04:00:00Z", "2024-07-01", id="summer: midnight"),
        pytest.param("Asia/Kolkata", "2024-03-09T18:29:59.999999Z", "2024-03-09", id="half hours ahead"),
        pytest.param("Asia/Kolkata", "2024-03-09T18:30:00Z", "2024-03-10", id="half hours ahead: midnight"),
        pytest.param("America/New_York", "0001-01-01T00:00:00Z", "0001-01-01", id="no day before it"),
        pytest.param("Asia/Tokyo", "9999-12-31T23:00:00Z", "9999-12-31", id="no day after it"),
    ],
)
def test_local_date(zone: str, moment: str, day: str) -> None:
    table = Table("visits", TABLE, TOKENS, ZoneInfo(zone))
    assert table.partition(table.read(any_record(at=moment))) == day


def test_missing_optional_values_are_left_out() -> None:
    assert "score" not in any_table().read(any_record(score=None))


def test_every_reason_is_named() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        any_table().read(any_record(at=None, grade="c", score=2))
    assert [(one.column, one.reason, one.got) for one in caught.value.violations] == [
        ("at", "missing", "null"),
        ("grade", "not one of the known values", '"c"'),
        ("score", "out of range", "2"),
    ]


def test_classified_values_are_not_told() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        any_table().read(any_record(person="a name that is too long", age=200))
    assert [one.got for one in caught.value.violations] == ["[redacted]", "[redacted]"]


def test_unknown_column_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownColumnError, match="visits: unknown column name, allowed: age, at, grade"):
        any_table().read(any_record(name="ann"))


def test_quarantine_holds_tokens_and_bins() -> None:
    record = any_record(grade="c")
    entry = refused(record)
    assert entry["record"] == record | {"person": TOKENS.token("person", "ann"), "age": 30}
    assert (entry["reason"], entry["column"], entry["got"]) == ("not one of the known values", "grade", '"c"')
    assert (entry["table"], entry["source"], entry["ingested_at"]) == (
        "visits",
        "test",
        "2024-03-01T00:00:00Z",
    )
    assert "ann" not in str(entry)


def test_refused_classified_value_is_withheld_and_not_sealed() -> None:
    entry = refused(any_record(person="a name that is too long"))
    assert entry["withheld"] == ["person"]
    assert entry["seal"] is None
    assert "person" not in entry["record"]


def test_sealed_record_keeps_its_tokens() -> None:
    table = any_table()
    entry = refused(any_record(grade="c"))
    mended = entry["record"] | {"grade": "b"}
    assert table.is_sealed(mended, entry["seal"])
    assert table.read(mended, seal=entry["seal"]) == table.read(any_record(grade="b"))


def test_seal_covers_the_identifiers_and_the_table() -> None:
    entry = refused(any_record(grade="c"))
    record = entry["record"]
    assert not any_table().is_sealed(record | {"person": "bob"}, entry["seal"])
    assert not Table("others", TABLE, TOKENS, ZONE).is_sealed(record, entry["seal"])
    assert not Table("visits", TABLE, Tokens(b"x" * 32), ZONE).is_sealed(record, entry["seal"])
    assert not any_table().is_sealed(record, {"no": "text"})


def test_clear_value_that_looks_like_a_token_is_tokenised() -> None:
    looks = "tok_" + "0" * 6
    assert any_table().read(any_record(person=looks))["person"] == TOKENS.token("person", looks) != looks


def test_token_is_keyed_long_and_of_its_domain() -> None:
    token = TOKENS.token("person", "ann")
    assert token.startswith("tok_")
    assert len(token) == 4 + 128 // 4
    assert len({token, TOKENS.token("plane", "ann"), Tokens(b"x" * 32).token("person", "ann")}) == 3


def test_half_a_character_is_tokenised_too() -> None:
    assert TOKENS.token("person", "\ud800").startswith("tok_")


def test_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="5 bytes, allowed: 32 or more"):
        Tokens(b"short")


def refused(record: dict[str, Any]) -> dict[str, Any]:
    """The quarantine entry of a record that the table refuses."""
    with pytest.raises(InvalidRecordError) as caught:
        any_table().read(record)
    return any_table().quarantined(record, caught.value.violations, source="test", at="2024-03-01T00:00:00Z")
