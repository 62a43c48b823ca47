"""Every mistake in a contract is refused with its place, what was got, what is allowed and how to mend it."""
# ruff: noqa: E501  # one mistake in a line or two reads as a table

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.compiler import FOLDER, compile_text
from contracts.errors import ContractError

Document = dict[str, Any]
TEXT = (FOLDER / "flights" / "contract.yaml").read_text(encoding="utf-8")


def table(document: Document, name: str) -> Document:
    return next(table for table in document["schema"] if table["name"] == name)


def column(document: Document, table_name: str, name: str) -> Document:
    return next(column for column in table(document, table_name)["properties"] if column["name"] == name)


def section(document: Document, name: str) -> Any:
    return next(entry for entry in document["customProperties"] if entry["property"] == name)["value"]


def set_section(document: Document, name: str, value: Any) -> None:
    next(entry for entry in document["customProperties"] if entry["property"] == name)["value"] = value


def features(document: Document) -> Any:
    return section(document, "features")


def model(document: Document) -> Any:
    return section(document, "model")


def anonymity(document: Document) -> Any:
    """The properties of the table of aircraft, of which the last is its anonymity."""
    return table(document, "planes")["customProperties"]


def rule(text: str) -> Document:
    return {"type": "custom", "engine": "dqdl", "implementation": text}


