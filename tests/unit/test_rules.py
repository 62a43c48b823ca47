"""The rules of the door, one value at a time."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shared.columns import Refused, from_text, generaliser, reader
from shared.rules import InvalidRecordError, Table, UnknownColumnError
from shared.token_keys import Key, TokenKeys, TokenKeysError
from shared.tokens import Tokens

from tests.any_door import MADE, NOW, any_keys, any_tokens

TOKENS = any_tokens()
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
        "person": TOKENS.token("2024", "person", "ann"),
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
    table = Table("hours", TABLE | {"columns": {"at": TABLE["columns"]["at"]}}, TOKENS, ZoneInfo(zone))
    assert table.partition(table.read({"at": moment})) == day


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
    assert entry["record"] == record | {"person": TOKENS.token("2024", "person", "ann"), "age": 30}
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
    assert not Table("visits", TABLE, any_tokens(b"x" * 32), ZONE).is_sealed(record, entry["seal"])
    assert not any_table().is_sealed(record, {"no": "text"})


def test_clear_value_that_looks_like_a_token_is_tokenised() -> None:
    looks = "tok_" + "0" * 6
    assert (
        any_table().read(any_record(person=looks))["person"] == TOKENS.token("2024", "person", looks) != looks
    )


def test_token_is_keyed_long_and_of_its_domain() -> None:
    token = TOKENS.token("2024", "person", "ann")
    assert token.startswith("tok_")
    assert len(token) == len("tok_2024_") + 128 // 4
    assert (
        len(
            {
                token,
                TOKENS.token("2024", "plane", "ann"),
                any_tokens(b"x" * 32).token("2024", "person", "ann"),
            }
        )
        == 3
    )


def test_half_a_character_is_tokenised_too() -> None:
    assert TOKENS.token("2024", "person", "\ud800").startswith("tok_")


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(TokenKeys({}, seals=(Key(b"k" * 32, MADE),)), id="no epoch"),
        pytest.param(TokenKeys({"2024": Key(b"k" * 32, MADE)}), id="no seal"),
    ],
)
def test_secret_before_its_first_rotation_lets_nothing_pass(keys: TokenKeys) -> None:
    with pytest.raises(TokenKeysError, match="its first rotation makes them"):
        Tokens(keys, "year", NOW)


@pytest.mark.parametrize(
    ("at", "epoch"),
    [
        pytest.param("2024-12-31T23:59:59-05:00", "2024", id="the last second of a local year"),
        pytest.param("2025-01-01T04:59:59Z", "2024", id="the same in UTC, where the year is over"),
        pytest.param("2025-01-01T00:00:00-05:00", "2025", id="the first second of the next"),
    ],
)
def test_epoch_is_of_the_local_date_of_the_event(at: str, epoch: str) -> None:
    assert any_table().read(any_record(at=at))["person"] == TOKENS.token(epoch, "person", "ann")


def test_person_is_one_within_an_epoch_and_two_in_two() -> None:
    days = ["2024-01-15T12:00:00Z", "2024-11-30T12:00:00Z", "2025-06-01T12:00:00Z"]
    early, late, next_year = (any_table().read(any_record(at=day))["person"] for day in days)
    assert early == late
    assert next_year.removeprefix("tok_2025_") != early.removeprefix("tok_2024_")


def test_late_record_gets_the_token_of_its_peers_after_a_renewal() -> None:
    renewed = Tokens(any_keys(first="2013", epochs=25), "year", NOW)  # five epochs more
    table = Table("visits", TABLE, renewed, ZONE)
    assert table.read(any_record())["person"] == any_table().read(any_record())["person"]


def test_record_of_an_epoch_without_key_is_refused_and_its_identifier_withheld() -> None:
    entry = refused(any_record(at="1999-05-01T12:00:00Z"))
    assert (entry["reason"], entry["column"]) == ("there is no key for its epoch", "person")
    assert entry["allowed"].startswith("an epoch with a key: 2013, 2014, ")
    assert (entry["withheld"], entry["seal"]) == (["person"], None)
    assert "ann" not in str(entry)
    assert entry["record"]["score"] == 0.5


def test_record_of_a_destroyed_epoch_says_so() -> None:
    keys = any_keys()._replace(destroyed=("2012",))
    table = Table("visits", TABLE, Tokens(keys, "year", NOW), ZONE)
    with pytest.raises(InvalidRecordError, match="the key of its epoch was destroyed"):
        table.read(any_record(at="2012-05-01T12:00:00Z"))


def test_record_without_identifier_needs_no_key() -> None:
    contract = TABLE | {
        "columns": TABLE["columns"] | {"person": TABLE["columns"]["person"] | {"required": False}}
    }
    stored = Table("visits", contract, TOKENS, ZONE).read(any_record(at="1999-05-01T12:00:00Z", person=None))
    assert stored["at"] == "1999-05-01T12:00:00Z"


@pytest.mark.parametrize("at", [None, "yesterday"], ids=["missing", "unreadable"])
def test_without_an_event_time_there_is_no_token(at: str | None) -> None:
    entry = refused(any_record(at=at))
    assert entry["column"] == "at"
    assert (entry["withheld"], entry["seal"]) == (["person"], None)
    assert "ann" not in str(entry)


def test_dimension_is_of_the_epoch_for_which_it_was_delivered() -> None:
    columns = {"person": TABLE["columns"]["person"]}
    table = Table("people", TABLE | {"event_time": None, "columns": columns}, TOKENS, ZONE)
    assert table.delivery_epoch("2025-01-01T04:00:00.000Z") == "2024"
    assert table.read({"person": "ann"}, epoch="2024")["person"] == TOKENS.token("2024", "person", "ann")
    with pytest.raises(ValueError, match="say for which epoch"):
        table.read({"person": "ann"})


def test_seal_is_made_with_a_key_that_every_function_has_read_and_checked_with_all() -> None:
    old, new = Key(b"o" * 32, "2025-12-01T00:00:00Z"), Key(b"n" * 32, "2025-12-31T23:30:00Z")
    epochs = any_keys().epochs
    before = Tokens(TokenKeys(epochs, seals=(old,)), "year", NOW)
    during = Tokens(TokenKeys(epochs, seals=(old, new)), "year", NOW)
    after = Tokens(TokenKeys(epochs, seals=(old, new)), "year", NOW + timedelta(hours=2))
    made = [tokens.seal("visits", {"person": "x"}) for tokens in (before, during, after)]
    assert made[0] == made[1] != made[2]
    assert all(during.is_sealed(seal, "visits", {"person": "x"}) for seal in made)
    assert not before.is_sealed(made[2], "visits", {"person": "x"})


@pytest.mark.parametrize(
    ("column", "value", "general"),
    [
        pytest.param({"type": "integer", "generalise": {"bin": 5}}, 1987, 1985, id="bin"),
        pytest.param({"type": "number", "generalise": {"bin": 10}}, 17.5, 10.0, id="bin of a number"),
        pytest.param({"type": "integer", "generalise": {"bin": 5, "bottom": 25}}, 3, 25, id="bottom"),
        pytest.param({"type": "integer", "generalise": {"bin": 5, "top": 70}}, 99, 70, id="top"),
        pytest.param({"type": "integer", "generalise": {"bottom": 25, "top": 70}}, 31, 31, id="between"),
        pytest.param({"type": "string", "generalise": {"prefix": 3}}, "10027", "100", id="prefix of a code"),
        pytest.param(
            {"type": "string", "generalise": {"prefix": 3}}, "10", "10", id="shorter than the prefix"
        ),
        pytest.param(
            {"type": "timestamp", "generalise": {"truncate": "hour"}},
            "2024-05-06T07:08:09.500000Z",
            "2024-05-06T07:00:00Z",
            id="hour",
        ),
        pytest.param(
            {"type": "timestamp", "generalise": {"truncate": "month"}},
            "2024-05-06T07:08:09Z",
            "2024-05-01T00:00:00Z",
            id="month of a moment",
        ),
        pytest.param(
            {"type": "date", "generalise": {"truncate": "month"}}, "2024-05-06", "2024-05-01", id="month"
        ),
        pytest.param(
            {"type": "date", "generalise": {"truncate": "year"}}, "2024-05-06", "2024-01-01", id="year"
        ),
    ],
)
def test_quasi_identifier_is_made_coarser_once(column: dict[str, Any], value: Any, general: Any) -> None:
    coarser = generaliser(column)
    assert coarser(value) == general == coarser(coarser(value))
    assert reader({"type": column["type"]})(general) == general, "what is stored passes the door again"


def refused(record: dict[str, Any]) -> dict[str, Any]:
    """The quarantine entry of a record that the table refuses."""
    with pytest.raises(InvalidRecordError) as caught:
        any_table().read(record)
    return any_table().quarantined(record, caught.value.violations, source="test", at="2024-03-01T00:00:00Z")