MISTAKES: list[tuple[str, Callable[[Document], Any], str, str]] = [
    ("not odcs 3", lambda d: d.update(apiVersion="v2.2.2"), "apiVersion", "v3.0.0 or newer"),
    ("unknown section", lambda d: d.update(tabels=[]), "contract.yaml", "ODCS 3"),
    ("property of no column", lambda d: column(d, "weather", "temp").update(typo=1), "weather.properties.temp", "ODCS 3"),
    ("unknown type", lambda d: column(d, "weather", "temp").update(logicalType="number!"), "temp", "ODCS 3"),
    ("type without meaning here", lambda d: column(d, "weather", "time_hour").update(logicalType="time"), "time_hour", "integer"),
    ("no schema", lambda d: d.pop("schema"), "contract.yaml", "a schema section"),
    ("range upside down", lambda d: column(d, "weather", "temp")["logicalTypeOptions"].update(minimum=200),
     "weather.temp", "minimum <= maximum"),
    ("limit of another type", lambda d: column(d, "flights", "hour")["logicalTypeOptions"].update(multipleOf=2),
     "flights.hour", "minimum"),
    ("pattern that is none", lambda d: column(d, "flights", "dest").update(logicalTypeOptions={"pattern": "["}),
     "flights.dest.pattern", "a regular expression"),
    ("enum of another type", lambda d: column(d, "flights", "origin").update(enum=[{"value": 7}]),
     "flights.origin.enum", "values of type string"),
    ("no primary key", lambda d: column(d, "planes", "tailnum").pop("primaryKey"), "planes.primaryKey", "tailnum"),
    ("key that may be missing", lambda d: column(d, "planes", "tailnum").update(required=False),
     "planes.tailnum.required", "true for every column of the key"),
    ("key out of order", lambda d: column(d, "weather", "origin").update(primaryKeyPosition=3),
     "weather.primaryKeyPosition", "1 to 2"),
    ("event time that is no column", lambda d: table(d, "weather")["customProperties"][1].update(value="hour"),
     "weather.eventTime", "time_hour"),
    ("event time that is no timestamp", lambda d: table(d, "weather")["customProperties"][1].update(value="temp"),
     "weather.eventTime", "a required timestamp"),
    ("unknown source", lambda d: table(d, "weather")["customProperties"][0].update(value="queue"),
     "weather.source", "batch, stream"),
    ("unknown property of a table", lambda d: table(d, "weather")["customProperties"].append(
        {"property": "evenTime", "value": "x"}), "weather.customProperties", "eventTime"),
    ("share above one", lambda d: table(d, "weather")["customProperties"].append(
        {"property": "maxRejectedShare", "value": 20}), "maxRejectedShare", "between 0 and 1"),
    ("column twice", lambda d: table(d, "airlines")["properties"].append(column(d, "airlines", "name")),
     "airlines.name", "each column once"),
    ("table twice", lambda d: d["schema"].append(table(d, "airlines")), "schema.airlines", "each table once"),
    ("name of the partition key", lambda d: column(d, "airports", "tz").update(name="month"),
     "airports.month", "the partition key"),
    ("name that is no folder", lambda d: table(d, "airports").update(name="Air ports"), "Air ports", "lower case"),
    ("unknown classification", lambda d: column(d, "planes", "year").update(classification="secret"),
     "planes.year.classification", "quasi_identifier"),
    ("identifier without token domain", lambda d: column(d, "planes", "tailnum").pop("customProperties"),
     "planes.tailnum", "tokenDomain"),
    ("identifier that is a number", lambda d: column(d, "planes", "seats").update(
        classification="direct_identifier", customProperties=[{"property": "tokenDomain", "value": "x"}]),
     "planes.seats.logicalType", "string"),
    ("generalise of another type", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {"prefix": 2}}]), "planes.year.generalise", "bin"),
    ("bin of nothing", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {"bin": 0}}]), "planes.year.generalise.bin", "from 1"),
    ("bin below the range", lambda d: column(d, "planes", "year")["logicalTypeOptions"].update(minimum=1903),
     "planes.year.generalise", "a minimum that is a multiple of the bin"),
    ("two tokens of one identifier", lambda d: column(d, "planes", "tailnum").update(
        customProperties=[{"property": "tokenDomain", "value": "tail"}]), "tailnum.tokenDomain", "as in flights"),
    ("identifier in the clear elsewhere", lambda d: [column(d, "planes", "tailnum").pop(key) for key in (
        "classification", "customProperties")], "planes.tailnum.tokenDomain", "as in flights"),
    ("unknown way to generalise", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {"bins": 5}}]), "planes.year.generalise", "bottom"),
    ("generalise without a way", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {}}]), "planes.year.generalise", "bin, bottom, top"),
    ("top inside a bin", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {"bin": 5, "top": 2012}}]),
     "planes.year.generalise.top", "a multiple of 5"),
    ("bottom above the top", lambda d: column(d, "planes", "year").update(
        customProperties=[{"property": "generalise", "value": {"bottom": 2010, "top": 1990}}]),
     "planes.year.generalise", "bottom < top"),
    ("coarse event time", lambda d: column(d, "weather", "time_hour").update(classification="quasi_identifier",
        customProperties=[{"property": "generalise", "value": {"truncate": "day"}}]),
     "weather.time_hour.generalise", "beside the primary key and the event time"),
    ("coarse key", lambda d: column(d, "flights", "flight").update(classification="quasi_identifier",
        customProperties=[{"property": "generalise", "value": {"top": 5000}}]),
     "flights.flight.generalise", "beside the primary key"),
    ("date to its hour", lambda d: column(d, "flights", "flight_date").update(classification="quasi_identifier",
        customProperties=[{"property": "generalise", "value": {"truncate": "hour"}}]),
     "flights.flight_date.generalise.truncate", "month, year"),
    ("quasi-identifier among nobody", lambda d: anonymity(d).pop(), "planes.anonymity", "k, subject and below"),
    ("anonymity of one", lambda d: anonymity(d)[-1]["value"].update(k=1), "planes.anonymity.k", "from 2"),
    ("subject that is no identifier", lambda d: anonymity(d)[-1]["value"].update(subject="model"),
     "planes.anonymity.subject", "tailnum"),
    ("small classes left out of a required column", lambda d: column(d, "planes", "year").update(required=True),
     "planes.anonymity.below", "columns that may be missing"),
    ("anonymity without a quasi-identifier", lambda d: table(d, "flights")["customProperties"].append(
        {"property": "anonymity", "value": {"k": 5, "subject": "tailnum", "below": "tell"}}),
     "flights.anonymity", "a quasi-identifier"),
    ("epochs of another length", lambda d: section(d, "tokenEpochs").update(grain="week"),
     "tokenEpochs.grain", "month, quarter, year"),
    ("first epoch of another grain", lambda d: section(d, "tokenEpochs").update(first="2013-05"),
     "tokenEpochs.first", "an epoch such as 2013"),
    ("keys for no day", lambda d: section(d, "tokenEpochs").update(keepDays=0), "tokenEpochs.keepDays", "1 to 36500"),
    ("no time zone", lambda d: set_section(d, "timeZone", "New York"), "timeZone", "IANA"),
    ("negative lateness", lambda d: set_section(d, "latenessDays", -1), "latenessDays", "0 to 365"),
    ("unknown base", lambda d: features(d).update(base="flight"), "features.base", "flights"),
    ("base without event time", lambda d: features(d).update(base="planes"), "features.base", "eventTime"),
    ("join of no table", lambda d: features(d)["joins"][2].update(table="plane"), "joins.table", "planes"),
    ("join on no column", lambda d: features(d)["joins"][2].update(on={"tail": "tailnum"}), "planes.on", "tailnum"),
    ("join to no column", lambda d: features(d)["joins"][2].update(on={"tailnum": "tail"}), "planes.on", "tailnum"),
    ("join of no column", lambda d: features(d)["joins"][2]["columns"].update(age="age"), "planes.columns", "seats"),
    ("join of two types", lambda d: features(d)["joins"][2].update(on={"flight": "tailnum"}), "planes.on", "one type"),
    ("join that multiplies rows", lambda d: features(d)["joins"][1].pop("as_of"), "weather.on",
     "the whole primary key: origin, time_hour"),
    ("join with the future", lambda d: features(d)["joins"][1]["as_of"].update(offset_hours=1),
     "offset_hours", "0 or less"),
    ("join as of no timestamp", lambda d: features(d)["joins"][1]["as_of"].update(other="origin"),
     "as_of.other", "a timestamp column"),
    ("role of a join", lambda d: features(d)["joins"][1].update(role="lookup"), "weather.role", "feature, label"),
    ("sql of a stranger", lambda d: features(d)["derived"][0].update(sql="hours * 60"), "minute_of_day", "hour"),
    ("sql with an unknown function", lambda d: features(d)["derived"][0].update(sql="rand()"), "minute_of_day", "round"),
    ("sql left open", lambda d: features(d)["derived"][0].update(sql="CAST(hour AS DOUBLE"), "minute_of_day", "Spark SQL"),
    ("sql without operator", lambda d: features(d)["derived"][0].update(sql="hour minute"), "minute_of_day", "Spark SQL"),
    ("sql without operand", lambda d: features(d)["derived"][0].update(sql="hour *"), "minute_of_day", "Spark SQL"),
    ("sql that is empty", lambda d: features(d)["derived"][0].update(sql=" "), "minute_of_day", "Spark SQL"),
    ("label that does not parse", lambda d: features(d)["label"].update(sql="arr_delay >"), "label", "Spark SQL"),
    ("label of a stranger", lambda d: features(d)["label"].update(sql="delay > 15"), "label", "arr_delay"),
    ("derived from a leak", lambda d: features(d)["derived"][0].update(sql="arr_delay * 1.0"),
     "minute_of_day", "before the event"),
    ("leak as a feature", lambda d: features(d)["columns"].update(arr_delay="double"), "columns", "before the event"),
    ("leak under another name", lambda d: (features(d)["joins"][0]["columns"].update(late="dep_delay"),
     features(d)["columns"].update(late="double")), "columns", "before the event"),
    ("leak that is no column", lambda d: model(d)["leak_columns"].append("arrival"), "leak_columns", "arr_delay"),
    ("history by a leak", lambda d: features(d)["history"][0].update(group=["arr_delay"]), "group", "before the event"),
    ("history by nothing", lambda d: features(d)["history"][0].update(group=[]), "group", "one or more columns"),
    ("history of the same day", lambda d: features(d)["history"][0].update(days=0), "days", "from 1"),
    ("derived twice", lambda d: features(d)["derived"].append(features(d)["derived"][0]), "minute_of_day", "not taken"),
    ("derived over a column", lambda d: features(d)["derived"][0].update(name="hour"), "hour", "not taken"),
    ("feature with a reserved name", lambda d: features(d)["derived"][0].update(name="label"), "label", "not event_date"),
    ("feature from nowhere", lambda d: features(d)["columns"].update(gate="double"), "columns", "carrier"),
    ("feature of another type", lambda d: features(d)["columns"].update(dest="double"), "columns.dest", "fits string"),
    ("no features", lambda d: features(d).update(columns={}), "columns", "at least one"),
    ("model feature from nowhere", lambda d: model(d)["features"].update(
        gate={"kind": "numeric", "encoding": "passthrough", "imputation": "none"}), "model.features", "minute_of_day"),
    ("encoding of another kind", lambda d: model(d)["features"]["dest"].update(encoding="passthrough"),
     "dest.encoding", "one_hot, ordinal, target"),
    ("mean of a category", lambda d: model(d)["features"]["dest"].update(imputation="mean"), "dest.imputation", "mode"),
    ("number as a category", lambda d: model(d)["features"]["temp"].update(kind="categorical", encoding="target"),
     "temp.kind", "fits double"),
    ("constant without value", lambda d: model(d)["features"]["precip"].pop("value"), "precip", "a value"),
    ("rule on no feature", lambda d: model(d)["rule_baseline"]["rules"][0]["when"][0].update(feature="hour"),
     "rule_baseline", "minute_of_day"),
    ("rule with no operator", lambda d: model(d)["rule_baseline"]["rules"][0]["when"][0].update(op="=>"),
     "rule_baseline.rules.0.op", ">="),
    ("rule with no probability", lambda d: model(d)["rule_baseline"].update(default=22), "score", "a probability"),
    ("unknown problem", lambda d: model(d).update(problem="ranking"), "problem", "binary, clustering, forecasting, multiclass, recommendation, regression"),
    ("no hold-out", lambda d: model(d)["split"].update(holdout_days=0), "split.holdout_days", "from 1"),
    ("gate without confidence", lambda d: model(d)["gate"].pop("confidence"), "gate", "confidence"),
    ("limit that nothing reads", lambda d: section(d, "monitor").update(ks=0.1), "monitor", "psi"),
    ("unknown quality rule", lambda d: table(d, "planes").update(quality=[rule('IsNice "seats"')]),
     "planes.quality", "ColumnValues"),
    ("quality of no column", lambda d: table(d, "planes").update(quality=[rule('IsComplete "seat"')]),
     "planes.quality", "seats"),
    ("quality of no feature", lambda d: features(d).update(quality=['IsComplete "wind"']), "quality", "wind_speed"),
    ("quality in another language", lambda d: table(d, "planes").update(
        quality=[{"type": "custom", "engine": "soda", "implementation": "x"}]), "planes.quality", "engine dqdl"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "place", "allowed"), [pytest.param(*mistake[1:], id=mistake[0]) for mistake in MISTAKES]
)
def test_contract_refuses(change: Callable[[Document], Any], place: str, allowed: str) -> None:
    document = yaml.safe_load(TEXT)
    change(document)
    with pytest.raises(ContractError) as caught:
        compile_text(yaml.safe_dump(document, sort_keys=False))
    error = caught.value
    assert place in error.place
    assert allowed in error.allowed
    assert error.fix


@pytest.mark.parametrize("text", ["a: [", "- a list", "", "just text"])
def test_text_that_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="contract.yaml"):
        compile_text(text)


def test_prefix_of_a_checked_text_is_refused() -> None:
    document = yaml.safe_load(TEXT)
    column(document, "airports", "dst").update(
        classification="quasi_identifier",
        customProperties=[{"property": "generalise", "value": {"prefix": 1}}],
    )
    with pytest.raises(ContractError, match="no pattern and no enum"):
        compile_text(yaml.safe_dump(document))


def test_folder_without_code_is_a_contract(tmp_path: Path) -> None:
    from contracts import load

    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "contract.yaml").write_text(TEXT, encoding="utf-8")
    assert load("again", tmp_path)["name"] == "flights"
